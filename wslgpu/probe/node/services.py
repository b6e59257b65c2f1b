"""systemd's units and its own state: two calls of systemctl for everything that the probe asks."""

from __future__ import annotations

import os

from .base import NotSeenError, Probe
from .process import Running

UNITS = (
    "containerd.service",
    "docker.service",
    "kubelet.service",
    "k3s.service",
    "k3s-agent.service",
    "snap.microk8s.daemon-kubelite.service",
    "nvidia-cdi-refresh.service",
    "nvidia-cdi-refresh.path",
    "nvidia-dcgm.service",
    "ollama.service",
)
_UNIT_FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_UNIT_KEYS = "Id,LoadState,ActiveState,UnitFileState,Result,FragmentPath"
_MANAGER_KEYS = "SystemState,NFailedUnits,Environment"


def parse_show(text: str) -> list[dict[str, str]]:
    """Output of ``systemctl show``: one table per unit, in the order asked for."""
    tables: list[dict[str, str]] = []
    for block in text.strip().split("\n\n"):
        rows = [line.partition("=") for line in block.splitlines() if "=" in line]
        if rows:
            tables.append({key: value for key, _, value in rows})
    return tables


def has_systemd() -> bool:
    """Whether systemd is process 1, as sd_booted(3) has it."""
    return os.path.isdir("/run/systemd/system")


def begin(probe: Probe) -> None:
    """Start both calls, so that they run while other things are looked at."""
    if has_systemd():
        probe.once("systemctl units", lambda: _start(probe, [*UNITS, f"--property={_UNIT_KEYS}"]))
        probe.once("systemctl manager", lambda: _start(probe, [f"--property={_MANAGER_KEYS}"]))


def _start(probe: Probe, words: list[str]) -> Running:
    return probe.start(["systemctl", "show", "--no-pager", *words], timeout_s=8.0)


def _answer(probe: Probe, which: str) -> list[dict[str, str]]:
    begin(probe)
    if not has_systemd():
        raise NotSeenError("systemd does not run")
    done = probe.wait(probe.kept("systemctl " + which))
    if done.hang:
        raise NotSeenError("systemctl did not end within its time")
    tables = parse_show(done.out)
    if not tables:
        raise NotSeenError(f"systemctl said nothing: {done.err.strip()[:200]}")
    return tables


def manager(probe: Probe) -> dict[str, str]:
    """SystemState, NFailedUnits and Environment of systemd itself.

    :raises NotSeenError: systemd does not run or does not answer
    """
    return probe.once("manager", lambda: _answer(probe, "manager"))[0]


def unit(probe: Probe, name: str) -> dict[str, str] | None:
    """One of :data:`UNITS`; None when there is no such unit.

    :raises NotSeenError: there is its file, but systemd does not run or does not answer
    """
    if not has_systemd() and not any(os.path.lexists(f"{folder}/{name}") for folder in _UNIT_FOLDERS):
        return None
    table = probe.once("units", lambda: {one.get("Id", ""): one for one in _answer(probe, "units")})
    found = table.get(name)
    return None if found is None or found.get("LoadState") in ("not-found", None) else found


def is_active(probe: Probe, *names: str) -> bool:
    """Whether one of the units is active; False where systemd does not answer."""
    try:
        return any((unit(probe, name) or {}).get("ActiveState") == "active" for name in names)
    except NotSeenError:
        return False


def path_of(environment: str) -> str:
    """PATH in the manager's Environment (``A=b "C=d e"``); empty when it sets none."""
    for word in environment.split(" "):
        key, _, value = word.strip('"').partition("=")
        if key == "PATH":
            return value
    return ""
