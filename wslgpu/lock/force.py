"""The lock in force: data are held against it before any host is contacted, and then take their versions from it."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any

from wslgpu.artifact_choice import ARTIFACTS
from wslgpu.errors import DataError
from wslgpu.lock.inputs import Places, disagreements, refuse
from wslgpu.lock.known_bad import refuse_known_bad
from wslgpu.lock.load import digest_of, load_lock, lock_file, named_lock
from wslgpu.lock.model import LOCK_NAME, Lock
from wslgpu.pins import load_pins
from wslgpu.settings import PINS_FILE, Settings, exit_on_error, load, site_file, site_overrides
from wslgpu.yaml_source import YamlDocument, load_yaml

NO_LOCK = "No lock: packages get the newest versions that the archives have today. `wslgpu lock` pins all of them."
UNLOCKED_VARIABLE = "WSLGPU_UNLOCKED"
"""Set for the processes that make or check a lock: data are then read as if there were none."""
_inventory_decides = False


@functools.lru_cache(maxsize=8)
def _read(path: Path, _digest: str) -> tuple[Lock, YamlDocument]:
    """A lock that was checked whole, what is known not to go together included; kept for as long as its bytes are.

    :raises DataError: as load_lock; or it holds a combination that is refused
    """
    lock, document = load_lock(path)
    refuse_known_bad(lock, str(path))
    return lock, document


def in_force(file: str, digest: str) -> Lock:
    """The lock that a host's data name by ``lock_file`` and ``lock_digest``.

    :raises DataError: it is no longer what it was when the run began
    """
    path = Path(file)
    if digest_of(path) != digest:
        raise DataError("was changed while the run went on", file, "Run it again.")
    return _read(path, digest)[0]


def load_locked(site: Path | None = None, *, lab: Path | None = None) -> Settings:
    """As :func:`wslgpu.settings.load`, under the lock in force where there is one.

    :param lab: folder of the lab that it is about: its lock counts, and the project's does not
    :raises DataError: data and lock disagree, the lock is wrong, or lock_required is set and there is none
    """
    if os.environ.get(UNLOCKED_VARIABLE):
        return load(site)
    path = site or site_file()
    return under(load(site), lock_file() if lab is None else of_lab(lab), site_places(path))


def of_lab(lab: Path) -> Path | None:
    """The lock in force for a lab: named by WSLGPU_LOCK, else the lab's own; None where there is none.

    :param lab: its folder
    :raises DataError: WSLGPU_LOCK names what is not there
    """
    own = lab / LOCK_NAME
    return named_lock() or (own if own.exists() else None)


def under(settings: Settings, path: Path | None, places: Places) -> Settings:
    """These settings under a lock.

    :param path: the lock; None: there is none
    :param places: where each setting stands
    :raises DataError: as load_locked
    """
    if path is None:
        if settings.lock_required:
            raise DataError(
                "lock_required is set, and there is no wslgpu.lock.yml", places("lock_required"), "Make it: wslgpu lock"
            )
        return settings
    digest = digest_of(path)
    lock, document = _read(path, digest)
    if found := disagreements(settings, places, lock, document):
        raise refuse(found, str(path))
    return Settings.model_validate({**settings.as_data(), **_locked(settings, lock), **_named(path, digest)})


def _named(path: Path, digest: str) -> dict[str, str]:
    return {"lock_file": str(path.resolve()), "lock_digest": digest}


def _locked(settings: Settings, lock: Lock) -> dict[str, Any]:
    """The settings that are the lock's: digests of images and of artifacts."""
    data = settings.as_data()
    rows = [
        *data["cuda_images"],
        data["device_plugins"][settings.device_plugin_version],
        data["vllm_versions"][settings.vllm_version]["image"],
    ]
    for row in rows:
        row["digest"] = lock.images[f"{row['repository']}:{row['tag']}"].digest
    found = {key: data[key] for key in ("cuda_images", "device_plugins", "vllm_versions")}
    for artifact in ARTIFACTS:
        if artifact in lock.artifacts:
            found[f"{artifact.replace('-', '_')}_artifact"] = lock.artifacts[artifact].digest
    return found


LOCKED_SETTINGS = (
    "lock_file",
    "lock_digest",
    "cuda_images",
    "device_plugins",
    "vllm_versions",
    *(f"{artifact.replace('-', '_')}_artifact" for artifact in ARTIFACTS),
)
"""Settings that a lock decides: an inventory that has a lock of its own names them for each host."""


def inventory_overrides(site: Path, path: Path | None) -> dict[str, Any]:
    """The data that an inventory gives its hosts when it has a site file and perhaps a lock of its own.

    The project's own lock then says nothing about them.

    :raises DataError: as load_locked
    """
    global _inventory_decides
    _inventory_decides = True
    if os.environ.get(UNLOCKED_VARIABLE):
        return site_overrides(site)
    settings = under(load(site), path, site_places(site))
    if path is None:
        sys.stderr.write(f"{NO_LOCK}\n")
    data = settings.as_data()
    decided = LOCKED_SETTINGS if path is not None else ("lock_file", "lock_digest")
    return {**site_overrides(site), **{key: data[key] for key in decided}}


def load_or_exit() -> dict[str, Any]:
    """What group_data/all.py exports: the settings as plain values, or an end with 2 before any host is touched."""
    try:
        if _inventory_decides or os.environ.get(UNLOCKED_VARIABLE):
            return load().as_data()
        settings = load_locked()
    except DataError as error:
        exit_on_error(error)
        raise
    if not settings.lock_file:
        sys.stderr.write(f"{NO_LOCK}\n")
    return settings.as_data()


def check_host(settings: Settings, places: Places = lambda _: "host data") -> None:
    """A host's data against the lock that they name: an inventory or ``--data`` may have changed them since.

    :param places: where its settings stand
    :raises DataError: they disagree
    """
    if settings.lock_file:
        path = Path(settings.lock_file)
        lock = in_force(settings.lock_file, settings.lock_digest)
        document = _read(path, settings.lock_digest)[1]
        found = [row for row in disagreements(settings, places, lock, document) if row.key not in _DECIDED]
        if found:
            raise refuse(found, settings.lock_file)


_DECIDED = frozenset(LOCKED_SETTINGS) - {"cuda_images"}


def site_places(site: Path) -> Places:
    """Where settings stand: in the site file, else in the profile that it names, else in the pins."""
    document = load_yaml(site) if site.exists() else YamlDocument(site, {}, {})
    pins, pins_document = load_pins(PINS_FILE)
    profile = document.data.get("profile", pins.default_profile) if isinstance(document.data, dict) else ""

    def where(key: str) -> str:
        if (key,) in document.lines:
            return document.where((key,))
        at = ("profiles", profile, key)
        if at in pins_document.lines:
            return pins_document.where(at)
        if key.startswith("container_toolkit_") and key != "container_toolkit_version":
            return pins_document.where(("container_toolkit_repository",))
        return f"{site} (not set there: the default)"

    return where
