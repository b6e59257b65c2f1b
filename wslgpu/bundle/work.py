"""The folder in which a bundle is gathered: beside the file that it becomes, by hash, so that a cut run goes on."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build.access import Access
from wslgpu.build.download import Limits, download
from wslgpu.bundle.archive import Bundle
from wslgpu.bundle.index import Member
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.host_files import locked, sha256_of_file

UNKNOWN_SIZE_LIMIT_BYTES = 10 << 20
"""What a file whose size nobody knows beforehand may have: repository keys are such."""
_GRAVEST = (ErrorClass.INTEGRITY, ErrorClass.USAGE, ErrorClass.PLATFORM, ErrorClass.NETWORK)


Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Origin:
    """Where a file can be had.

    :param headers: of the request
    :param entry: gives further ones when the origin's turn comes, such as a registry's token
    """

    url: str
    access: Access
    headers: Headers = ()
    entry: Callable[[], Headers] = tuple


class Work:
    """The files that are there already, each under its sha256."""

    def __init__(self, folder: Path, limits: Limits, previous: Bundle | None = None) -> None:
        self.folder, self.limits, self.previous = folder, limits, previous
        self.resumed = any(folder.iterdir())
        self._inside = {member.sha256: member for member in previous.index.members} if previous else {}

    @property
    def size_bytes(self) -> int:
        """What is there, parts included."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())

    def file(self, sha256: str) -> Path:
        """Where a whole file is, or would be."""
        return self.folder / sha256

    def has(self, sha256: str) -> bool:
        """Whether a file is there, or in the bundle that is to be replaced; compared when the bundle is written."""
        if not self.file(sha256).is_file() and sha256 in self._inside:
            self._take_over(self._inside.pop(sha256))
        return self.file(sha256).is_file()

    def _take_over(self, member: Member) -> None:
        """What the bundle that is to be replaced has already; where that was damaged, the file is fetched."""
        if self.previous is None:
            return
        partial = self._partial(member.sha256)
        with room_watched(self.folder), self.previous.open(member.path) as source, partial.open("wb") as handle:
            shutil.copyfileobj(source, handle, 1 << 20)
        with contextlib.suppress(WslgpuError):
            self._finish(partial, member.sha256, str(self.previous.path))

    def keep(self, source: Path, sha256: str) -> None:
        """Take in a file of this machine, by a copy; whoever wrote it last, its bytes are compared.

        :raises WslgpuError: class integrity
        """
        if self.has(sha256):
            return
        partial = self._partial(sha256)
        with room_watched(self.folder):
            shutil.copyfile(source, partial)
        self._finish(partial, sha256, str(source))

    def keep_bytes(self, content: bytes, sha256: str) -> None:
        """Take in what was made here."""
        with room_watched(self.folder):
            self._partial(sha256).write_bytes(content)
        self._finish(self._partial(sha256), sha256, "this machine")

    def bring(
        self,
        what: str,
        sha256: str,
        size_bytes: int,
        origins: Sequence[Origin],
        progress: Callable[[int], None] = lambda _: None,
    ) -> Path:
        """Fetch a file from the first origin that has it; what came before a cut is gone on with.

        :param what: how to call it in an error
        :param size_bytes: its size, or 0 where that is unknown
        :param progress: called with the bytes of it that are there
        :raises WslgpuError: none has it; each is named with its reason. The class is that of the gravest
        """
        failures: list[tuple[str, WslgpuError]] = []
        for origin in () if self.has(sha256) else origins:
            partial = self._partial(sha256)
            try:
                with room_watched(self.folder):
                    download(
                        origin.url,
                        partial,
                        size_bytes or UNKNOWN_SIZE_LIMIT_BYTES,
                        access=origin.access,
                        limits=self.limits,
                        progress=progress,
                        headers=dict(origin.headers + origin.entry()),
                    )
                self._finish(partial, sha256, origin.url)
                break
            except WslgpuError as error:
                if error.error_class is ErrorClass.INTEGRITY:
                    partial.unlink(missing_ok=True)
                if error.where == str(self.folder):  # no origin helps where there is no room
                    raise
                failures.append((origin.url, error))
        if not self.has(sha256):
            raise _nowhere(what, failures)
        progress(size_bytes)
        return self.file(sha256)

    def _partial(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.partial"

    def _finish(self, partial: Path, sha256: str, where: str) -> None:
        found = sha256_of_file(partial)
        if found != sha256:
            partial.unlink(missing_ok=True)
            raise WslgpuError(
                f"has the sha256 {found}, and the lock says {sha256}; it was thrown away",
                where,
                "A proxy or mirror alters it, or it was replaced there.",
                ErrorClass.INTEGRITY,
            )
        partial.chmod(0o644)
        partial.replace(self.file(sha256))


def _nowhere(what: str, failures: list[tuple[str, WslgpuError]]) -> WslgpuError:
    classes = [error.error_class for _, error in failures]
    gravest = next((one for one in _GRAVEST if one in classes), ErrorClass.USAGE)
    reasons = "; ".join(f"{url}: {error.what}" for url, error in failures) or "there is no address for it"
    gone = bool(failures) and all("answered 404" in error.what for _, error in failures)
    step = (
        "Make the lock anew (wslgpu lock), or add a mirror that keeps old versions."
        if gone
        else "Run it again: it goes on."
    )
    retryable = bool(failures) and all(error.retryable for _, error in failures)
    return WslgpuError(
        f"{what} is {'gone' if gone else 'not to be had'} ({reasons})", "wslgpu bundle make", step, gravest, retryable
    )


@contextlib.contextmanager
def room_watched(folder: Path) -> Iterator[None]:
    """Say in words that there is no room, or no right to write.

    :raises WslgpuError: with the folder as its place
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WslgpuError(
                "there is no room for the bundle",
                str(folder),
                "Free space there, or name another place; what came is kept.",
            ) from error
        raise WslgpuError(
            f"cannot be written ({error.strerror})", str(folder), "Name another place with --to."
        ) from error


def _earlier(target: Path) -> Bundle | None:
    """The bundle that stands there, as far as it is one."""
    with contextlib.suppress(WslgpuError):
        return Bundle(target)
    return None


@contextlib.contextmanager
def work_folder(target: Path, limits: Limits | None = None) -> Iterator[Work]:
    """The folder for one target, for one process at a time; it stays where the run is cut, and goes at its end.

    :raises UsageError: the target's folder is not there, or is a folder itself
    """
    if not target.parent.is_dir():
        raise UsageError("there is no such folder", str(target.parent), "Make it, or name another place with --to.")
    if target.is_dir():
        raise UsageError("is a folder", str(target), "Name a file with --to, such as bundle.tar.")
    folder = target.with_name(f".{target.name}.wslgpu-making")
    lock = target.with_name(f".{target.name}.wslgpu-lock")
    try:
        with locked(lock):
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.is_symlink():
                raise UsageError("is a link", str(folder), "Remove it.")
            for leftover in folder.iterdir():
                if leftover.is_dir():  # where pip was at work
                    shutil.rmtree(leftover)
            yield Work(folder, limits or Limits(), _earlier(target))
            shutil.rmtree(folder)
            lock.unlink(missing_ok=True)
    except PermissionError as error:
        raise UsageError(f"cannot be written ({error.strerror})", str(target.parent), "Name another place.") from error


def put_in_place(target: Path, write: Callable[[Path], None]) -> None:
    """Let the target be what ``write`` writes, whole or not at all.

    :raises WslgpuError: no room
    """
    new = target.with_name(f".{target.name}.wslgpu-new")
    try:
        with room_watched(target.parent):
            new.unlink(missing_ok=True)  # a cut run's; a link there is not followed
            write(new)
            descriptor = os.open(new, os.O_RDONLY)
            try:
                os.fchmod(descriptor, 0o644)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            new.replace(target)
    finally:
        new.unlink(missing_ok=True)
