"""Observation documents for tests: a healthy WSL2 node with one RTX 4090, at the level standard, and changes to it."""

from __future__ import annotations

import copy
from typing import Any

from tests.healthy_gpu import CODECS_AND_GRAPHICS, CUDA, NVML
from tests.healthy_node import CONTAINERS, KERNEL, PROGRAMS, SYSTEM, WSL
from wslgpu.probe.document import (
    SCHEMA,
    Identity,
    Level,
    Observation,
    Observations,
    ProbeRun,
    Status,
    View,
)
from wslgpu.probe.registry import observation_kinds

STARTED = 1_790_000_000.0
HEALTHY_VALUES: dict[str, Any] = {
    **SYSTEM,
    **WSL,
    **KERNEL,
    **CUDA,
    **NVML,
    **CODECS_AND_GRAPHICS,
    **CONTAINERS,
    **PROGRAMS,
}
"""Observation id -> value; a Status where there is none. Benchmarks are of the level full and not among them."""


def observation(value: Any) -> Observation:
    """An observed value, or what a Status stands for."""
    if isinstance(value, Observation):
        return value
    if isinstance(value, Status):
        reasons = {Status.CRASH: "killed by SIGSEGV", Status.HANG: "ended after 10 s", Status.UNKNOWN: "not looked at"}
        return Observation(status=value, reason=reasons[value])
    return Observation(status=Status.OBSERVED, value=copy.deepcopy(value))


def document(values: dict[str, Any] | None = None, **fields: Any) -> Observations:
    """A document of just these observations.

    :param fields: of :class:`Observations`, to have other ones than a node at the level standard
    """
    run = ProbeRun(
        level=Level.STANDARD,
        view=View.NODE,
        program="0" * 64,
        interpreter="python3 3.12.3",
        started=STARTED,
        duration_s=2.5,
        cpu_s=0.5,
        uid=0,
    )
    observations = {key: observation(value) for key, value in (values or {}).items()}
    return Observations(**{"schema": SCHEMA, "probe": run, "observations": observations, **fields})


def healthy(changes: dict[str, Any] | None = None, **fields: Any) -> Observations:
    """A healthy WSL2 node.

    :param changes: observation id -> another value, or a Status
    """
    values = {**HEALTHY_VALUES, **(changes or {})}
    for name, kind in observation_kinds().items():
        if name not in values:
            values[name] = Observation(status=Status.UNKNOWN, reason=f"needs --level {kind.level.value}")
    identity = Identity(hostname="tower", machine_id="c0ffee" * 5 + "00", ssh_host_keys=("SHA256:abcdef",))
    return document(values, **{"identity": identity, "received": STARTED + 3.0, **fields})
