"""Programs of the lab's that are compiled: built by :mod:`wslgpu.build` when their key is new, and kept in the cache.

A key is over the recipe's files, the source and the clean root, as with any other build. The artifact goes into a store
in the lab's cache, never into the user's, and is unpacked beside it, where nodes have it bound read-only.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wslgpu.build import root as build_root
from wslgpu.build.build import build, key_of
from wslgpu.build.pins import load_builds
from wslgpu.build.plan import Plan, make_plan
from wslgpu.build.record import ArtifactRecord
from wslgpu.build.request import BuildRequest
from wslgpu.host_files import locked
from wslgpu.lab import state
from wslgpu.lab.errors import LabError
from wslgpu.lab.places import cache_root
from wslgpu.settings import Settings, load
from wslgpu.store.folder import Store

KUBERNETES = "kubernetes-1.20.2"
STAND_IN_PLUGIN = "stand-in-device-plugin"

_HERE = Path(__file__).parent
BUILDS_FILE = _HERE / "builds.yml"
RECIPES = {
    "kubernetes": _HERE / "recipes/kubernetes",
    "stand-in-device-plugin": _HERE.parent / "stand_ins/device_plugin",
}
"""Recipe -> its folder."""
KEPT_S = 14 * 24 * 3600


def program(name: str, progress: Callable[[str], None]) -> Path:
    """The folder that holds what a build of builds.yml made (``bin/...``), built first where its key is new.

    At most one process builds it; the others wait. Nobody may write in the folder: nodes of other labs have it too.

    :param name: row of ``builds`` in this package's builds.yml
    :raises WslgpuError: it could not be built; ``where`` names the log
    """
    with _recipes() as recipes:
        settings = _settings()
        plan = make_plan(name, settings, recipes=recipes)
        if (present := _present(plan)) is not None:  # whoever builds for another key need not be waited for
            return present
        with locked(_place(f".{name}.lock")):
            if (present := _present(plan)) is not None:
                return present
            progress(f"building {name}: once, until its sources or its recipe change (minutes)")
            request = BuildRequest(
                recipes=recipes, store=_place("store"), prefix=f"{name} ", ccache=False, out=sys.stderr
            )
            record = build(name, settings, request)
            place = _unpack(record)
            _prune(place, record)
            return place


def _place(name: str) -> Path:
    return cache_root() / "programs" / name


@contextlib.contextmanager
def _recipes() -> Iterator[Path]:
    """One folder with all recipes under their names, as :func:`wslgpu.build.plan.make_plan` reads them."""
    with tempfile.TemporaryDirectory(prefix="wslgpu-lab-recipes-") as folder:
        for name, place in RECIPES.items():
            (Path(folder) / name).symlink_to(place)
        yield Path(folder)


def _settings() -> Settings:
    """The site's settings, for its way to the network, with the lab's rows in place of the user's builds."""
    table, _ = load_builds(BUILDS_FILE)
    return load(None).model_copy(update={"builds": table.builds, "build_sources": table.sources})


def _present(plan: Plan) -> Path | None:
    """What an earlier call unpacked for this key; None where it has to be built, or nobody knows the key yet."""
    clean_root = build_root.existing(plan.recipe.base, plan.packages)
    if clean_root is None:
        return None
    place = _place(f"{plan.name}.{key_of(plan, clean_root).hex[:16]}")
    if not place.is_dir():
        return None
    os.utime(place)  # for _prune
    return place


def _unpack(record: ArtifactRecord) -> Path:
    place = _place(f"{record.build}.{record.key[:16]}")
    if place.is_dir():
        return place
    archive = Store(_place("store")).open_archive(record)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as folder:
        new = Path(folder) / "new"
        with tarfile.open(archive) as tar:
            tar.extractall(new, filter="data")
        new.rename(place)
    return place


def _prune(keep: Path, record: ArtifactRecord) -> None:
    """Remove what has not been asked for in a while and no lab's node has, and the archives of other keys."""
    from wslgpu.lab.root import remove

    store = Store(_place("store"))
    store.remove([entry.name for entry in store.find(record.build) if entry.key != record.key])
    used = {keep}
    for name in state.names():
        with contextlib.suppress(LabError):
            used.add(Path(state.load(name).programs))
    for entry in keep.parent.iterdir():
        if entry.name.startswith(".") or entry.name == "store" or entry in used:
            continue
        if time.time() - entry.stat().st_mtime > KEPT_S:
            remove(entry)
