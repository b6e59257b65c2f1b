"""Making a bundle: gather what the lock names, compare it, and write one file, whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import tomlkit

from wslgpu.build.access import Access
from wslgpu.build.download import Limits
from wslgpu.build.errors import count_words, size_words
from wslgpu.build.fetch import fetch
from wslgpu.build.places import store_dir
from wslgpu.build.progress import Progress
from wslgpu.bundle import archive, contents, images, project_files, wheels
from wslgpu.bundle import index as index_module
from wslgpu.bundle.index import KINDS, LOCK, Index, Member
from wslgpu.bundle.work import Origin, Work, put_in_place, work_folder
from wslgpu.errors import DataError, ErrorClass, UsageError, WslgpuError
from wslgpu.host_files import sha256_of_file
from wslgpu.lock.load import digest_of, load_lock
from wslgpu.lock.model import Lock
from wslgpu.settings import PROJECT_ROOT, Settings
from wslgpu.store import entries
from wslgpu.store.exchange import ARCHIVE, BILL, PROVENANCE, RECORD
from wslgpu.store.folder import Store

RESERVE_BYTES = 64 << 20
"""What stays free beside a bundle."""


@dataclass(frozen=True)
class Request:
    """What to make.

    :param without: kinds of ``KINDS`` that are left out, and users of images whose images are
    :param distributions: whose packages; empty: all of the lock
    :param site: the site's file, which goes into the bundle; None: there is none
    """

    lock: Path
    target: Path
    without: frozenset[str] = frozenset()
    distributions: tuple[str, ...] = ()
    site: Path | None = None


@dataclass(frozen=True)
class Made:
    """A bundle that was made.

    :param sha256: of the whole file
    """

    target: Path
    index: Index
    sha256: str
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """The JSON document of ``bundle make --json``."""
        return {
            "schema": 1,
            "bundle": str(self.target),
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            **describe(self.index),
        }


def describe(index: Index) -> dict[str, Any]:
    """What a bundle holds, by kind."""
    kinds: dict[str, dict[str, int]] = {}
    for member in index.members:
        kind = kind_of(member)
        row = kinds.setdefault(kind, {"files": 0, "bytes": 0})
        row["files"] += 1
        row["bytes"] += member.size_bytes
    return {
        "lock": index.lock,
        "tool": f"wslgpu {index.tool_version}",
        "distributions": index.distributions,
        "left_out": index.left_out,
        "contents": kinds,
    }


def kind_of(member: Member) -> str:
    """The first folder of its path; ``bundle`` for what lies at the top."""
    head, slash, _ = member.path.partition("/")
    return head if slash else "bundle"


@dataclass
class _Gathering:
    """One run of `bundle make`, up to the file."""

    request: Request
    lock: Lock
    settings: Settings
    work: Work
    progress: Progress
    members: list[Member] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.access = Access.of(self.settings)
        self.distributions = contents.distributions(self.lock, self.request.distributions)
        self.images = contents.images(self.lock, self.request.without)

    def wants(self, kind: str) -> bool:
        return kind not in self.request.without

    def run(self) -> Index:
        """Gather all kinds, the cheap and the doubtful first."""
        steps: dict[str, tuple[str, Callable[[], None]]] = {
            "project": ("copying the project's files", self._project),
            "artifacts": (
                f"taking {count_words(len(self.lock.artifacts), 'artifact')} from the store",
                self._artifacts,
            ),
            "wheels": ("fetching wslgpu's own wheels", self._wheels),
            "downloads": ("fetching keys and programs", self._downloads),
            "sources": ("fetching the builds' sources", self._sources),
            "packages": ("fetching packages", self._packages),
            "images": (f"asking for {count_words(len(self.images), 'image')}", self._images),
        }
        self._done, self._size, self._total = 0, 0, 0
        self._own()
        for kind, (doing, step) in steps.items():
            if not self.wants(kind):
                continue
            self._done = self._size = self._total = 0
            with self.progress.step(kind, doing, self._detail):
                step()
        return index_module.made(
            digest_of(self.request.lock), _unique(self.members), sorted(self.request.without), self.distributions
        )

    def _detail(self) -> str:
        return f"{size_words(self._done + self._size)} of {size_words(self._total)}" if self._total else ""

    def _own(self) -> None:
        sha256 = sha256_of_file(self.request.lock)
        self.work.keep(self.request.lock, sha256)
        self.members.append(Member(path=LOCK, size_bytes=self.request.lock.stat().st_size, sha256=sha256))
        self.members += project_files.bootstrap(PROJECT_ROOT, self.work)

    def _project(self) -> None:
        found = {member.path: member for member in project_files.gather(PROJECT_ROOT, self.work)}
        if self.request.site is not None:
            found[project_files.SITE] = project_files.site(self.request.site, self.work)
        self.members += found.values()

    def _wheels(self) -> None:
        path = PROJECT_ROOT / "requirements.txt"
        name = path.name
        if name in self.lock.python and (found := sha256_of_file(path)) != self.lock.python[name]:
            raise DataError(
                f"has the sha256 {found[:12]}..., and the lock is of another, {self.lock.python[name][:12]}...",
                str(path),
                "Make the lock anew (wslgpu lock), or check out the state that it was made from.",
            )
        pins = wheels.parse_requirements(path.read_text(encoding="utf-8"), str(path))
        project: Any = tomlkit.parse((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        pythons = sorted({wheels.PYTHONS[one] for one in self.distributions if one in wheels.PYTHONS})
        direct = [str(one) for one in project["project"]["dependencies"]]
        self.members += wheels.gather(pins, direct, pythons, self.work, self.access)

    def _artifacts(self) -> None:
        store = Store(store_dir())
        for name, locked in sorted(self.lock.artifacts.items()):
            record = next((one for one in store.records() if one.digest == locked.digest), None)
            if record is None:
                raise UsageError(
                    f"the store has no {locked.digest} ({name}), which the lock names",
                    str(store.path),
                    f"wslgpu store pull, or wslgpu build {locked.build}; or leave artifacts out: --without artifacts.",
                )
            folder = f"artifacts/{record.name}"
            sha256 = record.digest.removeprefix("sha256:")
            self.work.keep(store.open_archive(record), sha256)
            self.members.append(Member(path=f"{folder}/{ARCHIVE}", size_bytes=record.size_bytes, sha256=sha256))
            documents = {
                RECORD: entries.canonical(record),
                BILL: store.read_bill(record),
                PROVENANCE: store.read_provenance(record),
            }
            for file, content in documents.items():
                sha256 = hashlib.sha256(content).hexdigest()
                self.work.keep_bytes(content, sha256)
                self.members.append(Member(path=f"{folder}/{file}", size_bytes=len(content), sha256=sha256))

    def _downloads(self) -> None:
        self._fetch(contents.downloads(self.lock))

    def _sources(self) -> None:
        rows = contents.sources(self.lock)
        self._expect([(row.sha256, row.size_bytes) for _, row in rows])
        for name, row in rows:
            pin = self.settings.build_sources.get(name)
            if pin is None or pin.sha256 != row.sha256:
                raise DataError(f"the lock's source {name} is not the data's", str(self.request.lock), "wslgpu lock")
            file = fetch(pin, progress=self.progress.doing, access=self.access, limits=self.work.limits)
            self.work.keep(file, row.sha256)
            self._next(row.size_bytes)
            self.members.append(Member(path=f"sources/{pin.file}", size_bytes=row.size_bytes, sha256=row.sha256))

    def _packages(self) -> None:
        self._fetch(contents.packages(self.lock, self.distributions))

    def _fetch(self, wanted: Sequence[contents.Wanted]) -> None:
        self._expect([(one.sha256, one.size_bytes) for one in wanted])
        for one in wanted:
            origins = [Origin(url, self.access) for url in one.urls]
            file = self.work.bring(one.what, one.sha256, one.size_bytes, origins, self._meter)
            self._next(file.stat().st_size)
            self.members.append(Member(path=one.path, size_bytes=file.stat().st_size, sha256=one.sha256))

    def _images(self) -> None:
        found: dict[str, tuple[str, images.Blob, images.ImageSource]] = {}
        for name, locked in self.images.items():
            source = images.ImageSource(contents.repository_of(name), self.settings.containerd_mirrors, self.access)
            for blob in images.manifests_of(name, locked.digest, source, self.work):
                found.setdefault(blob.digest, (name, blob, source))
        self._expect([(blob.sha256, blob.size_bytes) for _, blob, _ in found.values()])
        self.progress.doing(f"fetching {count_words(len(self.images), 'image')}, {size_words(self._total)}")
        for name, blob, source in found.values():
            self.members.append(images.bring(name, blob, source, self.work, self._meter))
            self._next(blob.size_bytes)

    def _expect(self, files: list[tuple[str, int]]) -> None:
        """Say how much there is to fetch, and refuse what would not fit: gathered, and then written once more."""
        self._total = sum(size for _, size in files)
        missing = sum(size for sha256, size in files if not self.work.has(sha256))
        gathered = sum(member.size_bytes for member in self.members)
        require_room(self.request.target.parent, missing + self._total + gathered)

    def _meter(self, have: int) -> None:
        self._size = have

    def _next(self, size_bytes: int) -> None:
        self._done, self._size = self._done + size_bytes, 0


def require_room(folder: Path, size_bytes: int) -> None:
    """:raises WslgpuError: less is free, with both numbers"""
    free = shutil.disk_usage(folder).free
    if free < size_bytes + RESERVE_BYTES:
        raise WslgpuError(
            f"there is no room: {size_words(size_bytes + RESERVE_BYTES)} are needed (the bundle, and what it is"
            f" gathered from), {size_words(free)} are free",
            str(folder),
            "Free space there, or name another place with --to; what came is kept.",
        )


def make(request: Request, settings: Settings, out: TextIO, limits: Limits | None = None) -> Made:
    """Make the bundle; a run that was cut is gone on with.

    :param out: for progress
    :raises DataError: the lock is wrong
    :raises WslgpuError: something cannot be had, or is not what the lock says; an older bundle stays as it was
    """
    lock, _ = load_lock(request.lock)
    users = sorted({user for row in lock.images.values() for user in row.used_by})
    for kind in request.without:
        if kind not in (*KINDS, *users):
            raise UsageError(
                f"there is no {kind!r} to leave out", "--without", f"Known: {', '.join((*KINDS, *users))}."
            )
    progress = Progress(out, len(set(KINDS) - request.without) + 1)
    with work_folder(request.target, limits) as work:
        if work.resumed:
            progress.say(f"going on with what an earlier run fetched: {size_words(work.size_bytes)} are there")
        gathering = _Gathering(request, lock, settings, work, progress)
        index = gathering.run()
        require_room(request.target.parent, index.size_bytes)
        done = [0]
        with progress.step(
            "writing",
            f"{request.target.name}, {count_words(len(index.members), 'file')}, {size_words(index.size_bytes)}",
            lambda: size_words(done[0]),
        ):
            digest = hashlib.sha256()

            def write(path: Path) -> None:
                with path.open("xb") as handle:
                    writer: Any = _Hashed(handle, digest.update)
                    archive.write(
                        index, lambda member: work.file(member.sha256), writer, lambda n: done.__setitem__(0, n)
                    )

            put_in_place(request.target, write)
    return Made(request.target, index, digest.hexdigest(), request.target.stat().st_size)


class _Hashed:
    """A file that is hashed while it is written."""

    def __init__(self, handle: BinaryIO, update: Callable[[bytes], None]) -> None:
        self.handle, self.update = handle, update

    def write(self, data: bytes) -> int:
        self.update(data)
        return self.handle.write(data)

    def tell(self) -> int:
        return self.handle.tell()


def _unique(members: list[Member]) -> list[Member]:
    """Two images share layers, two distributions a package.

    :raises WslgpuError: two files of one name
    """
    found: dict[str, Member] = {}
    for member in members:
        if found.setdefault(member.path, member) != member:
            raise WslgpuError(f"there are two files for {member.path}", "wslgpu bundle make", "", ErrorClass.INTERNAL)
    return list(found.values())
