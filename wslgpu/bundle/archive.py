"""The bundle's file: one plain tar, the same bytes for the same members, readable by any tar.

Members follow each other in the index's order, each right behind its header, so that a member can be read, sent and
compared in place: nothing is unpacked first.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wslgpu.bundle.index import INDEX, INDEX_LIMIT_BYTES, Index, Member, parse, refused, text
from wslgpu.errors import ErrorClass, UsageError, WslgpuError

PIECE = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
EPOCH = 1_000_000_000
"""Time of every member, seconds: the same in every bundle, and none that a program takes for missing."""


@dataclass(frozen=True)
class Place:
    """Where the bytes of a member are in the bundle's file."""

    offset: int
    size_bytes: int


class Slice(io.RawIOBase):
    """A member's bytes as a file that can be read from its begin; nothing of it is kept in memory."""

    def __init__(self, path: Path, place: Place) -> None:
        super().__init__()
        self._handle = path.open("rb")
        self._place, self._position = place, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._place.size_bytes}[whence]
        self._position = max(0, min(base + offset, self._place.size_bytes))
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = self._place.size_bytes - self._position
        count = left if size is None or size < 0 else min(size, left)
        self._handle.seek(self._place.offset + self._position)
        data = self._handle.read(count)
        self._position += len(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._handle.close()
        super().close()


def _header(name: str, size_bytes: int, *, program: bool) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size_bytes, EPOCH, 0o755 if program else 0o644
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _head(name: str, size_bytes: int, *, program: bool) -> bytes:
    """All that stands before a member's bytes; a second header for what the plain one cannot hold."""
    return _header(name, size_bytes, program=program).tobuf(tarfile.PAX_FORMAT)


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK) * _BLOCK


def _record_padded(size_bytes: int) -> int:
    return -(-size_bytes // tarfile.RECORDSIZE) * tarfile.RECORDSIZE


def write(index: Index, source: Callable[[Member], Path], handle: BinaryIO, progress: Callable[[int], None]) -> None:
    """Write the archive; each file is compared with the index while it is copied.

    :param progress: called with the bytes that were written
    :raises WslgpuError: class integrity: a file has other bytes than the index says
    :raises OSError: no room, or a file that is gone
    """
    content = text(index)
    with tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(_header(INDEX, len(content), program=False), io.BytesIO(content))
        done = 0
        for member in index.members:
            path = source(member)
            with path.open("rb") as content_of:
                hashing = _Hashing(content_of, lambda count, base=done: progress(base + count))  # type: ignore[misc]
                if path.stat().st_size != member.size_bytes:
                    raise _changed(member, path)
                archive.addfile(_header(member.path, member.size_bytes, program=member.program), hashing)
            if hashing.digest.hexdigest() != member.sha256:
                raise _changed(member, path)
            done += member.size_bytes


def _changed(member: Member, path: Path) -> WslgpuError:
    path.unlink(missing_ok=True)
    return WslgpuError(
        f"{member.path} changed after it was fetched, and was thrown away",
        str(path),
        "Run it again; should that happen twice, look at the disk.",
        ErrorClass.INTEGRITY,
    )


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, handle: BinaryIO, progress: Callable[[int], None]) -> None:
        self.handle, self.progress, self.count = handle, progress, 0
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.handle.read(size)
        self.digest.update(data)
        self.count += len(data)
        self.progress(self.count)
        return data


class Bundle:
    """A bundle's file, opened: its index was read, its members were not yet.

    :raises UsageError: there is no such file
    :raises WslgpuError: class integrity: it is no bundle, or shorter than its index says
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.index, self.places = self._read()
        except OSError as error:
            raise UsageError(
                f"cannot be read ({error.strerror or error})", str(path), "Name a file that wslgpu bundle make wrote."
            ) from error
        except (tarfile.TarError, ValueError) as error:
            raise refused(f"is no tar archive, or ends in the middle ({error})", str(path)) from error
        self.members = self.index.by_path()

    def _read(self) -> tuple[Index, dict[str, Place]]:
        with self.path.open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            first = handle.read(_BLOCK)
            entry = tarfile.TarInfo.frombuf(first, "ascii", "strict")
            if entry.name != INDEX or entry.size > INDEX_LIMIT_BYTES:
                raise refused(f"is no bundle of wslgpu's: it does not begin with {INDEX}", str(self.path))
            content = handle.read(entry.size)
            index = parse(content, str(self.path))
            padding = handle.read(_padded(len(content)) - len(content))
            if _head(INDEX, len(content), program=False) != first or padding.strip(b"\0"):
                raise refused("has an index that was altered", str(self.path))
            places: dict[str, Place] = {}
            position = _BLOCK + _padded(len(content))
            for member in index.members:
                head = _head(member.path, member.size_bytes, program=member.program)
                begin = position + len(head)
                position = begin + _padded(member.size_bytes)
                if position > size:
                    raise refused(f"is cut off: {member.path} is not whole in it", str(self.path))
                handle.seek(begin - len(head))
                if handle.read(len(head)) != head:
                    raise refused(f"has an altered header before {member.path}", str(self.path))
                places[member.path] = Place(begin, member.size_bytes)
        if size != (whole := _record_padded(position + 2 * _BLOCK)):
            raise refused(f"has {size:,} bytes, and its index makes {whole:,}", str(self.path))
        return index, places

    def open(self, path: str) -> Slice:
        """A member's bytes, as they are: not compared yet."""
        return Slice(self.path, self.places[path])

    def read(self, path: str, limit_bytes: int = 64 << 20) -> bytes:
        """A small member, compared with its hash.

        :raises WslgpuError: class integrity: other bytes, or none
        """
        member = self.members.get(path)
        if member is None:
            raise refused(f"has no {path}", str(self.path))
        if member.size_bytes > limit_bytes:
            raise refused(f"has a {path} of {member.size_bytes:,} bytes", str(self.path))
        with self.open(path) as handle:
            data = handle.read()
        if hashlib.sha256(data).hexdigest() != member.sha256:
            raise self.altered(member)
        return data

    def altered_members(self, progress: Callable[[int], None] = lambda _: None) -> Iterator[Member]:
        """Each member whose bytes, or the padding behind them, are not what was written; all of the file is read.

        :param progress: called with the bytes that were read
        """
        done = 0
        for member in self.index.members:
            digest = hashlib.sha256()
            with self.open(member.path) as handle:
                while piece := handle.read(PIECE):
                    digest.update(piece)
                    done += len(piece)
                    progress(done)
            place = self.places[member.path]
            end = place.offset + place.size_bytes
            with self.path.open("rb") as whole:
                whole.seek(end)
                last = member is self.index.members[-1]
                padding = whole.read() if last else whole.read(_padded(place.size_bytes) - place.size_bytes)
            if digest.hexdigest() != member.sha256 or padding.strip(b"\0"):
                yield member

    def verify(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Read all of it.

        :raises WslgpuError: class integrity, with each member that was altered
        """
        if altered := [member.path for member in self.altered_members(progress)]:
            raise refused(f"has other bytes than its index says in {', '.join(altered[:5])}", str(self.path))

    def altered(self, member: Member) -> WslgpuError:
        """The error for a member with other bytes than its index says."""
        return refused(f"{member.path} in it has other bytes than its index says", str(self.path))
