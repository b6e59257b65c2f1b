"""What is asked of a bundle before anything is done with it."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from wslgpu.build.errors import size_words
from wslgpu.build.progress import Progress
from wslgpu.bundle.archive import Bundle
from wslgpu.bundle.index import LOCK
from wslgpu.errors import UsageError
from wslgpu.lock.load import digest_of

SAY_ABOVE_BYTES = 200_000_000
"""What is read in a moment is read without a word."""


def require_lock(bundle: Bundle, lock: Path) -> None:
    """The bundle was made of this lock.

    :raises UsageError: of another, with both digests
    """
    wanted = digest_of(lock)
    if bundle.index.lock != wanted:
        raise UsageError(
            f"is a bundle of another lock: {bundle.index.lock[:19]}..., and {lock} is {wanted[:19]}...",
            str(bundle.path),
            f"Make one of this lock (wslgpu bundle make --lock {lock} --to FILE), or take the lock in it ({LOCK}).",
        )


def verify_whole(bundle: Bundle, out: TextIO) -> None:
    """Compare every byte.

    :raises WslgpuError: class integrity, with the files that were altered
    """
    size = bundle.index.size_bytes
    if size < SAY_ABOVE_BYTES:
        bundle.verify()
        return
    done = 0

    def count(read: int) -> None:
        nonlocal done
        done = read

    with Progress(out, 1).step("bundle", "comparing all of it", lambda: f"{size_words(done)} of {size_words(size)}"):
        bundle.verify(count)
