"""What of /etc/wsl.conf is not yet true of the running distro: changes that wait for ``wsl --terminate``.

Some keys can be seen in the running system. Of the others the file that the distro began with is the measure, and
where that is not known, whether the file changed since.
"""

from __future__ import annotations

from dataclasses import dataclass

from wslgpu.wsl_files import WSL_CONF_FILE, values

Key = tuple[str, str]


@dataclass(frozen=True)
class Running:
    """What can be seen.

    :param drives: mount points of Windows drives
    :param at_start: the file as the distro read it, where that is known
    :param changed_since_start: the file is newer than the distro's start
    """

    systemd: bool
    hostname: str
    cgroup: str
    interop: bool
    drives: tuple[str, ...]
    at_start: str | None
    changed_since_start: bool


def waiting(conf: str, running: Running) -> list[str]:
    """One sentence, without a full stop, for each thing that waits; an empty list when all has come true."""
    wanted = values(conf, WSL_CONF_FILE)
    found: list[str] = []
    unseen: dict[Key, str] = {}
    for key, value in wanted.items():
        seen = _seen(key, value, running)
        if seen is None:
            unseen[key] = value
        elif seen:
            found.append(f"[{key[0]}] {key[1]}={value} waits: {seen}")
    if running.at_start is not None:
        before = values(running.at_start, WSL_CONF_FILE)
        for key in sorted({*unseen, *(key for key in before if key not in wanted)}):
            if unseen.get(key) != before.get(key):
                now = f"={unseen[key]}" if key in unseen else " (removed)"
                found.append(f"[{key[0]}] {key[1]}{now} waits: the distro began with {before.get(key, 'no such key')}")
    elif running.changed_since_start and unseen and not found:
        names = ", ".join(f"[{section}] {key}" for section, key in unseen)
        found.append(f"/etc/wsl.conf is newer than the running distro: {names} may wait")
    return found


def _seen(key: Key, value: str, running: Running) -> str | None:
    """What contradicts a key in the running system, "" when it agrees, None when it cannot be seen."""
    on = value.lower() in ("true", "1")
    if key == ("boot", "systemd"):
        return "" if on == running.systemd else f"systemd is {'running' if running.systemd else 'not running'}"
    if key == ("network", "hostname"):
        return "" if value == running.hostname else f"the host name is {running.hostname}"
    if key == ("automount", "cgroups") and running.cgroup:
        version = "v2" if running.cgroup == "cgroup2fs" else "v1"
        return "" if value == version else f"cgroup {version} is mounted"
    if key == ("automount", "root") and running.drives:
        root = value.rstrip("/") + "/"
        elsewhere = [drive for drive in running.drives if drive[: drive.rfind("/") + 1] != root]
        return f"a Windows drive is mounted at {elsewhere[0]}" if elsewhere else ""
    if key == ("automount", "enabled") and running.drives:
        return "" if on else f"a Windows drive is mounted at {running.drives[0]}"
    if key == ("interop", "enabled") and not on:
        return "interop is on" if running.interop else ""
    return None
