"""Profiles, sites and pins: what they resolve to, and how a wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wslgpu.errors import DataError
from wslgpu.pins import CdiSpecOwner, load_pins
from wslgpu.settings import PINS_FILE, load, of_data, site_overrides


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site.yml"


def test_both_shipped_profiles_load() -> None:
    pins, _ = load_pins(PINS_FILE)
    assert set(pins.profiles) == {"reference", "current"}
    assert pins.default_profile == "current"
    assert {"1.18.1-1", "1.18.2-1", "1.19.1-1", "1.20.0-1"} <= set(pins.container_toolkit_versions)


def test_reference_is_what_the_source_documents_used(site: Path) -> None:
    site.write_text("profile: reference\n")
    settings = load(site)
    assert settings.container_toolkit_version == "1.18.1-1"
    assert settings.device_plugin_version == "0.17.1"
    assert settings.vllm_version == "0.11.1"
    assert all(image.tag.startswith("13.0.0-") for image in settings.cuda_images)
    assert settings.toolkit.cdi_spec_owner is CdiSpecOwner.WSLGPU


def test_the_default_profile_is_current_and_its_refresh_unit_owns_the_spec(site: Path) -> None:
    site.write_text("")
    settings = load(site)
    assert settings.profile == "current"
    assert settings.toolkit.cdi_spec_owner is CdiSpecOwner.REFRESH_UNIT
    assert settings.toolkit.wsl_mounts == "whole-store"


def test_a_site_names_only_what_differs(site: Path) -> None:
    site.write_text("container_toolkit_default_runtime: false\n")
    assert load(site).container_toolkit_default_runtime is False
    assert site_overrides(site) == {"container_toolkit_default_runtime": False}


def test_a_site_may_add_a_toolkit_version(site: Path) -> None:
    site.write_text(
        "container_toolkit_version: 1.21.0-1\n"
        "container_toolkit_versions:\n"
        "  1.21.0-1:\n"
        "    released: 2026-11-01\n"
        "    cdi_spec_owner: nvidia-cdi-refresh\n"
        "    wsl_mounts: whole-store\n"
        "    size_bytes: 1\n"
        "    source: https://example.org/toolkit\n"
    )
    assert load(site).toolkit.size_bytes == 1


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("profile: curent\n", 1, "no profile 'curent'"),
        ("\ncontainerd_pakage: auto\n", 2, "not a key"),
        ("profile: current\nprofile: reference\n", 2, "twice"),
        ("container_toolkit_version: 9.9.9-1\n", 1, "9.9.9-1 is not in the table of pins"),
        ("container_toolkit_key_fingerprint: DDCAE044F796ECB0\n", 1, "40 hexadecimal digits"),
        ("containerd_package: docker\n", 1, "containerd_package"),
        ("data_dir: ../x\n", 1, "absolute path"),
        ("proxy_url: http://user:secret@proxy:3128\n", 1, "without user and password"),
        ("wsl_conf:\n  boot:\n    sytemd: true\n", 3, "did you mean systemd?"),
        ("wslconfig:\n  ws12:\n    swap: 0\n", 2, "did you mean [wsl2]?"),
        (
            "cuda_images:\n  - role: base\n    repository: docker.io/nvidia/cuda\n    tag: t\n"
            "    digest: sha256:123\n    size_bytes: 1\n",
            5,
            "64 hexadecimal digits",
        ),
        ("video_cdi_kind: nvidia.com/gpu\n", 1, "a kind of your own"),
        ("video_cdi_kind: 9.example/gpu\n", 1, "video_cdi_kind"),
        ("- a\n", 1, "keys and values"),
    ],
)
def test_a_wrong_site_is_refused_by_line(site: Path, content: str, line: int, says: str) -> None:
    site.write_text(content)
    with pytest.raises(DataError) as error:
        load(site)
    assert says in error.value.what
    assert error.value.where == f"{site}:{line}"


def test_a_secret_in_a_refused_value_is_not_shown(site: Path) -> None:
    site.write_text("proxy_url: http://user:canary-token@proxy:3128\n")
    with pytest.raises(DataError) as error:
        load(site)
    assert "canary-token" not in str(error.value)


def test_wrong_pins_are_refused_by_line(tmp_path: Path) -> None:
    pins = tmp_path / "pins.yml"
    text = PINS_FILE.read_text()
    broken = text.replace("C95B321B61E88C1809C4F759DDCAE044F796ECB0", "C95B321B")
    assert broken != text
    pins.write_text(broken)
    line = next(i for i, row in enumerate(broken.splitlines(), 1) if "key_fingerprint" in row)
    with pytest.raises(DataError) as error:
        load(tmp_path / "pins.yml", pins)
    assert error.value.where == f"{pins}:{line}"


def test_a_wrong_profile_is_refused_by_its_line_in_the_pins(tmp_path: Path) -> None:
    pins = tmp_path / "pins.yml"
    text = PINS_FILE.read_text().replace("device_plugin_version: 0.20.0", "device_plugin_versoin: 0.20.0")
    pins.write_text(text)
    site = tmp_path / "site.yml"
    site.write_text("")
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "versoin" in row)
    with pytest.raises(DataError) as error:
        load(site, pins)
    assert error.value.where == f"{pins}:{line}"


def test_settings_survive_the_way_through_pyinfra(site: Path) -> None:
    site.write_text("")
    settings = load(site)
    assert of_data(json.loads(json.dumps(settings.as_data()))) == settings


def test_a_wrong_value_that_came_past_the_files_is_refused(site: Path) -> None:
    site.write_text("")
    data = load(site).as_data()
    data["apt_lock_timeout_s"] = "soon"
    with pytest.raises(DataError, match="apt_lock_timeout_s"):
        of_data(data)


def test_a_profile_that_a_site_names_comes_with_its_values(site: Path) -> None:
    site.write_text("profile: reference\n")
    overrides = site_overrides(site)
    assert overrides["profile"] == "reference"
    assert overrides["container_toolkit_version"] == "1.18.1-1"
    assert "containerd_package" not in overrides
