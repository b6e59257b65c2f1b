"""Our own profiles, held against the least safe versions."""

from __future__ import annotations

from typing import Any

import pytest

from wslgpu.catalogue.load import load_catalogue
from wslgpu.pins import load_pins
from wslgpu.settings import PINS_FILE
from wslgpu.verdict.profiles import SAFE_SUFFIX, SETTINGS, unsafe_pins


def profile(name: str) -> dict[str, Any]:
    return load_pins(PINS_FILE)[0].profiles[name]


def test_the_profile_that_is_the_default_pins_nothing_unsafe() -> None:
    assert load_pins(PINS_FILE)[0].default_profile == "current"
    assert unsafe_pins(profile("current"), load_catalogue()) == []


def test_the_reference_profile_is_as_old_as_it_is_and_that_is_said() -> None:
    found = {pin.setting: pin for pin in unsafe_pins(profile("reference"), load_catalogue())}
    assert set(found) == {"container_toolkit_version", "vllm_version"}
    assert "CVE-2026-24260" in found["container_toolkit_version"].note


@pytest.mark.parametrize(("version", "safe"), [("1.19.1-1", True), ("1.19.0-1", False), ("nonsense", False)])
def test_the_version_decides(version: str, safe: bool) -> None:
    assert (unsafe_pins({"container_toolkit_version": version}, load_catalogue()) == []) is safe


def test_what_is_pinned_and_has_a_row_is_looked_at() -> None:
    rows = {
        name for name in load_catalogue().capabilities if name.startswith("versions.") and name.endswith(SAFE_SUFFIX)
    }
    assert {f"versions.{name}{SAFE_SUFFIX}" for name in ("toolkit", "vllm")} <= rows
    assert set(SETTINGS.values()) <= set(profile("reference"))
