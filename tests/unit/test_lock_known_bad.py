"""Versions known not to go together: the shipped table, and each kind of condition."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import lock_samples
from wslgpu.errors import DataError
from wslgpu.lock.known_bad import Combination, KnownBad, found_in, load_known_bad, refuse_known_bad
from wslgpu.lock.model import Lock
from wslgpu.settings import load


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    site = tmp_path / "site.yml"
    site.write_text("")
    return lock_samples.lock(load(site))


def table(*conditions: dict[str, str], severity: str = "refuse") -> KnownBad:
    row = {
        "id": "row",
        "what": "this with that",
        "when": list(conditions),
        "why": "it does not work",
        "sources": [{"url": "https://example.invalid/", "date": "2026-01-01"}],
        "remedy": "Choose another.",
        "severity": severity,
    }
    return KnownBad.model_validate({"schema": 1, "combinations": [row]})


def test_what_the_product_pins_today_is_not_known_bad(lock: Lock) -> None:
    assert refuse_known_bad(lock) == []


@pytest.mark.parametrize("row", load_known_bad().combinations, ids=lambda row: row.id)
def test_every_shipped_row_can_be_met(lock: Lock, row: Combination) -> None:
    inputs, versions = dict(lock.inputs), {}
    packages = dict(lock.distributions["debian 13"].packages)
    for condition in row.when:
        value = condition.equals or condition.version_at_least or "0.1"
        if condition.input:
            inputs[condition.input] = value
        elif condition.package:
            versions[condition.package] = value
            packages[condition.package] = lock_samples.package(value)
    part = lock.distributions["debian 13"].model_copy(update={"packages": packages})
    bad = lock.model_copy(update={"inputs": inputs, "distributions": {"debian 13": part}})
    assert row.id in [found.id for found in found_in(bad)]


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ([{"package": "containerd", "version_below": "1.7.25"}], True),
        ([{"package": "containerd", "version_below": "1.7.24"}], False),
        ([{"package": "containerd", "version_at_least": "1.7.24"}, {"package": "curl", "equals": "8.14"}], True),
        ([{"package": "containerd", "version_at_least": "1.7.24"}, {"package": "curl", "equals": "8"}], False),
        ([{"package": "nginx"}], False),
        ([{"package": "containerd", "differs_from": "runc"}], True),
        ([{"package": "nvidia-container-toolkit", "differs_from": "nvidia-container-toolkit-base"}], False),
        ([{"image": "docker.io/nvidia/cuda", "equals": "13.0.0-base-ubuntu24.04"}], True),
        ([{"image": "docker.io/nvidia/cuda", "version_below": "13"}], False),
        ([{"input": "vllm_version", "version_at_least": "0.29"}], True),
        ([{"input": "vllm_install", "equals": "quadlet"}], False),
    ],
)
def test_a_condition_looks_at_the_lock(lock: Lock, conditions: list[dict[str, str]], holds: bool) -> None:
    assert bool(found_in(lock, table(*conditions))) is holds


def test_refuse_and_warn(lock: Lock) -> None:
    condition = {"package": "containerd"}
    with pytest.raises(DataError) as refusal:
        refuse_known_bad(lock, "the.lock", table(condition))
    assert "this with that: it does not work (https://example.invalid) [row]" in str(refusal.value)
    assert refusal.value.next_step == "Choose another."
    assert [row.id for row in refuse_known_bad(lock, table=table(condition, severity="warn"))] == ["row"]


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ({}, "exactly one of"),
        ({"package": "a", "input": "vllm_version"}, "exactly one of"),
        ({"input": "nonsense"}, "no input of a lock"),
        ({"image": "a", "differs_from": "b"}, "goes with package"),
        ({"package": "a", "version_below": "x"}, "pattern"),
        ({"package": "a", "older_than": "1"}, "not permitted"),
    ],
)
def test_a_wrong_row_is_refused(condition: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        table(condition)
