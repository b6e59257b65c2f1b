"""The work folder of one build: made empty, filled with sources, removed at the end, swept up when its builder died."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build import environment
from wslgpu.build.errors import BuildError
from wslgpu.build.locks import build_lock, held_by_nobody
from wslgpu.build.places import cache_dir
from wslgpu.build.plan import PATCHES, Plan
from wslgpu.build.sandbox import Bind, Ended
from wslgpu.debian_root import remove
from wslgpu.errors import ErrorClass

EARLIEST_EPOCH = 315_532_800  # 1980-01-01: zip knows no earlier time
_USER_FOLDERS = ("sources", "build", "out", "tmp")


@dataclass(frozen=True)
class Work:
    """The folders of one build, which only root may enter from outside.

    :param path: holds ``recipe``, ``sources``, ``build``, ``out``, ``tmp`` and what is packed
    """

    path: Path

    def folder(self, name: str) -> Path:
        return self.path / name

    def binds(self) -> list[Bind]:
        """What the sandbox sees of it."""
        return [
            Bind(self.folder("recipe"), environment.RECIPE),
            Bind(self.folder("sources"), environment.SOURCES, writable=True),
            Bind(self.folder("build"), environment.BUILD, writable=True),
            Bind(self.folder("out"), environment.OUT, writable=True),
            Bind(self.folder("tmp"), environment.TEMPORARY, writable=True),
        ]


@contextlib.contextmanager
def locked_work(name: str, key: str, waiting: Callable[[str], None]) -> Iterator[tuple[Work, bool]]:
    """The work folder of a key, empty, while nobody else builds that key; and whether we had to wait for somebody.

    :param name: of the build
    """
    lock = cache_dir() / "work" / f".{key}.lock"
    with build_lock(lock, name, waiting) as waited:
        sweep()
        work = Work(cache_dir() / "work" / key)
        remove(work.path)
        try:
            yield work, waited
        finally:
            remove(work.path)


def sweep() -> None:
    """Remove the work folders of builders that are no more."""
    for lock in (cache_dir() / "work").glob(".*.lock"):
        folder = lock.with_name(lock.name[1:].removesuffix(".lock"))
        with held_by_nobody(lock) as free:
            if free:
                remove(folder)
                lock.unlink(missing_ok=True)


def lay_out(work: Work, plan: Plan) -> None:
    """Make the folders, and take a copy of the recipe, which the build's user may read wherever it came from.

    :raises OSError: no room, no right
    """
    work.path.mkdir(mode=0o700)
    for name in _USER_FOLDERS:
        work.folder(name).mkdir(mode=0o755)
        os.chown(work.folder(name), environment.USER_ID, environment.USER_ID)
    for path in sorted(plan.folder.rglob("*")):
        target = work.folder("recipe") / path.relative_to(plan.folder)
        if path.is_file() and "__pycache__" not in path.parts:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    work.folder("recipe").chmod(0o755)


def give_to_user(tree: Path) -> None:
    """Make a tree the build's user's own. Links are not followed; a set user id is taken away.

    :raises OSError: no room, no right
    """
    for folder, folders, files, descriptor in os.fwalk(tree, follow_symlinks=False):
        os.chown(descriptor, environment.USER_ID, environment.USER_ID)
        os.fchmod(descriptor, 0o755)
        for name in [*files, *folders]:
            status = os.lstat(f"{folder}/{name}")
            os.chown(name, environment.USER_ID, environment.USER_ID, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                Path(folder, name).chmod(0o755 if status.st_mode & 0o100 else 0o644)


def newest_time(tree: Path) -> int:
    """The time of the newest regular file of a tree, seconds since 1970: SOURCE_DATE_EPOCH."""
    newest = EARLIEST_EPOCH
    for folder, _folders, files in os.walk(tree):
        for name in files:
            status = os.lstat(f"{folder}/{name}")
            if stat.S_ISREG(status.st_mode):
                newest = max(newest, int(status.st_mtime))
    return newest


def patch_command(role: str, name: str) -> list[str]:
    """Apply one patch to one tree: exactly, and without asking."""
    options = ["--strip=1", "--batch", "--forward", "--fuzz=0", "--no-backup-if-mismatch"]
    where = [f"--directory={environment.SOURCES}/{role}", f"--input={environment.RECIPE}/{PATCHES}/{name}"]
    return ["patch", *options, *where]


def require_applied(ended: Ended, role: str, name: str, log: Path) -> None:
    """A patch applied, or a reason why not.

    :raises BuildError: it did not
    """
    if ended.ok:
        return
    lines = [line.strip() for line in ended.tail.splitlines() if line.strip()]
    telling = [line for line in lines if "FAILED" in line or "patch:" in line or "can't" in line]
    said = (telling or lines[-1:] or [f"patch ended with status {ended.rc}"])[0]
    what = f"the patch {name} does not apply to the source {role}: {said}"
    raise BuildError(what, str(log), "Make it anew for this version of the source.", ErrorClass.USAGE)


LOGS_OF_CONFIGURE = ("config.log", "meson-log.txt", "CMakeError.log")
_KEPT_BYTES = 20_000


def keep_inner_logs(work: Work, log: Path) -> None:
    """Add the ends of what configure scripts wrote down to the build's log, before the folder goes."""
    with contextlib.suppress(OSError), log.open("ab") as handle:
        for folder, _folders, files in os.walk(work.folder("build")):
            for name in sorted({*files} & {*LOGS_OF_CONFIGURE}):
                path = Path(folder, name)
                if path.is_symlink() or not path.is_file():
                    continue
                inside = path.relative_to(work.path)
                handle.write(f"\n== the end of /{inside}\n".encode())
                with path.open("rb") as inner:
                    inner.seek(max(0, path.stat().st_size - _KEPT_BYTES))
                    handle.write(inner.read())
