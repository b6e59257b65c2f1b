"""Network interfaces, without addresses."""

from __future__ import annotations

from .base import Probe
from .files import names, read_word

_FOLDER = "/sys/class/net"
_UP = 1  # IFF_UP, linux/if.h
_LIMIT = 200


def observe(probe: Probe) -> None:
    probe.look("network.interfaces", _interfaces)


def _interfaces() -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for name in (names(_FOLDER) or [])[:_LIMIT]:
        flags = read_word(f"{_FOLDER}/{name}/flags")
        mtu = read_word(f"{_FOLDER}/{name}/mtu")
        if name == "lo" or not mtu.isdigit():
            continue
        up = bool(int(flags, 16) & _UP) if flags.startswith("0x") else False
        carrier = read_word(f"{_FOLDER}/{name}/operstate") in ("up", "unknown")
        found.append({"name": name, "up": up and carrier, "mtu": int(mtu)})
    return found
