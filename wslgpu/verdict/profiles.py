"""Holds what a profile pins against the least safe versions that the catalogue knows: our own pins are no exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wslgpu.catalogue.load import Catalogue
from wslgpu.catalogue.model import Platform
from wslgpu.probe.document import SCHEMA, Level, Observation, Observations, ProbeRun, Status, View
from wslgpu.verdict.evaluate import evaluate

SAFE_SUFFIX = "_safe"
"""``versions.<name>_safe`` is the row of ``<name>``'s least safe version."""
SETTINGS = {"toolkit": "container_toolkit_version", "vllm": "vllm_version", "plugin": "device_plugin_version"}
"""Name in ``derived.versions`` -> the setting that pins it. What a profile leaves to the distribution is not here."""


@dataclass(frozen=True)
class UnsafePin:
    """One pin below the least safe version.

    :param note: which holes, in which versions they were mended
    """

    setting: str
    version: str
    capability: str
    note: str
    remedy: str


def unsafe_pins(settings: Mapping[str, Any], catalogue: Catalogue) -> list[UnsafePin]:
    """The pins of a profile that a row of the catalogue finds too old.

    :param settings: the profile's settings by name, as pins.yml has them
    """
    found = []
    for name, setting in SETTINGS.items():
        row = catalogue.capabilities.get(f"versions.{name}{SAFE_SUFFIX}")
        version = settings.get(setting)
        if row is None or version is None:
            continue
        if evaluate(row.works, _document(name, str(version))).holds is not True:
            note = next((expectation.note for expectation in row.expectations if expectation.note), "")
            found.append(UnsafePin(setting, str(version), row.id, note, row.remedy_on(Platform.WSL2)))
    return found


def _document(name: str, version: str) -> Observations:
    """A document in which nothing is known but one version."""
    return Observations(
        schema=SCHEMA,
        probe=ProbeRun(
            level=Level.QUICK, view=View.NODE, interpreter="none", started=0.0, duration_s=0.0, cpu_s=0.0, uid=0
        ),
        observations={"derived.versions": Observation(status=Status.OBSERVED, value={name: version})},
    )
