"""Names on the command line held against what there is, before anything is contacted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wslgpu.errors import UsageError
from wslgpu.names import did_you_mean


def require_known(words: Sequence[str], known: Iterable[str], kind: str, option: str, listing: str) -> None:
    """Refuse a name that does not exist.

    :param kind: what it is: ``workload`` or ``capability``
    :param listing: the command that lists them all
    :raises UsageError: with the nearest names
    """
    names = list(known)
    for word in words:
        if word not in names:
            meant = did_you_mean(word, names)
            raise UsageError(f"there is no {kind} {word[:100]!r}", option, f"{meant}`{listing}` lists them.")
