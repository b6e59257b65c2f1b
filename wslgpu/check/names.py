"""Names on the command line held against what there is, before anything is contacted. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from wslgpu.errors import UsageError


def nearest(word: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that were most likely meant: alike in spelling, or holding the word; the best first."""
    names = list(known)
    lowered = {name.lower(): name for name in names}
    alike = [lowered[name] for name in difflib.get_close_matches(word.lower(), list(lowered), n=count, cutoff=0.6)]
    holding = sorted(name for name in names if len(word) > 2 and word.lower() in name.lower())
    return list(dict.fromkeys([*alike, *holding]))[:count]


def require_known(words: Sequence[str], known: Iterable[str], kind: str, option: str, listing: str) -> None:
    """Refuse a name that does not exist.

    :param kind: what it is: ``workload`` or ``capability``
    :param listing: the command that lists them all
    :raises UsageError: with the nearest names
    """
    names = list(known)
    for word in words:
        if word not in names:
            close = nearest(word, names)
            meant = f"Did you mean {' or '.join(close)}? " if close else ""
            raise UsageError(f"there is no {kind} {word[:100]!r}", option, f"{meant}`{listing}` lists them.")
