"""Which row of a capability's expectations fits a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wslgpu.catalogue.model import Capability, Expectation, Platform
from wslgpu.probe.document import Observations, Status
from wslgpu.verdict.versions import in_range, parse_version


@dataclass(frozen=True)
class Place:
    """What expectations depend on.

    :param versions: ``derived.versions``; a name that is missing or null is not known
    """

    platform: Platform
    versions: Mapping[str, str | None]


def place_of(document: Observations) -> Place:
    """Platform and versions of a document that has its ``derived.*``."""
    versions = _value(document, "derived.versions")
    try:
        platform = Platform(_value(document, "derived.platform").get("name"))
    except ValueError:
        platform = Platform.UNKNOWN
    return Place(platform, versions)


def _value(document: Observations, observation_id: str) -> dict[str, Any]:
    observation = document.get(observation_id)
    return observation.value if observation.status is Status.OBSERVED and isinstance(observation.value, dict) else {}


def expectation_for(capability: Capability, place: Place) -> Expectation | None:
    """The first row that fits.

    A row whose version is not known may be the one or may not: from there on only rows without ranges are taken.
    """
    undecided = False
    for row in capability.expectations:
        if row.platform not in (None, place.platform):
            continue
        fits = _fits(row, place)
        if fits is None:
            undecided = True
        elif fits and not (undecided and row.when):
            return row
    return None


def _fits(row: Expectation, place: Place) -> bool | None:
    answers = [_in_range(place.versions.get(name), ranges) for name, ranges in row.when.items()]
    if False in answers:
        return False
    return None if None in answers else True


def _in_range(text: str | None, ranges: str) -> bool | None:
    version = parse_version(text) if isinstance(text, str) else None
    return None if version is None else in_range(version, ranges)
