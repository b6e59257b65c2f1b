"""What `wslgpu lock` does: finds machines, resolves on them, compares with the lock that is there, and writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.catalogue.load import load_catalogue
from wslgpu.check.targets import Asked, targets
from wslgpu.errors import DataError, ErrorClass, UsageError, WslgpuError
from wslgpu.host_files import write_atomically
from wslgpu.lock import check as checking
from wslgpu.lock.force import UNLOCKED_VARIABLE, site_places
from wslgpu.lock.inputs import disagreements, refuse
from wslgpu.lock.known_bad import Combination, refuse_known_bad
from wslgpu.lock.load import digest_of, load_lock, named_lock
from wslgpu.lock.model import LOCK_NAME, Lock
from wslgpu.lock.moves import COMPONENTS, Expects, Move, changelogs, expectations, moves, only
from wslgpu.lock.resolve import Node, nodes, resolve
from wslgpu.lock.text import lock_text
from wslgpu.project import PROJECT_ROOT
from wslgpu.settings import Settings, load, site_file

Progress = Callable[[str], None]
LAB_VARIABLE = "WSLGPU_LAB"


@dataclass(frozen=True)
class Request:
    """What the command line names.

    :param to: the lock's file; None: the lab's, the one that WSLGPU_LOCK names, or the project's
    """

    inventory: Path
    environment: tuple[tuple[str, str], ...]
    limit: tuple[str, ...] = ()
    site: Path | None = None
    to: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    :param moved: differences from the lock that was there; None where there was none
    :param others: what else is newer than what the data ask for, for people
    """

    file: Path
    lock: Lock
    written: bool
    moved: tuple[Move, ...] | None
    expects: tuple[Expects, ...]
    warnings: tuple[Combination, ...]
    newer_pins: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        links = changelogs()
        warnings = [{"id": row.id, "what": row.what, "why": row.why, "remedy": row.remedy} for row in self.warnings]
        rows = [{**vars(move), "changelogs": links.get(move.component, [])} for move in self.moved or ()]
        return {
            "file": str(self.file),
            "digest": digest_of(self.file) if self.file.exists() else "",
            "written": self.written,
            "moved": rows,
            "expectations": [vars(row) for row in self.expects],
            "warnings": warnings,
            "newer_pins": list(self.newer_pins),
        }


@dataclass(frozen=True)
class _Ready:
    """What all three need: the file, the lock that is there, the settings without it, and machines."""

    file: Path
    site: Path
    settings: Settings
    machines: list[Node]


def make(request: Request, progress: Progress) -> Outcome:
    """Resolve everything, and write it where it differs.

    :raises WslgpuError: as :func:`wslgpu.lock.resolve.resolve`; what is there is left as it is then
    """
    with _ready(request, progress) as ready:
        new = resolve(ready.settings, ready.machines, progress)
        old = _present(ready.file)
        return _write(ready, old, new, write=True)


def upgrade(request: Request, component: str, progress: Progress, *, write: bool) -> Outcome:
    """What would move; one component or, with an empty name, all.

    :raises UsageError: no such component, or no lock
    """
    if component and component not in COMPONENTS:
        known = ", ".join(COMPONENTS)
        raise UsageError(f"there is no component {component!r} in a lock", "--upgrade", f"One of {known}.")
    with _ready(request, progress) as ready:
        old = _required(ready.file)
        new = resolve(ready.settings, ready.machines, progress)
        if component:
            new = only(old, new, component)
        return _write(ready, old, new, write=write)


def check(request: Request, progress: Progress) -> checking.Checked:
    """Whether all that is locked can still be had.

    :raises DataError: data and lock disagree
    """
    with _ready(request, progress) as ready:
        lock, document = load_lock(_existing(ready.file))
        if found := disagreements(ready.settings, site_places(ready.site), lock, document):
            raise refuse(found, str(ready.file))
        return checking.check(lock, ready.settings, ready.machines, progress)


def _write(ready: _Ready, old: Lock | None, new: Lock, *, write: bool) -> Outcome:
    warnings = refuse_known_bad(new)
    changed = old != new
    if write and changed:
        try:
            write_atomically(ready.file, lock_text(new))
        except OSError as error:
            raise WslgpuError(
                f"cannot be written: {error.strerror}",
                str(ready.file),
                "What was there is unchanged.",
                ErrorClass.PLATFORM,
            ) from error
    moved = None if old is None else tuple(moves(old, new))
    expects = () if old is None or not moved else tuple(expectations(old, new, load_catalogue()))
    return Outcome(ready.file, new, write and changed, moved, expects, tuple(warnings), _newer(ready))


def _newer(ready: _Ready) -> tuple[str, ...]:
    """What the pins have that is newer than what the data ask for: no lock moves that, the data do."""
    settings, places = ready.settings, site_places(ready.site)
    tables: dict[str, Mapping[str, Any]] = {
        "container_toolkit_version": settings.container_toolkit_versions,
        "device_plugin_version": settings.device_plugins,
        "vllm_version": settings.vllm_versions,
        "kubernetes_k3s_version": settings.kubernetes_k3s_versions,
    }
    found = []
    for key, table in tables.items():
        chosen, newest = getattr(settings, key), list(table)[-1]
        if chosen != newest:
            found.append(f"{key} is {chosen} ({places(key)}), and the pins have {newest}")
    return tuple(found)


@contextmanager
def _ready(request: Request, progress: Progress) -> Iterator[_Ready]:
    """The machines can be reached for as long as the block lasts; data are read as if there were no lock."""
    lab = _lab_of(request)
    site = request.site or (lab / "site.yml" if lab else site_file())
    file = request.to or named_lock() or (lab / LOCK_NAME if lab else PROJECT_ROOT / LOCK_NAME)
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}", "--to", "Make it, or name another file.")
    settings = load(site if request.site or lab else None)
    before = os.environ.get(UNLOCKED_VARIABLE)
    os.environ[UNLOCKED_VARIABLE] = "yes"
    try:
        asked = Asked(inventory=(request.inventory, request.environment), limit=request.limit)
        with targets(asked) as found:
            yield _Ready(file, site, settings, nodes(found, progress))
    finally:
        if before is None:
            del os.environ[UNLOCKED_VARIABLE]


def _lab_of(request: Request) -> Path | None:
    """The folder of the lab that the inventory is; None where it is none."""
    if request.inventory != PROJECT_ROOT / "inventory" / "lab.py":
        return None
    from wslgpu.lab import state

    name = dict(request.environment).get(LAB_VARIABLE) or os.environ.get(LAB_VARIABLE, "default")
    return state.load(name).directory


def _present(file: Path) -> Lock | None:
    """The lock that is there; one that cannot be read any more is no lock to compare with."""
    try:
        return load_lock(file)[0] if file.exists() else None
    except DataError:
        return None


def _existing(file: Path) -> Path:
    if not file.exists():
        raise UsageError("there is no lock yet", str(file), "Make it: wslgpu lock")
    return file


def _required(file: Path) -> Lock:
    return load_lock(_existing(file))[0]
