"""Debian root filesystems made by mmdebstrap and kept under a key of their inputs: of lab nodes, and of builds.

A directory with its final name is whole: it is made under another name and renamed at the end. Its name ends with when
it was made, since archives move.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wslgpu.host_files import locked

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CUSTOM_CAS = Path("/usr/local/share/ca-certificates")


def custom_cas() -> list[Path]:
    """Certificates that this machine's owner added."""
    return sorted(CUSTOM_CAS.glob("*.crt")) if CUSTOM_CAS.is_dir() else []


@dataclass(frozen=True)
class Shelf:
    """Where the roots of one specification are kept.

    :param prefix: names of directories that hold such a root begin so; what follows is when it was made
    """

    folder: Path
    prefix: str
    max_age_s: float

    def newest(self, now: float | None = None) -> Path | None:
        """The youngest whole root, if there is one that is not too old."""
        places = sorted(self.folder.glob(f"{self.prefix}*"))
        if not places:
            return None
        made = float(places[-1].name.removeprefix(self.prefix))
        return places[-1] if (time.time() if now is None else now) - made < self.max_age_s else None

    def ensure(self, make: Callable[[Path], None], *, fresh: bool = False, in_use: Callable[[Path], bool]) -> Path:
        """The kept root, made if it is not there or too old; at most one process makes it.

        :param fresh: make it anew in any case
        :param in_use: whether a root that is too old has to stay all the same
        """
        with locked(self.folder / f".{self.prefix}lock"):
            place = None if fresh else self.newest()
            if place is not None:
                return place
            for left in self.folder.glob(f".{self.prefix}new-*"):
                remove(left)
            new = self.folder / f".{self.prefix}new-{os.getpid()}"
            try:
                make(new)
                place = self.folder / f"{self.prefix}{int(time.time())}"
                if place.exists():  # a second fresh one within a second
                    time.sleep(1)
                    place = self.folder / f"{self.prefix}{int(time.time())}"
                new.rename(place)
            finally:
                remove(new)
            self._prune(place, in_use)
        return place

    def _prune(self, keep: Path, in_use: Callable[[Path], bool]) -> None:
        for entry in self.folder.iterdir():
            made = entry.name.rpartition(".")[2]
            if entry.name.startswith(".") or not made.isdigit() or entry == keep or in_use(entry):
                continue
            if time.time() - int(made) > self.max_age_s:
                remove(entry)


@contextlib.contextmanager
def used(place: Path) -> Iterator[None]:
    """Keep a root from being pruned for as long as the block, or its process, lives."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def is_used(place: Path) -> bool:
    """Whether somebody is inside of :func:`used`."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove(path: Path) -> None:
    """Delete a tree that may not exist; a file that cannot be deleted is an error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
