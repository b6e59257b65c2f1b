"""``wslgpu apply --bundle``: the bundle is compared as a whole; what the controller needs of it is taken out."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from wslgpu.build.places import cache_dir, store_dir
from wslgpu.build.record import ArtifactRecord
from wslgpu.bundle.archive import Bundle
from wslgpu.bundle.checks import require_lock, verify_whole
from wslgpu.bundle.in_force import BUNDLE_VARIABLE, artifact_folders
from wslgpu.bundle.index import LOCK, refused
from wslgpu.errors import DataError, WslgpuError
from wslgpu.host_files import write_atomically
from wslgpu.lock.load import load_lock, lock_file, named_lock
from wslgpu.lock.model import LOCK_NAME, LOCK_VARIABLE, Lock
from wslgpu.project import PROJECT_ROOT
from wslgpu.store import entries
from wslgpu.store.exchange import RECORD, import_artifact
from wslgpu.store.folder import Store


def environment_for(path: Path, inventory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables by which a run takes everything from a bundle; its artifacts are in the store then.

    :param environment: the run's own, which may name a lab for the lab's inventory
    :raises UsageError: no such file, or it is of another lock than the one in force
    :raises WslgpuError: class integrity: a byte of it is not what was written
    """
    bundle = Bundle(path)
    if (lock := _in_force(inventory, environment)) is not None:
        require_lock(bundle, lock)
    verify_whole(bundle, sys.stderr)
    own = _own_lock(bundle)
    _import_artifacts(bundle, load_lock(own)[0])
    return {BUNDLE_VARIABLE: str(path.resolve()), LOCK_VARIABLE: str(own)}


def _in_force(inventory: Path, environment: Mapping[str, str]) -> Path | None:
    """The lock that somebody chose: by its variable, the lab's own, or the project's."""
    if (named := named_lock()) is not None:
        return named
    if inventory == PROJECT_ROOT / "inventory" / "lab.py":
        from wslgpu.lab import state

        own = state.directory_of(environment.get("WSLGPU_LAB") or os.environ.get("WSLGPU_LAB", "default")) / LOCK_NAME
        return own if own.exists() else None
    return lock_file()


def _own_lock(bundle: Bundle) -> Path:
    """The bundle's lock as a file, in the cache under its digest."""
    path = cache_dir() / "bundles" / bundle.index.lock.removeprefix("sha256:") / LOCK_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, bundle.read(LOCK))
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror})", str(path), "Name another place with WSLGPU_CACHE_DIR."
        ) from error
    return path


def _import_artifacts(bundle: Bundle, lock: Lock) -> None:
    """What the store lacks of the lock's; what else is in the bundle would be taken by deploys without a lock."""
    locked = {row.digest for row in lock.artifacts.values()}
    store = Store(store_dir())
    for folder in artifact_folders(bundle):
        record = _record(bundle, f"{folder}/{RECORD}")
        if record.digest not in locked:
            raise refused(f"has an artifact {record.name} that its lock does not name", str(bundle.path))
        if any(one.digest == record.digest for one in store.records()):
            continue
        with tempfile.TemporaryDirectory(prefix="wslgpu-bundle-") as name:
            for member in bundle.index.members:
                if member.path.startswith(f"{folder}/"):
                    target = Path(name) / member.path.removeprefix(f"{folder}/")
                    _copy(bundle, member.path, target)
            import_artifact(store, Path(name), record.digest)
        sys.stderr.write(f"{record.name} is in the store now, from the bundle.\n")


def _record(bundle: Bundle, path: str) -> ArtifactRecord:
    try:
        return entries.parse(json.loads(bundle.read(path)))
    except (ValueError, RecursionError) as error:
        raise refused(f"{path} in it is no artifact's record ({str(error)[:200]})", str(bundle.path)) from error


def _copy(bundle: Bundle, path: str, target: Path) -> None:
    try:
        with bundle.open(path) as source, target.open("wb") as handle:
            shutil.copyfileobj(source, handle, 1 << 20)
    except OSError as error:
        raise WslgpuError(f"cannot be written ({error.strerror})", str(target), "Free space there.") from error
