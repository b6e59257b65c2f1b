"""Reading files: one of the probe's own folder, and one that is there already on the Windows drive."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from .call import UnavailableError
from .files import mount_of, mounts

FILE_BYTES = 64 << 20
PART_BYTES = 1 << 20
ROOM_BYTES = 256 << 20
READ_TIME_S = 8.0
LOOK_TIME_S = 4.0
LOOK_FILES = 400
WINDOWS_FOLDERS = ("/mnt/c/Windows", "/mnt/c/Windows/System32", "/mnt/c/Windows/Fonts")


def _filesystem(path: str) -> str:
    mount = mount_of(mounts(), path)
    return mount.filesystem if mount else ""


def _uncached(descriptor: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _read(path: str) -> dict[str, Any]:
    """Read it once from its beginning, at most :data:`FILE_BYTES` and :data:`READ_TIME_S`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _uncached(descriptor)
        size = 0
        began = time.perf_counter()
        while size < FILE_BYTES and time.perf_counter() - began < READ_TIME_S:
            part = os.read(descriptor, PART_BYTES)
            if not part:
                break
            size += len(part)
        seconds = time.perf_counter() - began
    finally:
        os.close(descriptor)
    if size == 0 or seconds <= 0:
        raise UnavailableError(f"nothing was read of {path}")
    return {"bytes_per_s": round(size / seconds, 1), "bytes": size, "filesystem": _filesystem(path)}


def read_local(folder: str) -> dict[str, Any]:
    """bench.read_local: a file of random bytes, written, synced and dropped from the cache where that is allowed.

    :raises UnavailableError: there is not four times as much room
    """
    room = os.statvfs(folder)
    if room.f_bavail * room.f_frsize < ROOM_BYTES:
        raise UnavailableError("too little room for a file of 64 MiB")
    path = os.path.join(folder, "read")
    part = os.urandom(PART_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(FILE_BYTES // PART_BYTES):
            os.write(descriptor, part)
        os.fsync(descriptor)
        _uncached(descriptor)
    finally:
        os.close(descriptor)
    try:
        return _read(path)
    finally:
        os.unlink(path)


def largest_file(folders: tuple[str, ...] = WINDOWS_FOLDERS) -> str:
    """The largest readable regular file among the first few of each folder; empty when there is none."""
    best, found = 0, ""
    until = time.monotonic() + LOOK_TIME_S
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= LOOK_FILES or time.monotonic() > until:
                    break
                with contextlib.suppress(OSError):
                    if entry.is_file(follow_symlinks=False):
                        size = entry.stat(follow_symlinks=False).st_size
                        if size > best and os.access(entry.path, os.R_OK):
                            best, found = size, entry.path
    return found


def read_windows_drive(_: None) -> dict[str, Any] | None:
    """bench.read_windows_drive: Windows' own files are there on every machine; None without the drive."""
    if not os.path.isdir(WINDOWS_FOLDERS[0]):
        return None
    path = largest_file()
    if not path:
        raise UnavailableError("no file of /mnt/c/Windows can be read")
    return _read(path)
