"""The loader's cache, read as ld.so does: /etc/ld.so.cache in the format of glibc 2.2 and later.

Source: glibc sysdeps/generic/dl-cache.h. A header of 48 bytes (magic and version 20, number of entries, length of the
texts, flags), then entries of 24 bytes (flags, key, value, two more), keys and values being places of texts counted
from the header.
"""

from __future__ import annotations

import struct

from .base import Probe
from .files import read_bytes

CACHE = "/etc/ld.so.cache"
_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("=20sII20x")
_ENTRY = struct.Struct("=iIIIQ")
_ENTRIES_LIMIT = 50000


def parse_cache(data: bytes) -> list[tuple[str, str]]:
    """Pairs of a library's name and path, in the cache's order: of one name the loader takes the first that fits.

    A file that is none gives no pairs.
    """
    # an older format may stand before it
    start = data.find(_MAGIC)
    if start < 0 or len(data) < start + _HEADER.size:
        return []
    _, number, _ = _HEADER.unpack_from(data, start)
    pairs: list[tuple[str, str]] = []
    for index in range(min(number, _ENTRIES_LIMIT)):
        place = start + _HEADER.size + index * _ENTRY.size
        if place + _ENTRY.size > len(data):
            break
        _, key, value, _, _ = _ENTRY.unpack_from(data, place)
        pairs.append((_text(data, start + key), _text(data, start + value)))
    return pairs


def _text(data: bytes, place: int) -> str:
    end = data.find(b"\0", place, place + 4096)
    return data[place:end].decode("utf-8", "replace") if 0 <= place < end else ""


def cache(probe: Probe) -> list[tuple[str, str]] | None:
    """This node's cache; None when there is none, as with musl."""

    def read() -> list[tuple[str, str]] | None:
        data = read_bytes(CACHE, 16 << 20)
        return None if data is None else parse_cache(data)

    return probe.once("ld.so.cache", read)


def cached_paths(probe: Probe, name: str) -> list[str]:
    """Paths that the cache has for exactly this name, first one first."""
    return [path for key, path in cache(probe) or [] if key == name]


def cached_like(probe: Probe, prefix: str) -> list[str]:
    """Paths of all names that begin so."""
    return [path for key, path in cache(probe) or [] if key.startswith(prefix)]
