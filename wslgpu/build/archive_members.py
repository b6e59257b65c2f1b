"""What is in an archive, member by member, in its order; nothing is judged here, and nothing written.

Tar archives (plain, gzip, bzip2, xz, zstd), the tar inside a .deb, and zip files, wheels among them.
"""

from __future__ import annotations

import bz2
import calendar
import contextlib
import gzip
import io
import lzma
import stat
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from wslgpu.errors import ErrorClass, WslgpuError

READ_LIMIT_BYTES = 16 << 20
LINK_LIMIT_BYTES = 4096
PIECE = 1 << 20
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)


class ArchiveError(WslgpuError):
    """An archive that is not unpacked: unsafe (safety), or damaged (integrity)."""


def unsafe(file: Path, what: str) -> ArchiveError:
    """The refusal of a member."""
    step = "Nothing of it was unpacked. Look where the archive comes from."
    return ArchiveError(f"{file.name} {what}", str(file), step, ErrorClass.SAFETY)


def damaged(file: Path, reason: object) -> ArchiveError:
    """The error for an archive that cannot be read."""
    words = str(reason) or type(reason).__name__
    return ArchiveError(
        f"{file.name} is damaged, or no such archive as its name says: {words}",
        str(file),
        "Fetch it again.",
        ErrorClass.INTEGRITY,
    )


Kind = Literal["file", "folder", "link", "hard link", "special"]


@dataclass(frozen=True)
class Member:
    """One entry.

    :param name: as it stands in the archive
    :param target: of a link: relative to the link's folder; of a hard link: a name in the archive
    :param content: opens a file's bytes; only while this member is the iterator's last
    :param objection: what Python's own rules have against it
    """

    name: str
    kind: Kind
    mode: int
    mtime: int
    size_bytes: int
    target: str = ""
    content: Callable[[], IO[bytes]] = io.BytesIO
    objection: str = ""


def members(file: Path, limit_bytes: int, *, filtered: bool = True) -> Generator[Member, None, None]:
    """The members of an archive, whose form is known from its name.

    :param limit_bytes: more than that is not read
    :param filtered: ask Python's own rules about each member of a tar as well
    :raises ArchiveError: it is damaged, or of no form that is known
    """
    name = file.name
    if name.endswith((".zip", ".whl")):
        return _zip_members(file)
    if name.endswith(".deb"):
        return _tar_members(file, limit_bytes, _data_of_deb(file), filtered)
    if ".tar" in name[-9:] or name.endswith((".tgz", ".txz", ".tbz2")):
        return _tar_members(file, limit_bytes, (0, file.stat().st_size), filtered)
    step = "Known: .tar with .gz, .bz2, .xz, .zst, or plain; .deb; .zip, .whl."
    raise ArchiveError(f"{name} is of no form that can be unpacked", str(file), step, ErrorClass.USAGE)


def _tar_members(file: Path, limit_bytes: int, part: tuple[int, int], filtered: bool) -> Generator[Member, None, None]:
    with _unpacked(file, part) as raw:
        forward = _Forward(raw, file, limit_bytes)
        try:
            with tarfile.open(fileobj=forward, mode="r:") as tar:
                for info in tar:
                    yield _of_tar(tar, info, objection(info) if filtered else "")
            while forward.read(PIECE):  # to the end, where the checksums are
                pass
        except tarfile.TarError as error:
            raise damaged(file, error) from error


def _of_tar(tar: tarfile.TarFile, info: tarfile.TarInfo, against: str) -> Member:
    def content() -> IO[bytes]:
        opened = tar.extractfile(info)
        return opened if opened is not None else io.BytesIO()

    kind: Kind = "special"
    if info.isreg():
        kind = "file"
    elif info.isdir():
        kind = "folder"
    elif info.issym():
        kind = "link"
    elif info.islnk():
        kind = "hard link"
    size = info.size if kind == "file" else 0
    return Member(info.name, kind, info.mode, int(info.mtime), size, info.linkname, content, against)


def objection(info: tarfile.TarInfo) -> str:
    """What Python's own filter says, where this Python has one (PEP 706): a second opinion.

    Our rules are stricter, come first and hold on all Pythons alike.
    """
    judge: Any = getattr(tarfile, "data_filter", None)
    if judge is None:
        return ""
    try:
        judge(info, "/nonexistent")
    except tarfile.TarError as error:
        return str(error)
    return ""


