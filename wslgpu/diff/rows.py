"""One difference, as every report shows it. Contents are never part of it, and no digest of what is not for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wslgpu.diff.compare import HIDDEN, Comparison
from wslgpu.manifest.model import Entry

Change = Literal["added", "changed", "removed"]
_DIGEST_CHARACTERS = 12


@dataclass(frozen=True)
class Row:
    """One thing that differs.

    :param component: whose it is; empty where it is no component's, or two nodes are compared
    :param section: ``component``, ``path``, ``package``, ``unit``, ``user``, ``group``, ``image`` or ``artifact``
    :param what: the properties that differ
    :param wanted: as it should be, in words; of two nodes, the first's
    :param found: as it is, in words; of two nodes, the second's
    :param by: what did it; empty where nothing says so
    :param when: RFC 3339 in UTC; empty where nothing says so
    """

    component: str
    section: str
    name: str
    change: Change
    what: tuple[str, ...]
    wanted: str = ""
    found: str = ""
    by: str = ""
    when: str = ""


@dataclass(frozen=True)
class Diff:
    """The outcome for one node, or for two.

    :param name: the node; of two, the first
    :param other: the second node; empty where one is held against its own manifest
    :param basis: what it was held against, in words
    :param allowed: name -> id of the reason, of what may differ
    """

    name: str
    other: str
    basis: str
    rows: tuple[Row, ...]
    allowed: tuple[tuple[str, str], ...] = ()

    @property
    def same(self) -> bool:
        return not self.rows


def shown_digest(entry: Entry, what: tuple[str, ...]) -> str:
    """These properties of an entry in words; of content the beginning of its digest, if everybody may read it."""
    words = []
    for name in what:
        if name == "content":
            readable = int(entry.mode or "0", 8) & 0o004
            words.append(f"sha256 {entry.sha256[:_DIGEST_CHARACTERS]}" if readable else HIDDEN)
        else:
            words.append(f"{name} {getattr(entry, name)}")
    return ", ".join(words)


def rows_of(comparison: Comparison) -> tuple[Row, ...]:
    """The differences of two nodes that no reason explains."""
    return tuple(
        Row("", one.section, one.name, one.change, one.what, one.first, one.second) for one in comparison.differences
    )
