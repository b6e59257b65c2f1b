"""Names that somebody wrote held against those that there are: what was most likely meant. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def alike(word: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that a typo most likely meant, the best first; case does not matter."""
    lowered = {name.lower(): name for name in known}
    return [lowered[name] for name in difflib.get_close_matches(word.lower(), list(lowered), n=count, cutoff=0.6)]


def nearest(word: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that were most likely meant: alike in spelling, or holding the word; the best first."""
    names = list(known)
    holding = sorted(name for name in names if len(word) > 2 and word.lower() in name.lower())
    return list(dict.fromkeys([*alike(word, names, count), *holding]))[:count]


def did_you_mean(word: str, known: Iterable[str], count: int = 3) -> str:
    """``Did you mean a, b or c? ``, to stand before what else can be done; empty when nothing is near."""
    close = nearest(word, known, count)
    named = " or ".join([", ".join(close[:-1]), close[-1]] if close[1:] else close)
    return f"Did you mean {named}? " if close else ""
