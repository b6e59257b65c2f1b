"""A root file system as a .wsl file: the same tree gives the same bytes, whenever, wherever and by whomever.

Members are sorted by their paths, owners are numbers, hard links are files of their own, and gzip's header has neither
name nor time. Every member has the image's own time: when a file was written differs from one kept base system to the
next, even where the packages do not. The bytes of gzip follow from the version of zlib, which the provenance names.
Owner, mode, and capabilities of programs are kept as they are.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wslgpu.errors import ErrorClass
from wslgpu.image.errors import ImageError

LEVEL = 6
"""Level 9 takes twice the time for 0.5 % fewer bytes."""
CAPABILITY = "security.capability"
"""The one extended attribute that programs of a distribution have."""
_PIECE = 1 << 20
# RFC 1952: method deflate, no flags, no time, no extra flags, unknown system
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@dataclass(frozen=True)
class Packed:
    """What :func:`pack` wrote.

    :param sha256: of the whole file, hexadecimal
    :param size_bytes: of the whole file
    :param unpacked_bytes: of all files in it
    :param members: files, folders and links
    """

    sha256: str
    size_bytes: int
    unpacked_bytes: int
    members: int


class _Gzip(io.RawIOBase):
    """A gzip stream to write to, without a name and a time in it; counts and hashes what comes out."""

    def __init__(self, handle: IO[bytes]) -> None:
        super().__init__()
        self._handle = handle
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, 8, zlib.Z_DEFAULT_STRATEGY)
        self._checksum = 0
        self._unpacked = 0
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0
        self._put(_HEADER)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._checksum = zlib.crc32(data, self._checksum)
        self._unpacked += len(data)
        self._put(self._packer.compress(data))
        return len(data)

    def finish(self) -> None:
        """Write what is left, and the trailer."""
        self._put(self._packer.flush() + struct.pack("<II", self._checksum, self._unpacked & 0xFFFFFFFF))

    def _put(self, data: bytes) -> None:
        self.sha256.update(data)
        self.size_bytes += len(data)
        self._handle.write(data)


def pack(
    root: Path,
    target: Path,
    *,
    epoch: int,
    forbidden: tuple[bytes, ...] = (),
    progress: Callable[[int], None] = lambda _bytes: None,
) -> Packed:
    """Write the archive.

    :param target: replaced; give a name of its own and rename it when all is well
    :param epoch: every member's time
    :param forbidden: no path and no content may hold any of these: what gives away the machine it was made on
    :param progress: gets the bytes of files that have been read so far
    :raises ImageError: something forbidden is in the tree (safety)
    :raises OSError: no room, or nothing that may be read or written
    """
    unpacked = count = 0
    with target.open("wb") as handle:
        sink = _Gzip(handle)
        with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8") as archive:
            for path, name in walk(root):
                member = _member(path, name, epoch)
                if member is None:
                    continue
                if found := next((word for word in forbidden if word in name.encode(errors="surrogateescape")), None):
                    raise _given_away(name, found)
                count += 1
                if member.isreg():
                    with path.open("rb") as content:
                        reader = _Guarded(content, name, forbidden)
                        archive.addfile(member, reader)
                    unpacked += member.size
                    progress(unpacked)
                else:
                    archive.addfile(member)
        sink.finish()
        handle.flush()
        os.fsync(handle.fileno())
    return Packed(sink.sha256.hexdigest(), sink.size_bytes, unpacked, count)


def walk(root: Path) -> Iterator[tuple[Path, str]]:
    """Everything below a root with its name in the archive, sorted by the bytes of names, folders before their own."""

    def below(folder: Path, prefix: str) -> Iterator[tuple[Path, str]]:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        for entry in found:
            name = f"{prefix}{entry.name}"
            yield Path(entry.path), name
            if entry.is_dir(follow_symlinks=False):
                yield from below(Path(entry.path), f"{name}/")

    yield from below(root, "")


def _member(path: Path, name: str, epoch: int) -> tarfile.TarInfo | None:
    """The header of one member; None for what no image has: sockets, devices, pipes."""
    status = path.lstat()
    member = tarfile.TarInfo(name)
    member.mode = stat.S_IMODE(status.st_mode)
    member.uid, member.gid = status.st_uid, status.st_gid
    member.mtime = epoch
    if stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
    elif stat.S_ISREG(status.st_mode):
        member.size = status.st_size
        if (capability := _capability(path)) is not None:
            # tarfile writes bytes that are no UTF-8 as they are where they come as surrogates
            member.pax_headers = {f"SCHILY.xattr.{CAPABILITY}": capability.decode("utf-8", "surrogateescape")}
    else:
        return None
    return member


def _capability(path: Path) -> bytes | None:
    try:
        return os.getxattr(path, CAPABILITY, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return None
        raise


class _Guarded:
    """A file that is read once, and refuses to give away what is forbidden."""

    def __init__(self, content: IO[bytes], name: str, forbidden: tuple[bytes, ...]) -> None:
        self._content, self._name, self._forbidden = content, name, forbidden
        self._tail = b""
        self._keep = max((len(word) for word in forbidden), default=1) - 1

    def read(self, size: int = -1) -> bytes:
        data = self._content.read(size)
        seen = self._tail + data
        for word in self._forbidden:
            if word in seen:
                raise _given_away(self._name, word)
        self._tail = seen[len(seen) - self._keep :] if self._keep else b""
        return data


def _given_away(name: str, word: bytes) -> ImageError:
    return ImageError(
        f"/{name} holds {word.decode(errors='replace')!r}, which is of the machine that the image was made on",
        "image",
        "It must not go into an image: say so where wslgpu is developed.",
        ErrorClass.SAFETY,
    )
