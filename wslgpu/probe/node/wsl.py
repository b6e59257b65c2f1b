"""WSL's plumbing: signals, device, mounts, configuration, interop. Facts: microsoft/WSL src/linux/init, WSL's docs."""

from __future__ import annotations

import os
import stat

from . import services
from .base import CommandError, NotSeenError, Probe
from .files import Mount, find_program, mounted_at, mounts, names, read_text, read_word

WSL_LIB = "/usr/lib/wsl/lib"
WSL_DRIVERS = "/usr/lib/wsl/drivers"
DXG = "/dev/dxg"
BINFMT = "/proc/sys/fs/binfmt_misc"
# beside WSL's own: folders that other products' distributions put there while they run
_OTHERS = ("docker-desktop", "rancher-desktop", "podman")


def observe(probe: Probe) -> None:
    table = mounts()
    probe.look("wsl.signals", _signals)
    probe.look("wsl.interop", lambda: _interop(probe.session_path))
    probe.look("wsl.conf", _conf)
    probe.look("wsl.dxg", _dxg)
    probe.look("wsl.lib_mount", lambda: _mount(mounted_at(table, WSL_LIB)))
    probe.look("wsl.drivers_mount", lambda: _mount(mounted_at(table, WSL_DRIVERS)))
    probe.look("wsl.automount", lambda: _automount(mounted_at(table, "/mnt/c")))
    probe.look("wsl.swap", lambda: swaps(read_text("/proc/swaps") or ""))
    probe.look("wsl.distributions", lambda: _distributions(table))
    probe.look("wsl.wslg", lambda: _wslg(table))
    probe.look("wsl.cloud_init", _cloud_init)
    probe.look("wsl.version", lambda: _wslinfo(probe, "version"))
    probe.look("wsl.networking_mode", lambda: _wslinfo(probe, "mode"))
    probe.look("wsl.path", lambda: _path(probe))


def _signals() -> dict[str, bool]:
    """Each of them is missing on some genuine WSL2; custom kernels drop the name."""
    return {
        "osrelease": "microsoft" in read_word("/proc/sys/kernel/osrelease").lower(),
        "dxg": os.path.exists(DXG),
        "interop": bool(_interop_files()),
        "run_wsl": os.path.isdir("/run/WSL"),
        "init_rootfs": os.path.exists("/init"),
    }


def _interop_files() -> list[str]:
    return [name for name in names(BINFMT) or [] if name.startswith("WSLInterop")]


def _interop(path: str) -> dict[str, bool]:
    files = _interop_files()
    enabled = any(read_word(f"{BINFMT}/{name}").startswith("enabled") for name in files)
    windows = any(word.startswith("/mnt/") and "/windows" in word.lower() for word in path.split(":"))
    return {"registered": bool(files), "enabled": enabled, "windows_on_path": windows}


def _conf() -> dict[str, str] | None:
    if not os.path.lexists("/etc/wsl.conf"):
        return None
    text = read_text("/etc/wsl.conf", 64 << 10)
    if text is None:
        raise NotSeenError("/etc/wsl.conf cannot be read")
    return {"text": text}


def _dxg() -> dict[str, object]:
    """Opened and closed at once; with the stand-in of a lab there is no driver behind it."""
    found: dict[str, object] = {"exists": False, "character_device": False, "mode": "", "openable": False, "error": ""}
    try:
        status = os.stat(DXG)
    except OSError as error:
        return dict(found, error=error.strerror or "")
    character = stat.S_ISCHR(status.st_mode)
    found.update(exists=True, character_device=character, mode=f"{stat.S_IMODE(status.st_mode):04o}")
    if not character:
        return dict(found, error="not a character device")
    try:
        os.close(os.open(DXG, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return dict(found, error=error.strerror or "")
    return dict(found, openable=True)


def _mount(mount: Mount | None) -> dict[str, str] | None:
    if mount is None:
        return None
    return {"filesystem": mount.filesystem, "options": mount.all_options, "source": mount.source}


def _automount(mount: Mount | None) -> dict[str, str] | None:
    return None if mount is None else {"filesystem": mount.filesystem, "options": mount.all_options}


def swaps(text: str) -> list[dict[str, object]]:
    """/proc/swaps, whose sizes are KiB."""
    found: list[dict[str, object]] = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) >= 3 and words[2].isdigit():
            found.append({"path": words[0].replace("\\040", " "), "size_bytes": int(words[2]) * 1024})
    return found


def _distributions(table: list[Mount]) -> dict[str, int] | None:
    """At least so many: a distribution that leaves nothing in /mnt/wsl is not seen from another."""
    if mounted_at(table, "/mnt/wsl") is None:
        return None
    found = names("/mnt/wsl") or []
    return {"others_running": sum(any(name.startswith(other) for name in found) for other in _OTHERS)}


def _wslg(table: list[Mount]) -> dict[str, bool]:
    return {
        "mounted": any(mount.point == "/mnt/wslg" or mount.point.startswith("/mnt/wslg/") for mount in table),
        "wayland": os.path.exists("/mnt/wslg/runtime-dir/wayland-0"),
        "x11": os.path.exists("/tmp/.X11-unix/X0"),  # noqa: S108 - looked at, not written
    }


def _cloud_init() -> dict[str, str] | None:
    """From its own files, in the words of `cloud-init status`, which would start a Python of its own."""
    import json

    if find_program("cloud-init") is None and not os.path.isdir("/run/cloud-init"):
        return None
    if os.path.exists("/run/cloud-init/disabled") or os.path.exists("/etc/cloud/cloud-init.disabled"):
        return {"status": "disabled", "datasource": ""}
    told = read_text("/run/cloud-init/status.json")
    if told is None:
        return {"status": "not started", "datasource": ""}
    stages = json.loads(told).get("v1") or {}
    errors = [error for stage in stages.values() if isinstance(stage, dict) for error in stage.get("errors") or []]
    ended = os.path.exists("/run/cloud-init/result.json")
    status = "error" if errors else "done" if ended else "running"
    return {"status": status, "datasource": str(stages.get("datasource") or "")}


def _wslinfo(probe: Probe, which: str) -> str | None:
    if find_program("wslinfo") is None:
        return None
    done = probe.wait(probe.kept("wslinfo " + which))
    if done.exit != 0 or done.hang:
        raise CommandError(done, "wslinfo")
    return done.out.strip()[:100]


def _path(probe: Probe) -> dict[str, bool]:
    systemd = services.path_of(services.manager(probe).get("Environment", "")) if services.has_systemd() else ""
    return {"session": WSL_LIB in probe.session_path.split(":"), "systemd": WSL_LIB in systemd.split(":")}
