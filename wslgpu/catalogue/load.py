"""Reads the catalogue, a site's folder over it, and holds the whole together."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wslgpu.catalogue.condition import observations_of
from wslgpu.catalogue.model import Capability, CapabilityFile, SiteFile, Workload, WorkloadFile
from wslgpu.errors import DataError
from wslgpu.names import did_you_mean
from wslgpu.probe.registry import derived_kinds, observation_kinds
from wslgpu.yaml_source import YamlDocument, load_yaml, validate

CATALOGUE_DIRECTORY = Path(__file__).parent


@dataclass(frozen=True)
class Catalogue:
    """Everything that verdicts rest on.

    :param digest: sha256 over every file read, names included
    :param places: ``file:line`` of each capability and workload
    """

    capabilities: dict[str, Capability]
    workloads: dict[str, Workload]
    site: SiteFile = field(default_factory=SiteFile)
    digest: str = ""
    places: dict[str, str] = field(default_factory=dict, repr=False)


def load_catalogue(site_directory: Path | None = None) -> Catalogue:
    """The product's catalogue, with a site's folder over it when one is given.

    A site's folder may hold ``capabilities/``, ``workloads/`` and ``site.yml``; its ids must be new ones. What it says
    of ours stands under ``overrides``.

    :raises DataError: the first thing wrong, by file and line
    """
    if site_directory is not None and not site_directory.is_dir():
        raise DataError(
            "is not a folder", str(site_directory), "Name a folder with capabilities/, workloads/, site.yml."
        )
    return _load(site_directory)


@functools.lru_cache(maxsize=4)
def _product() -> _Reader:
    reader = _Reader()
    reader.folder(CATALOGUE_DIRECTORY)
    return reader


def _load(site_directory: Path | None) -> Catalogue:
    reader = _product().copy()
    site = SiteFile()
    if site_directory is not None:
        reader.folder(site_directory)
        if (path := site_directory / "site.yml").exists():
            document = reader.read(path)
            site = validate(SiteFile, document)
            reader.check_site(site, document)
            for override in site.overrides:
                reader.capabilities[override.capability] = override.over(reader.capabilities[override.capability])
    reader.check_references()
    return Catalogue(reader.capabilities, reader.workloads, site, reader.digest.hexdigest(), reader.places)


class _Reader:
    def __init__(self) -> None:
        self.capabilities: dict[str, Capability] = {}
        self.workloads: dict[str, Workload] = {}
        self.places: dict[str, str] = {}
        self.digest = hashlib.sha256()

    def copy(self) -> _Reader:
        other = _Reader()
        other.capabilities, other.workloads = dict(self.capabilities), dict(self.workloads)
        other.places, other.digest = dict(self.places), self.digest.copy()
        return other

    def read(self, path: Path) -> YamlDocument:
        document = load_yaml(path)
        self.digest.update(f"{path.parent.name}/{path.name}\0".encode() + path.read_bytes())
        return document

    def folder(self, directory: Path) -> None:
        for path in sorted((directory / "capabilities").glob("*.yml")):
            document = self.read(path)
            for index, capability in enumerate(validate(CapabilityFile, document).capabilities):
                self._add(self.capabilities, capability, document.where(("capabilities", index, "id")))
        for path in sorted((directory / "workloads").glob("*.yml")):
            document = self.read(path)
            for index, workload in enumerate(validate(WorkloadFile, document).workloads):
                self._add(self.workloads, workload, document.where(("workloads", index, "id")))

    def _add(self, table: dict[str, Any], entry: Capability | Workload, where: str) -> None:
        if entry.id in self.places:
            raise DataError(f"the id {entry.id!r} is there already ({self.places[entry.id]})", where, "Choose another.")
        table[entry.id] = entry
        self.places[entry.id] = where

    def check_references(self) -> None:
        """Every id that an entry names exists, and no capability needs itself by way of others."""
        known = {*observation_kinds(), *derived_kinds()}
        for capability in self.capabilities.values():
            where = self.places[capability.id]
            for condition in (capability.works, capability.limited, capability.applies):
                self._check(observations_of(condition) if condition else (), known, "observation", where)
            self._check(capability.needs, self.capabilities, "capability", where)
            self._check_circle(capability.id, where)
        for workload in self.workloads.values():
            where = self.places[workload.id]
            self._check(observations_of(workload.applies) if workload.applies else (), known, "observation", where)
            wanted = [*workload.requires, *(name for group in workload.one_of for name in group)]
            wanted += [row.capability for row in workload.better_with]
            self._check(tuple(wanted), self.capabilities, "capability", where)

    def check_site(self, site: SiteFile, document: YamlDocument) -> None:
        wanted: tuple[tuple[str, Any, str], ...] = (
            ("require_workloads", self.workloads, "workload"),
            ("require_capabilities", self.capabilities, "capability"),
        )
        for key, table, kind in wanted:
            for index, name in enumerate(getattr(site, key)):
                self._check((name,), table, kind, document.where((key, index)))
        for index, waiver in enumerate(site.waivers):
            self._check((waiver.capability,), self.capabilities, "capability", document.where(("waivers", index)))
        for index, override in enumerate(site.overrides):
            self._check((override.capability,), self.capabilities, "capability", document.where(("overrides", index)))
            if override.capability in (before.capability for before in site.overrides[:index]):
                where = document.where(("overrides", index))
                raise DataError(f"{override.capability!r} is overridden twice", where, "Join the two.")

    def _check(self, names: tuple[str, ...], table: Any, kind: str, where: str) -> None:
        for name in names:
            if name not in table:
                raise DataError(
                    f"there is no {kind} {name!r}",
                    where,
                    f"{did_you_mean(name, table)}Mend the id, or add what it names.",
                )

    def _check_circle(self, start: str, where: str) -> None:
        seen, pending = {start}, list(self.capabilities[start].needs)
        while pending:
            name = pending.pop()
            if name == start:
                raise DataError(f"{start!r} needs itself by way of others", where, "Take one of the needs out.")
            if name not in seen:
                seen.add(name)
                pending += self.capabilities[name].needs if name in self.capabilities else ()
