"""CDI specs as text, held against what the genuine nvidia-ctk wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from wslgpu import cdi

CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"


@pytest.mark.parametrize(("version", "mounts"), [("1.18.1", 9), ("1.19.1", 9), ("1.20.0", 18)])
def test_captured_specs(version: str, mounts: int) -> None:
    spec = cdi.parse_spec((CAPTURES / f"nvidia-ctk-{version}_cdi-generate_wsl.yaml").read_text())
    assert spec is not None
    assert (spec.kind, spec.devices) == ("nvidia.com/gpu", ("all",))
    assert len(spec.host_paths) == mounts + 1
    assert "/dev/dxg" in spec.host_paths


def test_json_is_read_too() -> None:
    text = '{"kind": "a.b/c", "devices": [{"name": "0", "containerEdits": {"mounts": [{"hostPath": "/x"}]}}]}'
    assert cdi.parse_spec(text) == cdi.CdiSpec("a.b/c", ("0",), frozenset({"/x"}))


@pytest.mark.parametrize("text", ["", "[]", "kind: [", "devices: []", "kind: k\ndevices: 5", "just words"])
def test_anything_else_is_none(text: str) -> None:
    assert cdi.parse_spec(text) is None


def test_ours_is_told_by_its_header_and_still_parses() -> None:
    text = (CAPTURES / "nvidia-ctk-1.18.1_cdi-generate_wsl.yaml").read_text()
    assert not cdi.is_ours(text)
    assert cdi.is_ours(cdi.HEADER + text)
    assert cdi.parse_spec(cdi.HEADER + text) == cdi.parse_spec(text)


def test_the_script_writes_the_same_header() -> None:
    script = Path(cdi.__file__).parent / "operations" / "scripts" / "gpu_spec.sh"
    assert cdi.HEADER.rstrip("\n") in script.read_text()
