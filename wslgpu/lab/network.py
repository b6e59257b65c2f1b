"""A lab's own network: a bridge, a free /24, and one nftables table that lets nodes out."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from pathlib import Path

from wslgpu.errors import ErrorClass
from wslgpu.lab.errors import LabError
from wslgpu.lab.shell import run
from wslgpu.lab.state import LabState

CANDIDATES = tuple(ipaddress.IPv4Network(f"10.{second}.0.0/24") for second in range(201, 255))


def pick_subnet(taken: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """The first candidate that overlaps nothing in ``taken``."""
    used = list(taken)
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(network) for network in used):
            return candidate
    raise LabError(
        what="every lab network from 10.201.0.0/24 to 10.254.0.0/24 is in use on this machine",
        where="ip route",
        next_step="wslgpu lab list, and take down what is not needed",
        error_class=ErrorClass.USAGE,
    )


def networks_in_use() -> list[ipaddress.IPv4Network]:
    """IPv4 networks this machine has an address in or a route to, the default route left out."""
    found: list[ipaddress.IPv4Network] = []
    for link in json.loads(run(["ip", "-j", "-4", "addr"]).stdout or "[]"):
        for address in link.get("addr_info", []):
            found.append(ipaddress.IPv4Interface(f"{address['local']}/{address['prefixlen']}").network)
    for route in json.loads(run(["ip", "-j", "-4", "route"]).stdout or "[]"):
        if route["dst"] != "default":
            found.append(ipaddress.IPv4Network(route["dst"], strict=False))
    return found


def up(state: LabState) -> None:
    """Make bridge, address and masquerading. The caller holds the host lock."""
    prefix = ipaddress.IPv4Network(state.subnet).prefixlen
    run(["ip", "link", "add", state.bridge, "type", "bridge"])
    # without this a bridge takes the lowest MAC of its ports and changes it when they come and go
    run(["ip", "link", "set", state.bridge, "address", _mac(state.ident)])
    run(["ip", "addr", "add", f"{state.gateway}/{prefix}", "dev", state.bridge])
    run(["ip", "link", "set", state.bridge, "up"])
    rules = (
        f"table ip {state.table} {{\n"
        f" chain out {{ type nat hook postrouting priority srcnat; policy accept;\n"
        f'  ip saddr {state.subnet} oifname != "{state.bridge}" masquerade\n }}\n}}\n'
    )
    run(["nft", "-f", "-"], stdin=rules.encode())


def down(bridge: str, table: str) -> None:
    """Remove bridge and table; nothing happens where they are not."""
    if Path(f"/sys/class/net/{bridge}").exists():
        run(["ip", "link", "delete", bridge])
    if run(["nft", "list", "table", "ip", table], check=False).ok:
        run(["nft", "delete", "table", "ip", table])


def _mac(ident: str) -> str:
    digits = f"{int(ident, 16) & 0xFFFFFFFF:08x}"
    return "02:77:" + ":".join(re.findall("..", digits))
