"""The files by which Dozen is offered to a whole node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from wslgpu.dozen_offer import manifest_text, profile_text

OWN = {
    "ICD": {"api_version": "1.1.303", "library_path": "../../../lib/libvulkan_dzn.so"},
    "file_format_version": "1.0.1",
}


def test_the_library_is_named_by_its_whole_path_through_current_and_the_rest_stays() -> None:
    made = json.loads(manifest_text(json.dumps(OWN)))
    assert made["ICD"].pop("library_path") == "/opt/wslgpu/mesa-dozen/current/lib/libvulkan_dzn.so"
    assert made == {**OWN, "ICD": {"api_version": "1.1.303"}}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"ICD": {}}', '{"ICD": {"library_path": 1}}', '{"ICD": []}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no library"):
        manifest_text(text)


def test_a_login_shell_prefers_the_adapter_unless_somebody_has_chosen() -> None:
    program = profile_text("NVIDIA GeForce") + 'printf %s "$MESA_D3D12_DEFAULT_ADAPTER_NAME"; env | grep -c MESA_D3D12'

    def said(**environment: str) -> str:
        words = ["env", "-i", "PATH=/usr/bin:/bin", *(f"{key}={value}" for key, value in environment.items())]
        return subprocess.run([*words, "sh", "-eu", "-c", program], capture_output=True, text=True, check=True).stdout

    assert said() == "NVIDIA GeForce1\n"
    assert said(MESA_D3D12_DEFAULT_ADAPTER_NAME="Intel") == "Intel1\n"


def test_no_adapter_is_no_file() -> None:
    assert profile_text("") == ""


def test_graphics_come_from_the_artifacts_own_environment_and_vulkan_is_not_named_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wslgpu.dozen_offer.CURRENT", str(tmp_path))
    (tmp_path / "env.sh").write_text(
        "export GALLIUM_DRIVER=d3d12 VK_ADD_DRIVER_FILES=/dozen${VK_ADD_DRIVER_FILES:+:$VK_ADD_DRIVER_FILES}\n"
    )
    program = profile_text("", graphics=True) + 'echo "$GALLIUM_DRIVER ${VK_ADD_DRIVER_FILES-none}"'

    def said(*variables: str) -> str:
        words = ["env", "-i", "PATH=/usr/bin:/bin", *variables, "sh", "-eu", "-c", program]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    assert said() == "d3d12 none\n"
    assert said("VK_ADD_DRIVER_FILES=/mine") == "d3d12 /mine\n"
