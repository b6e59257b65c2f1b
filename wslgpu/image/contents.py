"""What is in a .wsl file: every member, and the content of the few files that rules are about. Nothing is unpacked."""

from __future__ import annotations

import gzip
import lzma
import posixpath
import tarfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from wslgpu.errors import ErrorClass
from wslgpu.image.errors import ImageError

FORMATS = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz"}
"""What WSL unpacks at every version that knows .wsl files, by the first bytes."""
HEAD_BYTES = 64
"""Of every file that many bytes are kept: enough for an ELF header."""
KEPT_BYTES = 1 << 20
"""Files that rules are about are kept up to that size."""
_KEPT = (
    "etc/",
    "usr/lib/wsl/",
    "usr/libexec/wsl/",
    "usr/share/wsl/",
    "usr/lib/os-release",
    "var/lib/dpkg/status",
    "var/lib/wslgpu/manifest",
)
KEPT_LIMIT_BYTES = 128 << 20
"""Of all of them; an image that wants to fill the memory is damaged."""
_BROKEN = (EOFError, tarfile.TarError, zlib.error, lzma.LZMAError, ValueError, ArithmeticError, RecursionError)
"""Also headers with numbers that are none, and headers about headers without end."""
_MEMBERS_LIMIT = 2_000_000
_LINKS_LIMIT = 20
_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "fifo",
}


@dataclass(frozen=True)
class Member:
    """One member of the archive.

    :param name: as the archive has it
    :param kind: ``file``, ``directory``, ``link``, ``hard link``, ``device``, ``fifo`` or ``other``
    :param mode: the twelve permission bits
    :param target: of a link
    :param data: the first bytes of a file; all of it where rules are about it
    """

    name: str
    kind: str
    mode: int
    uid: int
    gid: int
    size_bytes: int = 0
    mtime: int = 0
    target: str = ""
    data: bytes = b""


@dataclass(frozen=True)
class Contents:
    """The whole archive.

    :param file_name: its last part
    :param format: ``gzip``, ``xz``; empty for anything else
    :param members: in the archive's order
    """

    file_name: str
    format: str
    members: tuple[Member, ...]
    by_path: dict[str, Member] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for member in self.members:
            self.by_path[plain(member.name)] = member

    def find(self, path: str) -> tuple[str, Member] | None:
        """The member at an absolute path, links followed inside the image: its real path without a leading /, itself.

        A hard link is followed too. None where there is nothing, a link leads nowhere, or links go in a circle.
        """
        name = self._real(path)
        member = None if name is None else self.by_path.get(name)
        if name is None or member is None:
            return None
        if member.kind == "hard link":
            first = self.by_path.get(plain(member.target))
            return None if first is None or first.kind == "hard link" else (plain(member.target), first)
        return name, member

    def _real(self, path: str) -> str | None:
        """A path with all links followed; folders need not be members themselves."""
        waiting = [part for part in path.split("/") if part not in ("", ".")]
        real: list[str] = []
        links = 0
        while waiting:
            part = waiting.pop(0)
            if part == "..":
                del real[-1:]
                continue
            member = self.by_path.get("/".join([*real, part]))
            if member is not None and member.kind == "link":
                links += 1
                if links > _LINKS_LIMIT:
                    return None
                if member.target.startswith("/"):
                    real = []
                waiting = [step for step in member.target.split("/") if step not in ("", ".")] + waiting
                continue
            real.append(part)
        return "/".join(real)

    def there(self, path: str) -> Member | None:
        """The member at an absolute path as it is, its last part not followed where it is a link."""
        head, _, last = path.rstrip("/").rpartition("/")
        folder = self._real(head)
        return None if folder is None else self.by_path.get(f"{folder}/{last}".lstrip("/"))

    def text(self, path: str) -> str | None:
        """A kept file as text; None where it is no file, or is no UTF-8."""
        found = self.find(path)
        if found is None or found[1].kind != "file":
            return None
        try:
            return found[1].data.decode()
        except UnicodeDecodeError:
            return None

    def below(self, folder: str) -> list[tuple[str, Member]]:
        """Everything below a folder, by path without a leading /; the folder itself left out."""
        start = plain(folder) + "/"
        return [(path, member) for path, member in self.by_path.items() if path.startswith(start)]


def plain(name: str) -> str:
    """``./etc//passwd`` and ``/etc/passwd`` as ``etc/passwd``; the top as an empty string."""
    return posixpath.normpath("/" + name).lstrip("/")


def read(path: Path) -> Contents:
    """Read an image.

    :raises ImageError: it is no archive, damaged, cut short (integrity), or cannot be opened (usage)
    """
    try:
        with path.open("rb") as handle:
            start = handle.read(6)
            found = next((name for magic, name in FORMATS.items() if start.startswith(magic)), "")
            handle.seek(0)
            with _opened(handle, found) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                members = tuple(_members(archive, path))
                while stream.read(1 << 20):  # what stands behind the end: a checksum that is wrong is found there
                    pass
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise _damaged(path, error) from error
        step = "Name a .wsl file."
        raise ImageError(f"cannot be read ({error.strerror})", str(path), step, ErrorClass.USAGE) from error
    except _BROKEN as error:
        raise _damaged(path, error) from error
    if not members:
        raise _damaged(path, "it holds nothing")
    return Contents(path.name, found, members)


def _damaged(path: Path, error: object) -> ImageError:
    step = "Fetch or build it again, and compare it with its .sha256 file."
    return ImageError(f"is no whole image: {error}", str(path), step, ErrorClass.INTEGRITY)


def _opened(handle: IO[bytes], form: str) -> Any:
    if form == "gzip":
        return gzip.GzipFile(fileobj=handle)
    if form == "xz":
        return lzma.LZMAFile(handle)
    return handle


def _members(archive: tarfile.TarFile, path: Path) -> list[Member]:
    found: list[Member] = []
    total = 0
    for info in archive:
        kind = _KINDS.get(info.type, "other")
        data = b""
        if kind == "file":
            content = archive.extractfile(info)
            kept = plain(info.name).startswith(_KEPT)
            limit = (8 if "dpkg" in info.name else 1) * KEPT_BYTES + 1
            data = content.read(limit if kept else HEAD_BYTES) if content is not None else b""
            total += len(data)
        found.append(
            Member(
                info.name, kind, info.mode & 0o7777, info.uid, info.gid, info.size, int(info.mtime), info.linkname, data
            )
        )
        if len(found) > _MEMBERS_LIMIT or total > KEPT_LIMIT_BYTES:
            raise _damaged(path, "it holds too many members, or too many bytes of settings")
    return found
