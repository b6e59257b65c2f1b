"""Files of the machine that wslgpu runs on: written whole or not at all, and locks that die with their holder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path


def write_atomically(path: Path, text: str | bytes, mode: int = 0o644) -> None:
    """Write under a temporary name, sync and rename, so that no reader sees half a file, and no power loss leaves one.

    :raises OSError: the place cannot be written
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    data = text.encode() if isinstance(text, str) else text
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def sha256_of_file(path: Path) -> str:
    """The sha256 of a file's bytes in hexadecimal; the file is read in pieces.

    :raises OSError: it cannot be read
    """
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; the kernel frees it when this process dies, however it dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whoever held the lock before may have deleted its file: then the lock that we got is nobody's."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
