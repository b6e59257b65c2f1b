"""Which artifacts a store keeps: those that a pin names, and the one before each, for rollback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.build.record import ArtifactRecord
from wslgpu.fleet import fleet_file, load_fleet
from wslgpu.pins import load_pins
from wslgpu.settings import PINS_FILE, Settings
from wslgpu.store import blobs, quarantine
from wslgpu.store.folder import Store

YOUNGEST_KEPT = 2
"""Of each build: the one in use, and the one before, which a node may be rolled back to."""
_BUILD_KEYS = ("mesa_dozen_build", "ffmpeg_build")
_DIGEST_KEYS = ("mesa_dozen_artifact", "ffmpeg_artifact")


@dataclass(frozen=True)
class Named:
    """What pins name.

    :param builds: build -> who names it
    :param digests: digest -> who names it
    """

    builds: Mapping[str, str]
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What pruning would do.

    :param kept: record -> why
    :param freed_bytes: of blobs that no kept record names, and of what was set aside
    """

    kept: list[tuple[ArtifactRecord, str]]
    gone: list[ArtifactRecord]
    freed_bytes: int


def named_by_pins(settings: Settings, fleet: Path | None = None) -> Named:
    """What the table of builds, every profile, the site and the hosts of the fleet file name.

    :raises DataError: the pins or the fleet file are wrong: nothing is deleted then
    """
    sources: list[tuple[str, Mapping[str, Any]]] = [("the site", settings.as_data())]
    sources += [(f"the profile {name}", values) for name, values in load_pins(PINS_FILE)[0].profiles.items()]
    path = fleet or fleet_file()
    if path.exists():
        sources += [(f"the host {name}", host.data) for name, host in load_fleet(path).hosts.items()]
    builds = dict.fromkeys(settings.builds, "the table of builds")
    builds |= {str(data[key]): who for who, data in sources for key in _BUILD_KEYS if data.get(key)}
    digests = {str(data[key]): who for who, data in sources for key in _DIGEST_KEYS if data.get(key)}
    return Named(builds, digests)


def plan(store: Store, named: Named, keep: Iterable[str] = ()) -> Plan:
    """Decide what goes. Pure but for reading the store.

    :param keep: names and digests that somebody wants kept besides
    """
    wanted = set(keep)
    kept: list[tuple[ArtifactRecord, str]] = []
    gone = []
    seen: dict[str, int] = {}
    for record in store.records():  # the youngest first
        place = seen[record.build] = seen.get(record.build, 0) + 1
        if why := _reason(record, place, named, wanted):
            kept.append((record, why))
        else:
            gone.append(record)
    named_blobs = {digest for record, _ in kept for digest in (record.digest, record.bill, record.provenance)}
    loose = [digest for digest in blobs.digests(store.path) if digest not in named_blobs]
    freed = sum(size for _, size in blobs.sizes(store.path, loose)) + quarantine.size_bytes(store.path)
    return Plan(kept, gone, freed)


def _reason(record: ArtifactRecord, place: int, named: Named, wanted: set[str]) -> str:
    if record.digest in named.digests:
        return f"{named.digests[record.digest]} pins its digest"
    if record.name in wanted or record.digest in wanted:
        return "asked for"
    if record.build in named.builds and place <= YOUNGEST_KEPT:
        age = "the youngest" if place == 1 else "the one before the youngest, for rollback"
        return f"{age} of {record.build}, which {named.builds[record.build]} names"
    return ""
