"""The bundle that a run takes everything from: named by WSLGPU_BUNDLE, and of the lock that is in force."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wslgpu.bundle.archive import Bundle
from wslgpu.bundle.checks import require_lock
from wslgpu.bundle.contents import download_path, package_path
from wslgpu.bundle.images import Blob, walk
from wslgpu.bundle.index import Member, refused
from wslgpu.errors import UsageError
from wslgpu.lock.load import load_lock
from wslgpu.lock.model import Lock, LockedPackage

BUNDLE_VARIABLE = "WSLGPU_BUNDLE"
"""Environment variable that names the bundle; `wslgpu apply --bundle` sets it for its run."""


@dataclass(frozen=True)
class InForce:
    """A bundle with its lock. Each member is compared with its hash where it arrives."""

    bundle: Bundle
    lock: Lock

    def package(self, distribution: str, name: str, row: LockedPackage) -> Member:
        """A package's file.

        :raises WslgpuError: the bundle was made without it
        """
        what = f"{name} {row.version} of {distribution}"
        return self._member(package_path(distribution, row), row.sha256, what, "packages")

    def download(self, url: str) -> Member | None:
        """What the lock has for an address; None where the lock names no such.

        :raises WslgpuError: the lock has it, and the bundle was made without it
        """
        row = next((one for one in self.lock.downloads.values() if one.url == url), None)
        return self._member(download_path(row), row.sha256, url, "downloads") if row else None

    def image(self, name: str, digest: str) -> list[tuple[Blob, Member]]:
        """All content of an image, from the top down.

        :raises WslgpuError: the bundle was made without it, or its index or manifest is altered
        """

        def read(wanted: str) -> bytes:
            return self.bundle.read(member(Blob(wanted, 0), f"the image {name} ({digest})").path)

        def member(blob: Blob, what: str) -> Member:
            return self._member(blob.path, blob.sha256, what, "images")

        blobs = walk(digest, read, f"{self.bundle.path}: {name}")
        return [(blob, member(blob, f"{blob.digest} of the image {name}")) for blob in blobs]

    def _member(self, path: str, sha256: str, what: str, kind: str) -> Member:
        member = self.bundle.members.get(path)
        if member is None:
            left_out = kind in self.bundle.index.left_out
            why = f": it was made --without {kind}" if left_out else ""
            raise UsageError(
                f"the bundle has no {what}{why}",
                str(self.bundle.path),
                "Make one that has: wslgpu bundle make; or apply without --bundle, where there is a network.",
            )
        if member.sha256 != sha256:
            raise refused(f"has another file for {what} than the lock", str(self.bundle.path))
        return member


def of_lock(named_lock: Callable[[], Path | None]) -> InForce | None:
    """The bundle of this run; None where there is none.

    :param named_lock: gives the lock that is in force; not called where there is no bundle
    :raises WslgpuError: it cannot be used, there is no lock, or it is of another one
    """
    named = os.environ.get(BUNDLE_VARIABLE, "")
    return _opened(Path(named), named_lock()) if named else None


@functools.cache
def _opened(path: Path, lock_path: Path | None) -> InForce:
    bundle = Bundle(path)
    if lock_path is None:
        raise UsageError(
            f"{BUNDLE_VARIABLE} names a bundle, and there is no lock that it could be of",
            str(path),
            "Use wslgpu apply --bundle, which takes the lock from it; or name that lock with WSLGPU_LOCK.",
        )
    require_lock(bundle, lock_path)
    return InForce(bundle, load_lock(lock_path)[0])


def artifact_folders(bundle: Bundle) -> Iterator[str]:
    """The folders of the artifacts in a bundle."""
    paths = (member.path for member in bundle.index.members if member.path.startswith("artifacts/"))
    yield from sorted({path.rpartition("/")[0] for path in paths})
