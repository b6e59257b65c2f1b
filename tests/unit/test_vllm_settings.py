"""vLLM's table and settings: what is refused, and where the message points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.unit.rendered_workloads import settings
from wslgpu.errors import DataError
from wslgpu.settings import VLLM_FILE, load, of_data
from wslgpu.workloads import quantity, shared_memory, vllm_key
from wslgpu.workloads.storage import Storage
from wslgpu.workloads.vllm_pins import load_vllm


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site.yml"


def refused(site: Path, **values: Any) -> DataError:
    site.write_text(yaml.safe_dump({"profile": "current", **values}))
    with pytest.raises(DataError) as error:
        load(site)
    assert str(error.value.where).startswith(str(site))
    return error.value


def test_the_table_has_the_profiles_versions_and_those_between_that_matter() -> None:
    pins, _ = load_vllm(VLLM_FILE)
    assert {"0.11.1", "0.24.0", "0.28.0", "0.29.0"} <= set(pins.versions)
    assert [name for name, row in pins.versions.items() if row.pin_memory == "off"] == ["0.11.1"]
    dying = [name for name, row in pins.versions.items() if row.without_pinned_memory == "may-die"]
    assert dying == ["0.24.0", "0.28.0"]
    for name, row in pins.versions.items():
        assert row.image.tag == f"v{name}"
        assert row.image.digest == "unresolved" or row.image.seen, f"{name}: where was the digest seen?"
        assert row.image.digest == "unresolved" or not row.image.verified, f"{name}: nobody has compared it"


def test_settings_survive_the_way_through_pyinfras_data() -> None:
    shipped = settings(vllm_storage={"claim": "x", "host_path": "/srv/models"}, vllm_extra_arguments=["--seed", "1"])
    assert of_data(shipped.as_data()) == shipped


def test_a_version_without_a_row_names_the_others(site: Path) -> None:
    error = refused(site, vllm_version="0.99.0")
    assert "0.11.1" in error.what
    assert "vllm_versions" in error.what


def test_a_site_may_add_a_version(site: Path) -> None:
    row = yaml.safe_load(VLLM_FILE.read_text())["versions"]["0.29.0"]
    site.write_text(yaml.safe_dump({"vllm_version": "0.30.0", "vllm_versions": {"0.30.0": row}}))
    assert load(site).vllm.pin_memory == "opt-in"
    assert "0.29.0" in load(site).vllm_versions


@pytest.mark.parametrize("path", ["/mnt/c/models", "/mnt/d", "/mnt/C/x", "/mnt/wsl/x"])
def test_models_on_a_windows_drive_are_refused_with_the_reason(site: Path, path: str) -> None:
    error = refused(site, vllm_storage={"claim": "m", "host_path": path})
    assert "Windows drive" in error.what
    assert "9p" in error.what


@pytest.mark.parametrize("path", ["/mnt/models", "/mnt/cc", "/srv/mnt/c"])
def test_other_folders_are_not_taken_for_one(path: str) -> None:
    assert Storage(claim="m", host_path=path).host_path == path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vllm_model", "../secret"),
        ("vllm_model", "/models/x"),
        ("vllm_model", "a/../b"),
        ("vllm_model", "-x"),
        ("vllm_model", "a b"),
        ("vllm_model", "a\nb"),
        ("vllm_served_name", '"; rm -rf /'),
        ("vllm_listen", "localhost"),
        ("vllm_listen", "127.0.0.1:80"),
        ("vllm_port", 80),
        ("vllm_port", 70000),
        ("vllm_memory", "24G"),
        ("vllm_memory", "-1Gi"),
        ("vllm_memory", "024Gi"),
        ("vllm_cpu_limit", "1.5"),
        ("vllm_cpu_request", "8001m"),
        ("vllm_listen", "::1%lo"),
        ("vllm_storage", {"claim": "ffmpeg-media"}),
        ("ffmpeg_storage", {"claim": "m", "access": "ReadOnlyMany"}),
        ("ffmpeg_width", 855),
        ("workload_namespace", "kube-system"),
        ("workload_namespace", "default"),
        ("workload_namespace", "nvidia-device-plugin"),
        ("device_plugin_namespace", "kube-system"),
        ("device_plugin_namespace", "default"),
        ("vllm_gpu_memory_utilization", 1.0),
        ("vllm_tensor_parallel_size", 0),
        ("vllm_load_timeout_s", 0),
        ("workload_namespace", "Upper"),
        ("workload_namespace", "a" * 64),
        ("vllm_storage", {"claim": "m", "host_path": "/srv/../etc"}),
        ("vllm_storage", {"claim": "m", "host_path": "/srv/a b"}),
        ("vllm_storage", {"claim": "m", "host_path": "/srv", "create": False}),
        ("vllm_extra_arguments", ["a\nb"]),
        ("vllm_extra_arguments", [""]),
        ("ffmpeg_job_input", "/etc/passwd"),
        ("ffmpeg_job_output", "input.mp4"),
        ("ffmpeg_pod_image", "docker.io/x/y:latest"),
        ("ffmpeg_pod_program", "image"),
    ],
)
def test_a_hostile_or_wrong_value_is_refused_with_its_line(site: Path, key: str, value: Any) -> None:
    error = refused(site, **{key: value})
    assert key.split("_")[0] in error.what


@pytest.mark.parametrize(
    "word", ["--api-key", "--api-key=x", "--api_key", "--api", "--host=0.0.0.0", "--conf", "-tp", "--model", "--po"]
)
def test_what_a_setting_decides_is_no_extra_argument(site: Path, word: str) -> None:
    assert "vllm_extra_arguments" in refused(site, vllm_extra_arguments=[word]).what


def test_a_secret_is_no_extra_argument_and_is_not_repeated(site: Path) -> None:
    for word in ("--hf-token=c4n4ry", "--hf_token=c4n4ry", "--hf-tok=c4n4ry"):
        error = refused(site, vllm_extra_arguments=[word])
        assert "secret" in error.what
        assert "c4n4ry" not in str(error)


def test_a_model_of_the_hub_needs_a_storage_that_can_be_written(site: Path) -> None:
    storage = {"claim": "m", "access": "ReadOnlyMany"}
    assert "hub" in refused(site, vllm_model_source="hub", vllm_storage=storage).what
    site.write_text(yaml.safe_dump({"vllm_storage": storage}))
    assert load(site).vllm_storage.access == "ReadOnlyMany"


def test_one_claim_that_is_there_may_serve_both(site: Path) -> None:
    site.write_text(
        yaml.safe_dump({key: {"claim": "nas", "create": False} for key in ("vllm_storage", "ffmpeg_storage")})
    )
    assert load(site).vllm_storage.claim_name == load(site).ffmpeg_storage.claim_name


def test_an_address_that_others_reach_asks_for_a_key(site: Path) -> None:
    assert "vllm_api_key_file" in refused(site, vllm_listen="0.0.0.0").what  # noqa: S104
    site.write_text("vllm_listen: '::'\nvllm_api_key_file: /root/key\n")
    assert load(site).vllm_listen == "::"


def test_too_little_shared_memory_for_the_ranks_is_refused(site: Path) -> None:
    error = refused(site, vllm_tensor_parallel_size=4, vllm_shared_memory="2Gi")
    assert "4Gi" in error.what


def test_a_node_form_needs_a_folder_of_the_node(site: Path) -> None:
    assert "host_path" in refused(site, vllm_install="quadlet").what


def test_shared_memory_grows_with_the_ranks_and_never_below_the_least() -> None:
    sizes = [shared_memory.size_bytes(ranks) for ranks in range(1, 17)]
    assert sizes == sorted(sizes)
    for ranks, size in enumerate(sizes, 1):
        assert size >= shared_memory.least_bytes(ranks) >= ranks * quantity.GIBIBYTE
    assert quantity.as_quantity(shared_memory.size_bytes(4)) == "13Gi"
    assert shared_memory.size_bytes(2, "16Gi") == 16 * quantity.GIBIBYTE


def test_quantities_come_back() -> None:
    for text in ("1", "512Mi", "24Gi", "1000Ki", "3Ti"):
        assert quantity.as_bytes(quantity.as_quantity(quantity.as_bytes(text))) == quantity.as_bytes(text)
    with pytest.raises(ValueError, match="no amount of memory"):
        quantity.as_bytes("1e3")


def test_the_table_refuses_an_unknown_key() -> None:
    with pytest.raises(ValidationError):
        Storage.model_validate({"claim": "x", "hostpath": "/srv"})


# -- the key -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("c4n4ry-c4n4ry-c4n4ry\n")
    path.chmod(0o600)
    return path


def test_a_key_is_read_without_its_end_of_line(key: Path) -> None:
    assert vllm_key.read(str(key)) == "c4n4ry-c4n4ry-c4n4ry"
    assert vllm_key.read("") == ""


def test_a_key_that_others_may_read_is_refused(key: Path) -> None:
    key.chmod(0o640)
    with pytest.raises(DataError, match="mode 0640"):
        vllm_key.read(str(key))


@pytest.mark.parametrize(
    "text", ["", "short", "two words that are long enough", "ümlaute-ümlaute-ümlaute", "a\nb" * 20]
)
def test_what_is_no_key_is_refused_and_not_repeated(key: Path, text: str) -> None:
    key.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        vllm_key.read(str(key))
    assert not text or text not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        vllm_key.read(str(tmp_path / "none"))
    assert error.value.where.endswith("/none")


def test_the_secret_is_made_from_the_file(key: Path) -> None:
    made = vllm_key.secret(settings(vllm_api_key_file=str(key)))
    assert made is not None
    assert made["metadata"] == {"name": "vllm-api-key", "namespace": "gpu-workloads"}
    assert made["stringData"] == {"api-key": "c4n4ry-c4n4ry-c4n4ry"}
    assert vllm_key.secret(settings()) is None
