"""The state of systemd; late, because systemctl was started first and runs meanwhile."""

from __future__ import annotations

from . import services
from .base import Probe

FAILED_LIMIT = 100


def observe(probe: Probe) -> None:
    probe.look("system.systemd", lambda: _state(probe))


def _state(probe: Probe) -> dict[str, object]:
    if not services.has_systemd():
        return {"state": "offline", "failed_units": []}
    manager = services.manager(probe)
    failed: list[str] = []
    if manager.get("NFailedUnits", "0") != "0":
        text = probe.ask(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"])
        failed = [line.split()[0] for line in text.splitlines() if line.split()][:FAILED_LIMIT]
    return {"state": manager.get("SystemState", ""), "failed_units": failed}
