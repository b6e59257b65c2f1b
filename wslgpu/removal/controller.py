"""What lies on the machine that deploys and builds, and nothing pins any more: old artifacts, roots, sources, logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build import root as build_roots
from wslgpu.build import work
from wslgpu.build.places import cache_dir, store_dir
from wslgpu.debian_root import is_used, remove
from wslgpu.settings import Settings
from wslgpu.store.folder import Store
from wslgpu.store.prune import named_by_pins, plan

DAY_S = 24 * 3600.0
OLD_S = 30 * DAY_S
"""What is only ever looked at, such as a log, and a source that no pin names, goes after that."""
PARTIAL_S = DAY_S


@dataclass(frozen=True)
class Place:
    """One thing that can go.

    :param delete: does it
    """

    name: str
    size_bytes: int
    why: str
    delete: Callable[[], object]


def places(settings: Settings, now: float | None = None) -> list[Place]:
    """Everything that can go, the largest first; nothing is deleted yet.

    :param now: seconds since 1970
    :raises DataError: the pins or the fleet file are wrong: nothing is deleted then
    """
    moment = time.time() if now is None else now
    cache = cache_dir()
    named = {pin.sha256 for pin in settings.build_sources.values()}
    found = [
        *_store(settings),
        *_roots(cache / "build-roots", moment),
        *_old(cache / "sources" / "sha256", moment, OLD_S, "a source that no pin names", besides=named),
        *_old(cache / "sources" / "partial", moment, PARTIAL_S, "a download that was cut off"),
        *_old(cache / "logs", moment, OLD_S, "a build's log, older than 30 days"),
        *_old(cache / "differences", moment, OLD_S, "a comparison of builds, older than 30 days"),
        *_old(cache / "bundles", moment, OLD_S, "unpacked from a bundle more than 30 days ago"),
        *_work(cache / "work"),
    ]
    return sorted(found, key=lambda one: (-one.size_bytes, one.name))


def _store(settings: Settings) -> Iterator[Place]:
    folder = store_dir()
    if not folder.is_dir():
        return
    store = Store(folder)
    decided = plan(store, named_by_pins(settings))
    if not decided.gone and not decided.freed_bytes:
        return

    def delete() -> None:
        store.prune([record.name for record, _ in decided.kept])
        store.clear_quarantine()

    names = ", ".join(record.name for record in decided.gone) or "what was set aside or belongs to nothing"
    yield Place(f"{folder}: {names}", decided.freed_bytes, "no pin names it, as `wslgpu store prune` says", delete)


def _roots(folder: Path, now: float) -> Iterator[Place]:
    """Of each kind of root the youngest stays as long as a build would take it."""
    newest: dict[str, Path] = {}
    whole = [path for path in _entries(folder) if not path.name.startswith(".") and _made(path) is not None]
    for path in sorted(whole, key=lambda one: _made(one) or 0):
        newest[path.name.rpartition(".")[0]] = path
    for path in whole:
        current = newest[path.name.rpartition(".")[0]] == path
        if (current and now - (_made(path) or 0) < build_roots.MAX_AGE_S) or is_used(path):
            continue
        yield _place(path, "a root for builds that no build would take any more")


def _made(path: Path) -> int | None:
    digits = path.name.rpartition(".")[2]
    return int(digits) if digits.isdigit() and path.is_dir() else None


def _old(folder: Path, now: float, age_s: float, why: str, besides: set[str] | None = None) -> Iterator[Place]:
    for path in _entries(folder):
        if path.name not in (besides or set()) and now - path.lstat().st_mtime > age_s:
            yield _place(path, why)


def _work(folder: Path) -> Iterator[Place]:
    """Of builders that are no more; a running one holds its lock."""
    left = [path for path in _entries(folder) if not path.name.startswith(".")]
    if left:
        size = sum(size_of(path) for path in left)
        yield Place(str(folder), size, "of builds that were cut off; what is being built stays", work.sweep)


def _place(path: Path, why: str) -> Place:
    return Place(str(path), size_of(path), why, lambda: remove(path))


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what is linked to is not counted."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(size_of(child) for child in path.iterdir())
