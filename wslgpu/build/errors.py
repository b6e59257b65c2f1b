"""What can go wrong with a build, and how a full disk is told from other trouble."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from wslgpu.errors import ErrorClass, WslgpuError

_FULL = (errno.ENOSPC, errno.EDQUOT)


class BuildError(WslgpuError):
    """Something could not be built; says what, where (the log, mostly) and what next."""


@contextlib.contextmanager
def named_trouble(doing: str, place: Path) -> Iterator[None]:
    """A full disk, a read-only place and their like as one line instead of a traceback.

    :param doing: ``unpacking mesa``
    :param place: what is written to, where the error itself names no file
    :raises BuildError: for every OSError
    """
    try:
        yield
    except OSError as error:
        where = error.filename if isinstance(error.filename, str | bytes) and error.filename else place
        if error.errno in _FULL:
            raise disk_full(doing, place) from error
        reason = error.strerror or str(error)
        raise BuildError(
            f"{doing} failed: {reason}",
            os.fsdecode(where),
            "Give the place to the user who builds, writable, or name another: WSLGPU_CACHE_DIR, WSLGPU_STORE_DIR.",
        ) from error


def disk_full(doing: str, place: Path) -> BuildError:
    """The disk was full in the middle of something."""
    return BuildError(
        f"the disk is full: {doing} could not be finished; {free_words(place)}",
        str(place),
        "Free space there, or name another place (WSLGPU_CACHE_DIR, WSLGPU_STORE_DIR); what is in the store is whole.",
        ErrorClass.PLATFORM,
    )


def free_words(place: Path) -> str:
    """``12.3 MB and 400 inodes are free``; of the nearest folder that exists."""
    status = os.statvfs(nearest_that_exists(place))
    return f"{size_words(status.f_bavail * status.f_frsize)} and {status.f_favail} inodes are free"


def nearest_that_exists(place: Path) -> Path:
    """A place, or the nearest folder above it that is there."""
    return next((path for path in (place, *place.absolute().parents) if path.exists()), Path("/"))


def size_words(count: float) -> str:
    """Bytes for people: MB and GB are powers of ten."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def count_words(count: int, what: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
