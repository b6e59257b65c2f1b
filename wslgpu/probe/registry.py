"""The table of all observations: ``observations.yml`` beside this file, strictly read."""

from __future__ import annotations

import functools
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from wslgpu.errors import DataError
from wslgpu.probe.document import Level
from wslgpu.yaml_source import load_yaml, validate

REGISTRY_FILE = Path(__file__).with_name("observations.yml")


class ObservationKind(BaseModel):
    """One row: what an observation is, the least level that makes it, and its value's shape in words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    level: Level
    shape: str
    what: str
    command: str


class DerivedKind(BaseModel):
    """One row of what the controller computes from observations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    shape: str
    what: str


class _Registry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: int
    observations: list[ObservationKind]
    derived: list[DerivedKind]


@functools.cache
def _registry() -> _Registry:
    document = load_yaml(REGISTRY_FILE)
    data = dict(document.data)
    data["schema_version"] = data.pop("schema", 0)
    registry = validate(_Registry, document, data)
    seen: set[str] = set()
    rows = [("observations", row.id) for row in registry.observations]
    for key, row_id in [*rows, *(("derived", row.id) for row in registry.derived)]:
        if row_id in seen:
            raise DataError(f"the observation {row_id!r} is there twice", document.where((key,)))
        seen.add(row_id)
    return registry


def observation_kinds() -> dict[str, ObservationKind]:
    """What the probe observes, by id, in the file's order.

    :raises DataError: a row that is wrong or there twice, by file and line
    """
    return {row.id: row for row in _registry().observations}


def derived_kinds() -> dict[str, DerivedKind]:
    """What is computed from that on the controller, by id.

    :raises DataError: as :func:`observation_kinds`
    """
    return {row.id: row for row in _registry().derived}
