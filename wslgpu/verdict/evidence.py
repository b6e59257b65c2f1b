"""From a condition's tests to the observations that they looked at, and for what was computed to what it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wslgpu.catalogue.condition import Test
from wslgpu.probe.document import Level, Observation, Observations, Status
from wslgpu.probe.registry import observation_kinds
from wslgpu.report.plain import clean
from wslgpu.verdict.derived_versions import sources_of_version
from wslgpu.verdict.model import Evidence
from wslgpu.verdict.shape import shape_of

_RESTS_ON = {
    "derived.platform": ("wsl.signals", "system.kernel", "system.os_release"),
    "derived.gpu": ("wsl.driver_stores", "wsl.pci", "gpu.device_nodes", "nvml.device_count", "cuda.device_count"),
    "derived.wsl_conf": ("wsl.conf",),
    "derived.wslconfig": ("wsl.wslconfig",),
    "derived.cdi": ("toolkit.cdi_specs",),
    "derived.toolkit": ("toolkit.packages",),
    "derived.storage": ("storage.placement",),
}


def evidence_of(tests: Iterable[Test], document: Observations) -> tuple[Evidence, ...]:
    """Each observation once, in the order in which it was looked at; what was computed is followed by its sources."""
    paths: dict[str, list[str]] = {}
    for test in tests:
        paths.setdefault(test.of, []).append(test.path)
        for source in _sources(test):
            paths.setdefault(source, []).append("")
    return tuple(_evidence(name, document.get(name), wanted) for name, wanted in paths.items())


def _sources(test: Test) -> tuple[str, ...]:
    if test.of == "derived.versions":
        return sources_of_version(test.path)
    return _RESTS_ON.get(test.of, ())


def _evidence(observation_id: str, observation: Observation, paths: list[str]) -> Evidence:
    kind = observation_kinds().get(observation_id)
    return Evidence(
        observation=observation_id,
        status=observation.status,
        value=_looked_at(observation, paths, shape_of(observation_id).kind),
        reason=clean(observation.reason, 300),
        command=clean(observation.command or (kind.command if kind else ""), 300),
        level=kind.level if kind else Level.QUICK,
    )


def _looked_at(observation: Observation, paths: list[str], kind: str) -> Any:
    """The value; of a table with many rows only those that were looked at."""
    value = observation.value
    if observation.status is not Status.OBSERVED or kind != "map" or not isinstance(value, dict) or "" in paths:
        return value
    return {key: row for key, row in value.items() if any(f"{path}.".startswith(f"{key}.") for path in paths)}
