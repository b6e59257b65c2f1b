"""The archive of an artifact: a tar that holds the same bytes whenever, wherever and by whomever it is made.

Sorted members, one time, owner 0, two modes, no compression (docs/adr/0013-an-artifact-is-a-plain-tar.md). The same
module says whether an archive of somebody else's may be trusted with a place to be unpacked at.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from wslgpu.build.archive_check import leads_out
from wslgpu.errors import ErrorClass, WslgpuError

FILE_MODE, PROGRAM_MODE = 0o644, 0o755
MEMBERS_LIMIT = 100_000
HEADER_LIMIT_BYTES = 1 << 16
_KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.XHDTYPE)


class Packed(NamedTuple):
    """What :func:`pack` made.

    :param digest: ``sha256:...`` of the archive
    :param size_bytes: of the archive
    :param files: files and symbolic links in it; folders are not counted
    """

    digest: str
    size_bytes: int
    files: int


class _Hashing:
    """A file to write to that hashes what passes."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size_bytes += len(data)
        return self._handle.write(data)


def pack(out: Path, archive: Path, *, epoch: int = 0) -> Packed:
    """Pack a folder; the same content gives the same bytes.

    :param out: its members become the archive's, relative to it
    :param epoch: SOURCE_DATE_EPOCH: the time of every member, seconds since 1970
    :raises WslgpuError: class integrity: something in it is neither file, folder nor relative link inside of it
    :raises OSError: no room, or nothing that may be read or written
    """
    files = 0
    with archive.open("wb") as handle:
        sink = _Hashing(handle)
        with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8") as tar:  # type: ignore[call-overload]
            for path in sorted(below(out), key=lambda entry: entry.relative_to(out).parts):
                member = _member(path, out, epoch)
                if member.isreg():
                    with path.open("rb") as content:
                        tar.addfile(member, content)
                else:
                    tar.addfile(member)
                files += not member.isdir()
        handle.flush()
        os.fsync(handle.fileno())
    return Packed(f"sha256:{sink.sha256.hexdigest()}", sink.size_bytes, files)


def below(folder: Path) -> Iterator[Path]:
    """Everything below a folder, links not followed, in no order."""
    for entry in folder.iterdir():
        yield entry
        if entry.is_dir() and not entry.is_symlink():
            yield from below(entry)


def _member(path: Path, out: Path, epoch: int) -> tarfile.TarInfo:
    name = path.relative_to(out).as_posix()
    status = path.lstat()
    member = tarfile.TarInfo(name)
    member.mtime = epoch
    member.mode = PROGRAM_MODE
    if stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(status.st_mode):
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, str(path.readlink()), 0o777
    elif stat.S_ISREG(status.st_mode):
        member.size = status.st_size
        member.mode = PROGRAM_MODE if status.st_mode & 0o111 else FILE_MODE
    else:
        raise _refused(f"{name} is neither a file, a folder nor a symbolic link", out)
    if problem := member_problem(member):
        raise _refused(problem, out)
    return member


def member_problem(member: tarfile.TarInfo) -> str:
    """Why one member may not be unpacked anywhere; empty where it may."""
    name = member.name
    shown = repr(name[:200])
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or "" in parts[:-1] or "\0" in name or "\n" in name:
        return f"{shown} is no plain path inside the archive"
    if not (member.isreg() or member.isdir() or member.issym()):
        return f"{shown} is neither a file, a folder nor a symbolic link"
    if set(member.pax_headers) - {"path", "linkpath"}:
        return f"{shown} has a header that no artifact has"
    if member.mode & 0o6000:
        return f"{shown} would be setuid or setgid"
    if member.issym():
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
        if not member.linkname or member.linkname.startswith("/") or target.split("/")[0] == "..":
            return f"the link {shown} leads out of the archive, to {member.linkname[:200]!r}"
    return ""


def check_archive(archive: Path) -> int:
    """Look at every member of an archive before anything unpacks it; the number of its files and links.

    :raises WslgpuError: class safety: a path or link that leads out, a device, a setuid file, a name that comes twice
        or lies below what is no folder; class integrity: no whole tar
    """
    kinds: dict[str, bool] = {}  # name -> whether it is something else than a folder
    implied: set[str] = set()  # folders that are only there because something lies in them
    links: dict[tuple[str, ...], str] = {}
    files = 0
    try:
        _check_headers(archive)
        with tarfile.open(archive, mode="r:", encoding="utf-8") as tar:
            for member in tar:
                name = member.name.rstrip("/")
                problem = member_problem(member)
                if not problem and (name in kinds or (name in implied and not member.isdir())):
                    problem = f"{name[:200]!r} comes twice"
                if not problem and any(kinds.get(parent) for parent in _parents(name)):
                    problem = f"{name[:200]!r} lies below what is no folder"
                if problem or len(kinds) >= MEMBERS_LIMIT:
                    raise _refused(problem or f"has more than {MEMBERS_LIMIT} members", archive, ErrorClass.SAFETY)
                kinds[name] = not member.isdir()
                implied.update(_parents(name))
                files += not member.isdir()
                if member.issym():
                    links[tuple(name.split("/"))] = member.linkname
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise _refused(f"is not a whole tar archive ({str(error)[:200]})", archive) from error
    for parts in links:
        if leads_out(parts, links):
            raise _refused(f"the link {'/'.join(parts)[:200]!r} leads out of it", archive, ErrorClass.SAFETY)
    return files


def _check_headers(archive: Path) -> None:
    """Only kinds of members that :func:`pack` writes, none with a header that is not small, and zeros at the end.

    tarfile reads a header in one piece, however long it says that it is, and ends quietly at a bad one, where other
    programs go on reading.

    :raises ValueError: the archive does not end where its members do
    """
    size = archive.stat().st_size
    with archive.open("rb") as handle:
        place = 0
        while (block := handle.read(tarfile.BLOCKSIZE)).strip(b"\0"):
            if len(block) < tarfile.BLOCKSIZE or block[257:262] != b"ustar":
                raise ValueError(f"no header at byte {place}")
            kind, length = block[156:157], int(block[124:136].strip(b" \0") or b"0", 8)
            if kind not in _KINDS or (kind == tarfile.XHDTYPE and length > HEADER_LIMIT_BYTES):
                raise _refused(
                    f"holds a member of kind {kind!r} and {length} bytes that no artifact has",
                    archive,
                    ErrorClass.SAFETY,
                )
            place += tarfile.BLOCKSIZE + -(-length // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
            handle.seek(place)
        rest = handle.read(tarfile.RECORDSIZE)
        if place + tarfile.BLOCKSIZE + len(rest) != size or not rest or rest.strip(b"\0"):
            raise ValueError(f"its end is not at byte {place}")


def _parents(name: str) -> Iterator[str]:
    while (name := posixpath.dirname(name)) != "":
        yield name


def _refused(what: str, where: Path, error_class: ErrorClass = ErrorClass.INTEGRITY) -> WslgpuError:
    return WslgpuError(what, str(where), "Nothing was unpacked or stored.", error_class)
