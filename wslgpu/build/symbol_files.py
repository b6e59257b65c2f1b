"""Which version of a library brought each of its symbols, as Debian's packages say it.

Many libraries (libdrm, libxcb, Wayland's) have no symbol versions: a program built against a newer one loads nowhere
else, and nothing in the program says so. The packages' ``symbols`` files do. Source: deb-symbols(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from wslgpu.build.targets import number

Symbols = Mapping[str, Mapping[str, str]]
"""soname -> symbol without a version -> the upstream version that brought it."""

_HEAD = re.compile(r"^(\S+\.so\S*) \S+ ")
_SYMBOL = re.compile(r"^ (?:\([^)]*\))?(\S+)@Base (\S+)")


def upstream(version: str) -> str:
    """The upstream part of a Debian version: ``1:2.4.110-1~`` is ``2.4.110``."""
    return re.split(r"[-+~]", version.partition(":")[2] or version)[0]


def parse(text: str) -> dict[str, dict[str, str]]:
    """One symbols file; a symbol in it that has a version of its own (``x@GLIBC_2.34``) is left out."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for line in text.splitlines():
        if head := _HEAD.match(f"{line} "):
            current = found.setdefault(head[1], {})
        elif (symbol := _SYMBOL.match(line)) and current is not None:
            current[symbol[1]] = upstream(symbol[2])
    return found


def read(root: Path) -> dict[str, dict[str, str]]:
    """The symbols files of every package that is installed in a root."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted((root / "var/lib/dpkg/info").glob("*.symbols")):
        found.update(parse(file.read_text(errors="replace")))
    return found


def asked(undefined: Iterable[str], needed: Iterable[str], symbols: Symbols) -> dict[str, tuple[str, str]]:
    """The greatest version of each linked library that symbols ask for: soname -> (version, symbol)."""
    names = set(undefined)
    greatest: dict[str, tuple[str, str]] = {}
    for soname in needed:
        known = symbols.get(soname, {})
        for symbol in sorted(names & known.keys()):
            version = known[symbol]
            if soname not in greatest or number(version) > number(greatest[soname][0]):
                greatest[soname] = (version, symbol)
    return greatest
