"""What a build may take of the machine: how many compilers at once, how much memory, how many processes.

A memory limit is a cgroup of the build's own, version 1 or 2, below the one that the builder itself is in, so that
whoever limited the builder has limited the build. Where none can be made, the log says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wslgpu.build.errors import size_words

RESERVE_BYTES = 200_000_000
"""What is left to the rest of the machine of the memory that is free when the build starts."""
PROCESSES_BASE, PROCESSES_PER_JOB = 256, 64
_UNLIMITED = 1 << 60  # version 1 writes "no limit" as a number just below 2^63
_GROUP = "wslgpu-build-"
_CGROUPS = Path("/sys/fs/cgroup")
_ENDING_S = 10.0


@dataclass(frozen=True)
class Jobs:
    """How many compilers run at once, and why so many."""

    count: int
    reason: str

    @property
    def processes(self) -> int:
        """How many processes the build may have at once."""
        return PROCESSES_BASE + PROCESSES_PER_JOB * self.count


def choose_jobs(per_job_bytes: int, available_bytes: int, cores: int, asked: int | None = None) -> Jobs:
    """As many as there are cores, and no more than fit into the memory.

    :param asked: a person's own number, which is taken as it is
    """
    if asked is not None:
        return Jobs(asked, "as asked for")
    fitting = max(1, available_bytes // per_job_bytes)
    if fitting >= cores:
        return Jobs(cores, f"{cores} cores")
    share = f"{size_words(available_bytes)} of memory are available, one job may need {size_words(per_job_bytes)}"
    return Jobs(fitting, f"{cores} cores, but {share}")


def cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def available_bytes() -> int:
    """Memory that a build may still take: of the machine, or of the cgroups that we are in."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
            break
    else:
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([free, *(group.left_bytes() for group in _own_memory_groups())])


def memory_limit(available: int) -> int:
    """What a build may take: what is available, less a reserve, so that the machine can go on."""
    return max(available - RESERVE_BYTES, available * 3 // 4)


@dataclass(frozen=True)
class _Hierarchy:
    """Where one controller can be used: the folder of our own group in it."""

    version: int
    mount: Path
    own: Path


@dataclass(frozen=True)
class _MemoryGroup:
    version: int
    path: Path

    def left_bytes(self) -> int:
        """What its limit leaves; caches that can be given back count as free."""
        limit = _number(self.path / ("memory.max" if self.version == 2 else "memory.limit_in_bytes"))
        if limit is None or limit >= _UNLIMITED:
            return _UNLIMITED
        used = _number(self.path / ("memory.current" if self.version == 2 else "memory.usage_in_bytes")) or 0
        name = "inactive_file" if self.version == 2 else "total_inactive_file"
        return max(0, limit - used + _row(self.path / "memory.stat", name))


def _own_memory_groups() -> Iterator[_MemoryGroup]:
    hierarchy = _hierarchy("memory")
    if hierarchy is None:
        return
    path = hierarchy.own
    while path != hierarchy.mount.parent:
        yield _MemoryGroup(hierarchy.version, path)
        path = path.parent


def _hierarchy(controller: str) -> _Hierarchy | None:
    """The hierarchy that has a controller: version 1's own, or version 2 where it is handed down to groups."""
    groups: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, place = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), place))
    for mount, kind in _cgroup_mounts():
        version = 2 if kind == "cgroup2" else 1
        names = (_words(mount / "cgroup.controllers")) if version == 2 else set(mount.name.split(","))
        path = groups.get("" if version == 2 else controller)
        if controller in names and path is not None:
            own = mount / path.lstrip("/")
            # a group outside of what is mounted, as in a container: the mount's own top is ours
            return _Hierarchy(version, mount, own if ".." not in path and own.is_dir() else mount)
    return None


def _cgroup_mounts() -> list[tuple[Path, str]]:
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        path = Path(place)
        if kind in ("cgroup", "cgroup2") and (path == _CGROUPS or path.parent == _CGROUPS):
            found.append((path, kind))
    return found


@dataclass
class Group:
    """The cgroups of one build, which take all its processes with them when they end.

    :param missing: what could not be limited, for the log
    """

    folders: dict[str, tuple[int, Path]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def entrances(self) -> tuple[Path, ...]:
        """Files that a process writes 0 to, to be in the groups."""
        return tuple(dict.fromkeys(path / "cgroup.procs" for _, path in self.folders.values()))

    def memory_kills(self) -> int | None:
        """How many processes were killed for memory so far; None where nobody counts."""
        if "memory" not in self.folders:
            return None
        version, path = self.folders["memory"]
        return _row(path / ("memory.events" if version == 2 else "memory.oom_control"), "oom_kill")

    def end(self) -> None:
        """Kill what is left in the groups, and remove them."""
        for folder in {path for _, path in self.folders.values()}:
            _remove(folder)


@contextlib.contextmanager
def build_group(memory_bytes: int, processes: int) -> Iterator[Group]:
    """A cgroup with a limit on memory and one on processes, gone at the end.

    A builder that was killed leaves its empty groups behind; the next one removes them.
    """
    group = Group()
    for controller, setting in (("memory", memory_bytes), ("pids", processes)):
        reason = _add(group, controller, setting)
        if reason:
            group.missing.append(f"{controller}: {reason}")
    try:
        yield group
    finally:
        group.end()


def _add(group: Group, controller: str, value: int) -> str:
    """Make the group of one controller; a reason why it cannot be had."""
    hierarchy = _hierarchy(controller)
    if hierarchy is None:
        return "this machine has no such cgroup controller"
    parent: Path = hierarchy.own
    if hierarchy.version == 2:
        # a group with processes hands no controllers down, except the topmost: the nearest one that does
        while controller not in _words(parent / "cgroup.subtree_control"):
            if parent == hierarchy.mount:
                return "no cgroup hands it down"
            parent = parent.parent
    folder = parent / f"{_GROUP}{os.getpid()}"
    names = {
        1: {"memory": "memory.limit_in_bytes", "pids": "pids.max"},
        2: {"memory": "memory.max", "pids": "pids.max"},
    }
    try:
        _sweep(parent)
        folder.mkdir(exist_ok=True)
        (folder / names[hierarchy.version][controller]).write_text(str(value))
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        return f"{folder}: {error.strerror}"
    group.folders[controller] = (hierarchy.version, folder)
    return ""


def _sweep(parent: Path) -> None:
    """Remove the groups of builders that are no more."""
    for folder in parent.glob(f"{_GROUP}*"):
        number = folder.name.removeprefix(_GROUP)
        if number.isdigit() and int(number) != os.getpid() and not Path("/proc", number).exists():
            with contextlib.suppress(OSError):  # not empty: of a builder whose process numbers are not ours
                folder.rmdir()


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + _ENDING_S
    while folder.exists():
        try:
            for line in (folder / "cgroup.procs").read_text().split():
                os.kill(int(line), signal.SIGKILL)
        except OSError:
            pass
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # "max" is no number, and no limit
        return None


def _row(path: Path, name: str) -> int:
    """The number in the row ``name N`` of a cgroup file; 0 where there is none."""
    try:
        rows = dict(line.split(None, 1) for line in path.read_text().splitlines() if " " in line)
    except OSError:
        return 0
    return int(rows.get(name, 0))


def _words(path: Path) -> set[str]:
    try:
        return set(path.read_text().split())
    except OSError:
        return set()
