"""A lab with a lock: what its nodes get is resolved once it is up, and the packages are kept in the lab.

Archives drop superseded versions; what is kept here goes on being there, and a test can take a version away.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from wslgpu.bundle.contents import package_urls
from wslgpu.errors import ErrorClass
from wslgpu.host_files import locked as file_locked
from wslgpu.host_files import sha256_of_file, write_atomically
from wslgpu.lab.errors import LabError
from wslgpu.lab.packages import Repository
from wslgpu.lab.places import cache_root
from wslgpu.lock.model import Lock, LockedPackage
from wslgpu.lock.text import lock_text

if TYPE_CHECKING:
    from wslgpu.lab.lab import Lab

PATH = "locked"
"""The repository below the lab's server."""
SOURCES = "/etc/apt/sources.list.d/zzz-wslgpu-lab.sources"
KEYRING = "/etc/apt/keyrings/wslgpu-lab.asc"
TIMEOUT_S = 60
_SOURCE = "# the locked packages, kept in this lab\nTypes: deb\nURIs: {uri}\nSuites: ./\nSigned-By: {keyring}\n"


def repository(lab: Lab) -> Repository:
    """The lab's repository of locked packages, to delete versions from."""
    return Repository(lab.directory, PATH)


def make(lab: Lab, progress: Callable[[str], None]) -> None:
    """Make the lock on the first node, and keep its packages.

    :raises WslgpuError: an archive cannot be reached
    """
    if not lab.state.http_port:
        raise LabError(
            what="a lab without servers has no packages to lock",
            where="--lock",
            next_step="make it with its servers",
            error_class=ErrorClass.USAGE,
        )
    from wslgpu.lock.resolve import nodes, resolve
    from wslgpu.probe.channels import in_inventory
    from wslgpu.settings import load

    machines = nodes([in_inventory(lab.nodes[0].name, lab.ssh_config)], progress)
    lock = resolve(load(lab.site_file), machines, progress)
    keep(lab, lock, progress)
    # last: a lab with the file has the packages
    write_atomically(lab.lock_file, lock_text(lock))


def keep(lab: Lab, lock: Lock, progress: Callable[[str], None]) -> None:
    """Fetch what the lock names beyond the minimal system, and let the nodes know the repository that has it."""
    rows = list(_rows(lock))
    progress(f"keeping {len(rows)} locked packages, {sum(row.size_bytes for _, row in rows) / 1e6:.0f} MB")
    with ThreadPoolExecutor(max_workers=4) as pool:
        debs = list(pool.map(_fetch, rows))
    kept = repository(lab)
    kept.folder.mkdir(parents=True, exist_ok=True)
    for (_, row), deb in zip(rows, debs, strict=True):
        # a copy: tests spoil what is served, and the cache must stay
        shutil.copyfile(deb, kept.folder / row.file.rpartition("/")[2])
    key = kept.make_key("lab")
    kept.publish(key)
    for node in lab.nodes:
        node.put(KEYRING, key.public.read_text())
        node.put(SOURCES, _SOURCE.format(uri=f"{lab.state.base_url}/{PATH}", keyring=KEYRING))


def _rows(lock: Lock) -> Iterator[tuple[str, LockedPackage]]:
    """Address and row of each package that is kept, each once."""
    seen = set()
    for distribution in lock.distributions.values():
        for row in distribution.packages.values():
            if not row.base and row.sha256 not in seen:
                seen.add(row.sha256)
                yield package_urls(row, distribution.indexes[row.index])[0], row


def _fetch(wanted: tuple[str, LockedPackage]) -> Path:
    """The package in the cache, whose hash was compared."""
    url, row = wanted
    place = cache_root() / "locked" / f"{row.sha256}.deb"
    place.parent.mkdir(parents=True, exist_ok=True)
    with file_locked(place.with_suffix(".lock")):
        if place.exists() and sha256_of_file(place) == row.sha256:
            return place
        new = place.with_suffix(".new")
        try:
            with requests.get(url, stream=True, timeout=TIMEOUT_S) as answer, new.open("wb") as handle:
                answer.raise_for_status()
                for chunk in answer.iter_content(1 << 20):
                    handle.write(chunk)
        except requests.RequestException as error:
            raise LabError(
                what=f"a locked package cannot be fetched: {type(error).__name__}",
                where=url,
                next_step="check the connection, and make the lab again",
                error_class=ErrorClass.NETWORK,
                retryable=True,
            ) from error
        except OSError as error:
            raise LabError(
                what=f"a locked package cannot be kept: {error.strerror}",
                where=str(new),
                next_step="free space there, and make the lab again",
                error_class=ErrorClass.PLATFORM,
            ) from error
        if sha256_of_file(new) != row.sha256:
            raise LabError(
                what="a locked package has another hash than the index says",
                where=url,
                next_step="a proxy or mirror alters it: try later",
                error_class=ErrorClass.INTEGRITY,
            )
        new.replace(place)
    return place
