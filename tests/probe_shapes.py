"""Whether a document of the genuine program says what the table of observations promises, and nothing else."""

from __future__ import annotations

from typing import Any

from wslgpu.probe.document import Observations, Status
from wslgpu.probe.registry import observation_kinds
from wslgpu.verdict.shape import Shape, shape_of


def faults(document: Observations) -> list[str]:
    """What is wrong: missing and foreign ids, values of another shape, keys that no shape has, no reason."""
    found: list[str] = []
    kinds = observation_kinds()
    found += [f"{key} is missing" for key in kinds if key not in document.observations]
    found += [f"{key} is in no table" for key in document.observations if key not in kinds]
    for key, one in document.observations.items():
        if one.status is not Status.OBSERVED:
            found += [] if one.reason else [f"{key} is {one.status.value} without a reason"]
        elif not shape_of(key).has(one.value):
            found.append(f"{key} has not the shape {kinds[key].shape}: {one.value!r}")
        else:
            found += [f"{key}: {place} is in no shape" for place in _extra(shape_of(key), one.value, "value")]
    return found


def _extra(shape: Shape, value: Any, place: str) -> list[str]:
    if isinstance(value, list) and shape.item is not None:
        return [fault for index, one in enumerate(value) for fault in _extra(shape.item, one, f"{place}[{index}]")]
    if not isinstance(value, dict):
        return []
    if shape.kind == "map" and shape.item is not None:
        return [fault for key, one in value.items() for fault in _extra(shape.item, one, f"{place}.{key}")]
    # "any" may hold any keys, and a call further ones
    found = [f"{place}.{key}" for key in value if shape.kind == "object" and key not in shape.keys]
    return found + [
        f for key, one in value.items() if key in shape.keys for f in _extra(shape.keys[key], one, f"{place}.{key}")
    ]
