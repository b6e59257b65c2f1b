"""Debian's order of versions, without dpkg: a controller may be of another kind. Source: deb-version(7)."""

from __future__ import annotations

import re
from itertools import zip_longest

_PARTS = re.compile(r"(\D*)(\d*)")


def compare(left: str, right: str) -> int:
    """-1, 0 or 1, as ``dpkg --compare-versions`` has it."""
    for mine, theirs in zip(_split(left), _split(right), strict=True):
        if order := _compare(mine, theirs):
            return order
    return 0


def _split(version: str) -> tuple[str, str, str]:
    """Epoch, upstream version and revision; what is not there counts as 0."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "0")


def _compare(left: str, right: str) -> int:
    mine, theirs = _PARTS.findall(left), _PARTS.findall(right)
    for (letters, digits), (others, numbers) in zip_longest(mine, theirs, fillvalue=("", "")):
        for one, other in zip_longest(letters, others, fillvalue=""):
            if order := _sign(_weight(one) - _weight(other)):
                return order
        if order := _sign(int(digits or 0) - int(numbers or 0)):
            return order
    return 0


def _weight(letter: str) -> int:
    """A tilde comes before the end, letters before all else."""
    if letter == "~":
        return -1
    if not letter:
        return 0
    return ord(letter) if letter.isalpha() else ord(letter) + 256


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
