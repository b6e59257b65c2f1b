"""Rules about systemd's units: which of them disturb WSL, and whether an image would start them."""

from __future__ import annotations

from collections.abc import Iterator

from wslgpu.image.contents import Contents
from wslgpu.image.rules_files import boots_systemd

DISCOURAGED = (
    "systemd-resolved.service",
    "systemd-networkd.service",
    "systemd-networkd-wait-online.service",
    "NetworkManager.service",
    "networking.service",
    "systemd-tmpfiles-setup.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-tmpfiles-setup-dev-early.service",
    "systemd-tmpfiles-clean.service",
    "systemd-tmpfiles-clean.timer",
    "tmp.mount",
)
"""Units known to cause trouble in WSL, for the system and for users: the guide's list and the validator's.

Sources: learn.microsoft.com/windows/wsl/build-custom-distro, "Systemd recommendations", 2024-11-19; github.com/
microsoft/WSL distributions/validate-modern.py, 2026-08-07.
"""
SYSTEM = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
USER = ("/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user")


def discouraged(contents: Contents) -> Iterator[str]:
    """Whether something wants such a unit, and it is not masked."""
    if not boots_systemd(contents):
        return
    for kind, folders in (("system", SYSTEM), ("user", USER)):
        wanted = _wanted(contents, folders)
        for unit in DISCOURAGED:
            if unit in wanted and not _masked(contents, folders, unit):
                yield f"the {kind} unit {unit} would be started: {wanted[unit]}"


def _wanted(contents: Contents, folders: tuple[str, ...]) -> dict[str, str]:
    """Units that some .wants or .requires folder names, with that place."""
    found: dict[str, str] = {}
    for folder in folders:
        for path, _ in contents.below(folder):
            place, _, unit = path.rpartition("/")
            if place.endswith((".wants", ".requires")):
                found.setdefault(unit, f"/{path}")
    return found


def _masked(contents: Contents, folders: tuple[str, ...], unit: str) -> bool:
    """The first folder that has the unit decides, as in systemd.unit(5)."""
    for folder in folders:
        member = contents.there(f"{folder}/{unit}")
        if member is not None:
            return (member.kind == "link" and member.target == "/dev/null") or (
                member.kind == "file" and member.size_bytes == 0
            )
    return True  # wanted, and not there at all: nothing to start
