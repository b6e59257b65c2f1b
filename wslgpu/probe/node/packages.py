"""Packages of dpkg, from its own table in one pass: `dpkg-query` for every question would cost a process each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .base import Probe
from .files import read_bytes

STATUS = "/var/lib/dpkg/status"
_LIMIT = 32 << 20


class Package(NamedTuple):
    """An installed package."""

    version: str
    held: bool


def parse_status(data: bytes) -> dict[str, Package]:
    """Installed packages of ``/var/lib/dpkg/status``, by name; removed ones whose files stay are left out."""
    found: dict[str, Package] = {}
    for stanza in data.split(b"\n\n"):
        stanza = b"\n" + stanza
        name, status, version = (_field(stanza, key) for key in (b"Package", b"Status", b"Version"))
        words = status.split()
        if name and words[2:3] == ["installed"]:
            found[name] = Package(version, words[0] == "hold")
    return found


def _field(stanza: bytes, key: bytes) -> str:
    start = stanza.find(b"\n" + key + b": ")
    if start < 0:
        return ""
    start += len(key) + 3
    end = stanza.find(b"\n", start)
    return stanza[start : end if end >= 0 else len(stanza)].decode("utf-8", "replace").strip()


def packages(probe: Probe) -> dict[str, Package] | None:
    """The node's packages; None where there is no dpkg."""

    def read() -> dict[str, Package] | None:
        data = read_bytes(STATUS, _LIMIT)
        return None if data is None else parse_status(data)

    return probe.once("packages", read)


def named(table: dict[str, Package], prefixes: Iterable[str], names: Iterable[str] = ()) -> list[str]:
    """Names that begin with one of the prefixes, and those given in full; sorted."""
    starts, whole = tuple(prefixes), frozenset(names)
    return sorted(name for name in table if name.startswith(starts) or name in whole)
