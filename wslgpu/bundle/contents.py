"""What a lock names, as files of a bundle: their paths, and where each can be had. Nothing is fetched here."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from wslgpu.errors import UsageError
from wslgpu.lock.model import Download, Index, Lock, LockedImage, LockedPackage

SOURCE = "source-"
"""What a build's source is called among a lock's downloads, before its id."""


@dataclass(frozen=True)
class Wanted:
    """One file to be fetched.

    :param size_bytes: 0 where the lock does not know it
    :param urls: where it can be had, in this order
    """

    what: str
    path: str
    sha256: str
    size_bytes: int
    urls: tuple[str, ...]


def distributions(lock: Lock, asked: Sequence[str]) -> list[str]:
    """The distributions whose packages go into the bundle: those that were asked for, or all.

    :param asked: ``debian 13`` or ``debian-13``
    :raises UsageError: the lock has no such
    """
    names = [name.replace("-", " ") for name in asked]
    for name in names:
        if name not in lock.distributions:
            known = ", ".join(sorted(lock.distributions)) or "none"
            raise UsageError(f"the lock has no packages of {name!r}", "--distribution", f"It has: {known}.")
    return sorted(set(names) or set(lock.distributions))


def package_path(distribution: str, row: LockedPackage) -> str:
    """A package's place in a bundle."""
    return f"packages/{distribution.replace(' ', '-')}/{row.file.rpartition('/')[2]}"


def packages(lock: Lock, chosen: Sequence[str]) -> list[Wanted]:
    """The packages that nodes get; those of a distribution's own minimal system are on every node already."""
    found = []
    for distribution in chosen:
        entry = lock.distributions[distribution]
        for name, row in sorted(entry.packages.items()):
            if row.base:
                continue
            index = entry.indexes[row.index]
            what = f"{name} {row.version} of {distribution}, which the index of {index.date} had,"
            path = package_path(distribution, row)
            found.append(Wanted(what, path, row.sha256, row.size_bytes, package_urls(row, index)))
    return found


def package_urls(row: LockedPackage, index: Index) -> tuple[str, ...]:
    """The archive first, then the state of it that its publisher keeps."""
    bases = [index.uri, *([index.snapshot] if index.snapshot else [])]
    return tuple(urljoin(f"{base.rstrip('/')}/", row.file.removeprefix("./")) for base in bases)


def download_path(row: Download) -> str:
    """A download's place in a bundle: two may end in the same name."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", urlsplit(row.url).path.rpartition("/")[2]) or "file"
    return f"downloads/{row.sha256[:16]}-{name}"


def downloads(lock: Lock) -> list[Wanted]:
    """What nodes fetch by its hash: keys and programs."""
    rows = {download_path(row): (name, row) for name, row in lock.downloads.items() if not name.startswith(SOURCE)}
    return [Wanted(name, path, row.sha256, row.size_bytes, (row.url,)) for path, (name, row) in sorted(rows.items())]


def sources(lock: Lock) -> list[tuple[str, Download]]:
    """What builds fetch: the id of each source, and its row."""
    names = sorted(name for name in lock.downloads if name.startswith(SOURCE))
    return [(name.removeprefix(SOURCE), lock.downloads[name]) for name in names]


def images(lock: Lock, without: Collection[str]) -> dict[str, LockedImage]:
    """The images that go into a bundle: those of which any user is not left out."""
    return {name: row for name, row in sorted(lock.images.items()) if not set(row.used_by) <= set(without)}


def repository_of(image: str) -> str:
    """``docker.io/nvidia/cuda`` of ``docker.io/nvidia/cuda:13.0.0``; a registry's port is no tag."""
    head, colon, tail = image.rpartition(":")
    return head if colon and "/" not in tail else image
