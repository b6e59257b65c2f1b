"""Files that a command writes: whole or not at all, and their places looked at before the work begins."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from wslgpu.errors import UsageError
from wslgpu.probe.document import SIZE_LIMIT_BYTES

_UNFIT = re.compile(r"[^A-Za-z0-9._@-]+")


def require_file_place(path: Path) -> None:
    """Refuse a place where no file can be written.

    :raises UsageError: the folder is not there or not writable, or the name is a folder's
    """
    if path.is_dir():
        raise UsageError("is a folder, and a file is to be written", str(path), "Name a file in it.")
    if not path.parent.is_dir():
        raise UsageError("there is no such folder", str(path.parent), "Make it, or name another place.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError("the folder cannot be written", str(path.parent), "Name another place.")


def require_folder_place(path: Path) -> None:
    """Refuse a place where no folder of ours can be; it may be there already.

    :raises UsageError: it is a file, or cannot be written
    """
    if path.exists() and not path.is_dir():
        raise UsageError("is a file, and a folder is needed", str(path), "Name another place.")
    place = path if path.exists() else path.parent
    if not place.is_dir():
        raise UsageError("there is no such folder", str(place), "Make it, or name another place.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError("the folder cannot be written", str(place), "Name another place.")


def write_whole(path: Path, data: str | bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all; what stood there stays until then.

    :param mode: as asked for, less the umask
    :raises UsageError: the place cannot be written
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    new = ""
    try:
        descriptor, new = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode & ~_umask())
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(new).replace(path)
    except OSError as error:
        if new:
            with contextlib.suppress(OSError):
                Path(new).unlink()
        raise UsageError(f"cannot be written ({error.strerror})", str(path), "Name another place.") from error


def _umask() -> int:
    """Only by setting it can it be read; the process has one thread that writes files."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def read_bounded(path: Path, limit: int = SIZE_LIMIT_BYTES) -> bytes:
    """A file's first ``limit`` + 1 bytes: enough to see that it is too long.

    :raises UsageError: it is not there, no file, or not readable
    """
    try:
        with path.open("rb") as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", str(path), "Name a file that can be read.") from error


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file name without suffix for each target's name; two never have the same."""
    result: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = _UNFIT.sub("_", name).strip("._") or "node"
        candidate, number = base[:120], 1
        while candidate.lower() in taken:
            number += 1
            candidate = f"{base[:120]}-{number}"
        taken.add(candidate.lower())
        result[name] = candidate
    return result
