"""The first row of a capability's expectations that fits a node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.observation_documents import document, healthy
from tests.small_catalogue import SOURCE, capability
from wslgpu.catalogue.model import Platform
from wslgpu.verdict.derived import with_derived
from wslgpu.verdict.expectation import Place, expectation_for, place_of


def row(expect: str, platform: str | None = None, **when: str) -> dict[str, Any]:
    return {"platform": platform, "when": when, "expect": expect, "confidence": "high"}


def expected(rows: list[dict[str, Any]], platform: str = "wsl2", **versions: str | None) -> str | None:
    entry = capability("a.b", {"of": "cuda.init"}, expectations=rows, sources=[SOURCE])
    found = expectation_for(entry, Place(Platform(platform), versions))
    return found.expect.value if found else None


ROWS = [
    row("cannot", "wsl2", toolkit="<1.20"),
    row("works", "wsl2", toolkit=">=1.20", driver=">=580"),
    row("limited", "wsl2"),
    row("varies"),
]


@pytest.mark.parametrize(
    ("platform", "versions", "found"),
    [
        ("wsl2", {"toolkit": "1.18.1-1", "driver": "581.80"}, "cannot"),
        ("wsl2", {"toolkit": "1.20.0-1", "driver": "581.80"}, "works"),
        ("wsl2", {"toolkit": "1.20.0-1", "driver": "560.76"}, "limited"),
        ("wsl2", {"toolkit": "1.20.0-1"}, "limited"),
        ("wsl2", {"toolkit": None, "driver": "581.80"}, "limited"),
        ("wsl2", {"toolkit": "garbage"}, "limited"),
        ("linux", {}, "varies"),
        ("unknown", {"toolkit": "1.18"}, "varies"),
    ],
)
def test_the_first_row_that_fits(platform: str, versions: dict[str, str | None], found: str) -> None:
    assert expected(ROWS, platform, **versions) == found


def test_behind_a_row_that_cannot_be_decided_no_range_counts() -> None:
    rows = [row("cannot", toolkit="<1.20"), row("works", driver=">=1"), row("varies")]
    assert expected(rows, driver="581.80") == "varies"


def test_no_row_fits() -> None:
    assert expected([row("works", "linux")]) is None
    assert expected([row("works", "wsl2", driver=">=999")], driver="581.80") is None


def test_a_place_is_read_from_a_document() -> None:
    place = place_of(with_derived(healthy()))
    assert (place.platform, place.versions["driver"]) == (Platform.WSL2, "581.80")
    assert place_of(document()) == Place(Platform.UNKNOWN, {})