class _Forward(io.RawIOBase):
    """A decompressed stream that only goes on, with a bound on its length and on a single read.

    tarfile reads an extended header in one piece, however long it says that it is.
    """

    def __init__(self, raw: IO[bytes], file: Path, limit_bytes: int) -> None:
        super().__init__()
        self.raw, self.file, self.limit_bytes, self.position = raw, file, limit_bytes, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= READ_LIMIT_BYTES:
            raise unsafe(self.file, f"has a header of {size:,} bytes")
        try:
            data = self.raw.read(size)
        except DAMAGED as error:
            raise damaged(self.file, error) from error
        self.position += len(data)
        if self.position > self.limit_bytes:
            raise unsafe(self.file, f"unpacks to more than {self.limit_bytes:,} bytes")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence != 0 or offset < self.position:
            raise damaged(self.file, "its members are out of order")
        while self.position < offset and self.read(min(PIECE, offset - self.position)):
            pass
        return self.position


class _Part(io.RawIOBase):
    """A stretch of a file."""

    def __init__(self, handle: IO[bytes], start: int, size: int) -> None:
        super().__init__()
        self.handle, self.start, self.size, self.position = handle, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self.position, self.size)[whence]
        self.position = max(0, base + offset)
        return self.position

    def readinto(self, buffer: Any) -> int:
        self.handle.seek(self.start + self.position)
        data = self.handle.read(max(0, min(len(buffer), self.size - self.position)))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


@contextlib.contextmanager
def _unpacked(file: Path, part: tuple[int, int]) -> Iterator[IO[bytes]]:
    """What a stretch of a file decompresses to; the method is known by its first bytes."""
    with file.open("rb") as handle:
        source: Any = io.BufferedReader(_Part(handle, *part), PIECE)
        magic = source.peek(6)[:6]
        if magic.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=source) as plain:
                yield cast(IO[bytes], plain)
        elif magic.startswith(b"BZh"):
            with bz2.BZ2File(source) as unzipped:
                yield unzipped
        elif magic == b"\xfd7zXZ\x00":
            with lzma.LZMAFile(source) as unpacked:
                yield unpacked
        elif magic.startswith(b"\x28\xb5\x2f\xfd"):
            with _zstd(source, file) as stream:
                yield stream
        else:
            yield source


@contextlib.contextmanager
def _zstd(source: IO[bytes], file: Path) -> Iterator[IO[bytes]]:
    """By the program: Python has no zstd of its own before 3.14."""
    with tempfile.TemporaryFile() as plain:
        while piece := source.read(PIECE):
            plain.write(piece)
        plain.seek(0)
        try:
            process = subprocess.Popen(["zstd", "-dcq"], stdin=plain, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except FileNotFoundError as error:
            step = "apt-get install zstd"
            raise ArchiveError(f"{file.name} is packed with zstd, which is not here", str(file), step) from error
        assert process.stdout is not None  # noqa: S101  a pipe was asked for
        try:
            with process.stdout as stream:
                yield stream
        except BaseException:
            process.kill()
            raise
        finally:
            code = process.wait()
        if code > 0:
            raise damaged(file, "zstd cannot read it")


def _data_of_deb(file: Path) -> tuple[int, int]:
    """Where data.tar lies in a .deb: an ar archive, see deb(5)."""
    with file.open("rb") as handle:
        if handle.read(8) != b"!<arch>\n":
            raise damaged(file, "it is no ar archive")
        while len(header := handle.read(60)) == 60:
            size = header[48:58].strip()
            if header[58:] != b"`\n" or not size.isdigit():
                break
            start = handle.tell()
            if header[:16].strip().rstrip(b"/").startswith(b"data.tar"):
                return start, int(size)
            handle.seek(start + int(size) + int(size) % 2)
    raise damaged(file, "it has no data.tar")


def _zip_members(file: Path) -> Generator[Member, None, None]:
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                yield _of_zip(archive, info, file)
    except DAMAGED as error:
        raise damaged(file, error) from error


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Path) -> Member:
    if info.flag_bits & 1:
        raise damaged(file, f"{info.filename!r} is encrypted")
    # 3: made on Unix, with the mode in the upper half
    mode = info.external_attr >> 16 if info.create_system == 3 else 0
    mtime = calendar.timegm((*info.date_time, 0, 0, 0))
    kinds: dict[int, Kind] = {
        0: "folder" if info.is_dir() else "file",
        stat.S_IFREG: "file",
        stat.S_IFDIR: "folder",
        stat.S_IFLNK: "link",
    }
    kind: Kind = kinds.get(stat.S_IFMT(mode), "special")
    target = ""
    if kind == "link":
        if info.file_size > LINK_LIMIT_BYTES:
            raise unsafe(file, f"holds {info.filename!r}, a link of {info.file_size:,} bytes")
        target = archive.read(info).decode("utf-8", "surrogateescape")
    size = info.file_size if kind == "file" else 0
    return Member(info.filename, kind, mode, mtime, size, target, lambda: archive.open(info))
