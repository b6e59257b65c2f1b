"""What is computed from observations: right for nodes as they are, unknown for garbage, never an exception."""

from __future__ import annotations

from typing import Any

import pytest

from tests.observation_documents import HEALTHY_VALUES, STARTED, document, healthy
from wslgpu.probe.document import Observation, ProbeRun, Status, View
from wslgpu.probe.registry import derived_kinds
from wslgpu.verdict.derived import with_derived

SIGNALS = {"osrelease": False, "dxg": False, "interop": False, "run_wsl": False, "init_rootfs": False}
NATIVE = {
    "nvidia": ["/dev/nvidia0", "/dev/nvidiactl"],
    "dri": ["/dev/dri/card0"],
    "kfd": False,
    "proc_driver_nvidia": True,
    "proc_driver_nvidia_gpus": True,
}


def derived(name: str, changes: dict[str, Any] | None = None, **fields: Any) -> Observation:
    return with_derived(healthy(changes, **fields)).get(f"derived.{name}")


def kernel(release: str) -> dict[str, Any]:
    return {"system.kernel": {"release": release, "version": "", "machine": "x86_64"}}


def run(**changes: Any) -> ProbeRun:
    return healthy().probe.model_copy(update=changes)


@pytest.mark.parametrize(
    ("changes", "name", "signals"),
    [
        ({}, "wsl2", 5),
        ({"wsl.signals": {**SIGNALS, "dxg": True, "run_wsl": True}, **kernel("6.12.1-mine")}, "wsl2", 2),
        ({"wsl.signals": {**SIGNALS, "interop": True}, **kernel("4.4.0-19041-Microsoft")}, "wsl1", 1),
        ({"wsl.signals": SIGNALS, **kernel("6.8.0-60-generic")}, "linux", 0),
        ({"wsl.signals": SIGNALS, **kernel("6.10.14-linuxkit")}, "docker-desktop", 0),
    ],
)
def test_platform(changes: dict[str, Any], name: str, signals: int) -> None:
    value = derived("platform", changes).value
    assert (value["name"], value["signals"]) == (name, signals)


def test_docker_desktop_is_told_by_its_own_distribution_and_by_the_engine_behind_a_container() -> None:
    own = {"id": "docker-desktop", "version_id": "", "codename": "", "pretty_name": "Docker Desktop"}
    assert derived("platform", {"system.os_release": own}).value["name"] == "docker-desktop"
    engine = {
        "server_version": "29.0.1",
        "operating_system": "Docker Desktop",
        "runtimes": ["nvidia"],
        "default_runtime": "runc",
        "cdi_directories": [],
    }
    # an integrated distribution talks to that engine too, and is WSL2 all the same
    assert derived("platform", {"docker.engine": engine}).value["name"] == "wsl2"
    inside = derived("platform", {"docker.engine": engine}, probe=run(view=View.CONTAINER))
    assert inside.value["name"] == "docker-desktop"


@pytest.mark.parametrize(
    "changes",
    [
        {"wsl.signals": {**SIGNALS, "run_wsl": True}, **kernel("6.8.0-60-generic")},
        {"wsl.signals": Status.UNKNOWN},
        {"wsl.signals": Status.CRASH},
        {"wsl.signals": ["osrelease", "dxg"]},
        {"wsl.signals": {**SIGNALS, "dxg": 1, "run_wsl": 1}},
        {"wsl.signals": SIGNALS, "system.kernel": Status.UNKNOWN},
    ],
)
def test_platform_is_unknown_with_a_reason(changes: dict[str, Any]) -> None:
    found = derived("platform", changes)
    assert found.status is Status.UNKNOWN
    assert found.reason


def test_gpu_of_a_wsl2_node() -> None:
    assert derived("gpu").value == {
        "any": True,
        "nvidia": True,
        "amd": False,
        "intel": False,
        "nvidia_count": 1,
        "microsoft_gpus": 1,
    }


NO_GPU: dict[str, Any] = {
    "wsl.driver_stores": [],
    "wsl.pci": {"microsoft_gpu": 0, "nvidia": 0, "amd": 0, "intel_gpu": 0},
    "wsl.lib_files": None,
    "nvml.device_count": Status.UNKNOWN,
    "cuda.device_count": Status.UNKNOWN,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (NO_GPU, {"any": False, "nvidia": False, "nvidia_count": 0}),
        ({**NO_GPU, "gpu.device_nodes": NATIVE}, {"any": True, "nvidia": True, "nvidia_count": 1}),
        ({**NO_GPU, "nvml.device_count": 2}, {"nvidia": True, "nvidia_count": 2}),
        ({**NO_GPU, "cuda.device_count": -5}, {"any": False}),
        ({**NO_GPU, "wsl.lib_files": HEALTHY_VALUES["wsl.lib_files"]}, {"nvidia": True, "nvidia_count": 1}),
        ({**NO_GPU, "wsl.pci": {**NO_GPU["wsl.pci"], "microsoft_gpu": 2}}, {"any": True, "microsoft_gpus": 2}),
        ({**NO_GPU, "wsl.pci": {**NO_GPU["wsl.pci"], "amd": 1}}, {"amd": True, "nvidia": False}),
        (
            {**NO_GPU, "wsl.driver_stores": [{"name": "iigd", "vendor": "intel", "has_libcuda": False, "files": []}]},
            {"any": True, "intel": True},
        ),
    ],
)
def test_gpu(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected.items() <= derived("gpu", changes).value.items()


@pytest.mark.parametrize("unseen", ["wsl.driver_stores", "wsl.pci", "gpu.device_nodes"])
def test_no_gpu_is_only_said_when_every_place_was_looked_at(unseen: str) -> None:
    assert derived("gpu", {**NO_GPU, unseen: Status.UNKNOWN}).status is Status.UNKNOWN


def test_versions_of_a_healthy_node() -> None:
    assert derived("versions").value == {
        "driver": "581.80",
        "cuda": "13.0",
        "toolkit": "1.20.0-1",
        "wsl": "2.6.3.0",
        "kernel": "6.6.87.2-microsoft-standard-WSL2",
        "containerd": "2.3.2",
        "runc": "1.3.4",
        "docker": None,
        "plugin": None,
        "kubelet": None,
        "vllm": "0.25.0",
        "torch": "2.9.1+cu130",
        "nccl": "2.28.9",
        "ffmpeg": "8.1",
        "mesa": "25.2.8-0ubuntu0.24.04.1",
        "ollama": None,
        "podman": None,
    }


@pytest.mark.parametrize(
    ("changes", "name", "version"),
    [
        ({"nvml.versions": Status.CRASH}, "driver", "581.80"),
        ({"cuda.driver_version": Status.HANG, "nvml.versions": Status.CRASH}, "cuda", "13.0"),
        ({"toolkit.packages": {}}, "toolkit", "1.20.0"),
        ({"toolkit.packages": {}, "toolkit.ctk": None}, "toolkit", None),
        ({"nccl.library": {"path": "/x/libnccl.so.2", "version": 22703}}, "nccl", "2.27.3"),
        ({"python.packages": {}}, "vllm", None),
    ],
)
def test_versions(changes: dict[str, Any], name: str, version: str | None) -> None:
    assert derived("versions", changes).value[name] == version


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"containerd.runc": Status.HANG}, "runc"),
        ({"containerd.runc": {"version": 1.2}}, "runc"),
        ({"containerd.runc": {"version": "unreadable"}}, "runc"),
        ({"toolkit.packages": Status.UNKNOWN, "toolkit.ctk": None}, "toolkit"),
        ({"cuda.driver_version": 3, "nvml.versions": Status.CRASH, "smi.run": Status.CRASH}, "cuda"),
    ],
)
def test_a_version_that_nobody_could_tell_is_left_out(changes: dict[str, Any], name: str) -> None:
    assert name not in derived("versions", changes).value


def test_clock() -> None:
    # began at STARTED, took 2.5 s, came when the controller's clock stood at STARTED + 3
    assert derived("clock").value == {"skew_seconds": -0.5}
    assert derived("clock", received=0.0).status is Status.UNKNOWN
    assert derived("clock", probe=run(started=0.0)).status is Status.UNKNOWN
    assert derived("clock", probe=run(started=STARTED + 3600)).value == {"skew_seconds": 3599.5}


def test_wsl_conf_with_the_defaults_of_wsl() -> None:
    assert derived("wsl_conf", {"wsl.conf": None}).value == {
        "problems": [],
        "systemd": False,
        "gpu_enabled": True,
        "append_lib_path": True,
        "ldconfig": True,
        "interop": True,
        "append_windows_path": True,
        "cgroups": "v2",
    }
    text = "[BOOT]\nSystemd = TRUE\n[gpu]\nenabled=0\n[automount]\nldconfig=false\ncgroups=v1\n[boot]\nsystemd=false\n"
    value = derived("wsl_conf", {"wsl.conf": {"text": text}}).value
    wanted = {"systemd": True, "gpu_enabled": False, "ldconfig": False, "cgroups": "v1"}
    assert wanted.items() <= value.items()
    assert any(row.startswith("line 9: systemd stands a second time") for row in value["problems"])


def test_wslconfig_problems_name_the_line_and_the_nearest_key() -> None:
    text = "[ws12]\nnetworkingMode-bridged\n[wsl2]\nmemory=8GB\nlocahostForwarding=true\n"
    value = derived("wslconfig", {"wsl.wslconfig": {"text": text, "users": 1}}).value
    assert value["values"] == {"wsl2.memory": "8GB"}
    problems = "\n".join(value["problems"])
    assert "line 1: [ws12] is not a section" in problems
    assert "[wsl2]" in problems
    assert "line 5: locahostForwarding" in problems
    assert "localhostForwarding" in problems


def test_wslconfig_that_nobody_could_read_is_unknown() -> None:
    assert derived("wslconfig", {"wsl.wslconfig": Status.UNKNOWN}).status is Status.UNKNOWN
    assert derived("wslconfig", {"wsl.wslconfig": None}).value == {"problems": [], "values": {}}


@pytest.mark.parametrize("text", ["a=" * 20_000, "[x\n" * 600])
def test_a_file_that_is_too_long_is_not_read(text: str) -> None:
    assert "longer" in derived("wsl_conf", {"wsl.conf": {"text": text}}).reason


def test_what_works_but_is_not_what_it_seems_is_no_problem() -> None:
    text = "[boot]\r\nsystemd=true\r\n[boot]\r\n"
    assert derived("wsl_conf", {"wsl.conf": {"text": text}}).value["problems"] == []


def test_many_problems_are_counted() -> None:
    problems = derived("wsl_conf", {"wsl.conf": {"text": "???\n" * 100}}).value["problems"]
    assert (len(problems), problems[-1]) == (41, "and 60 more")


def spec(file: str, kind: str = "nvidia.com/gpu", **changes: Any) -> dict[str, Any]:
    base = {"cdi_version": "0.3.0", "devices": ["all"], "device_nodes": [], "mounts": [], "missing": [], "hooks": []}
    return {"file": file, "kind": kind, **base, **changes}


def test_cdi() -> None:
    value = derived("cdi").value
    assert (value["gpu_devices"], value["gpu_specs"], value["missing"]) == (["all"], ["/etc/cdi/nvidia.yaml"], [])
    assert [path.rsplit("/", 1)[-1] for path in value["codec_mounts"]] == ["libnvcuvid.so.1", "libnvidia-encode.so.1"]
    assert value["duplicate_kinds"] == []


@pytest.mark.parametrize(
    ("specs", "kinds"),
    [
        ([spec("/etc/cdi/nvidia.yaml"), spec("/var/run/cdi/nvidia.yaml")], []),
        ([spec("/etc/cdi/nvidia.yaml"), spec("/etc/cdi/old.yaml")], ["nvidia.com/gpu"]),
        ([spec("/etc/cdi/nvidia.yaml"), spec("/etc/cdi/other.yaml", "example.org/net")], []),
        ([spec("/etc/cdi/a.yaml", "example.org/net"), spec("/etc/cdi/b.yaml", "example.org/net")], ["example.org/net"]),
    ],
)
def test_cdi_kinds_that_stand_twice(specs: list[Any], kinds: list[str]) -> None:
    assert derived("cdi", {"toolkit.cdi_specs": specs}).value["duplicate_kinds"] == kinds


def test_cdi_takes_only_the_gpus_specs() -> None:
    specs = [spec("/etc/cdi/a.yaml", missing=["/gone"]), spec("/etc/cdi/b.yaml", "example.org/x", missing=["/other"])]
    assert derived("cdi", {"toolkit.cdi_specs": specs}).value["missing"] == ["/gone"]


def test_cdi_takes_the_video_device_beside_them() -> None:
    video = spec(
        "/etc/cdi/wslgpu-video.yaml", "site.example/x", devices=["video"], mounts=["/a/libnvcuvid.so.1"], missing=["/a"]
    )
    gpu = spec("/etc/cdi/nvidia.yaml", mounts=["/b/libnvidia-encode.so.1", "/b/libcuda.so.1.1"])
    value = derived("cdi", {"toolkit.cdi_specs": [gpu, video]}).value
    assert (value["video_devices"], value["video_missing"]) == (["site.example/x=video"], ["/a"])
    assert value["codec_mounts"] == ["/b/libnvidia-encode.so.1"]
    assert value["all_codec_mounts"] == ["/a/libnvcuvid.so.1", "/b/libnvidia-encode.so.1"]
    assert (value["missing"], value["duplicate_kinds"]) == ([], [])


def test_storage() -> None:
    rows = [
        {"path": "/mnt/c/models", "filesystem": "9p", "on_windows": True},
        {"path": "/var/lib/docker", "filesystem": "ext4", "on_windows": False},
    ]
    assert derived("storage", {"storage.placement": rows}).value == {"on_windows": ["/mnt/c/models"]}


def test_what_a_node_calls_derived_is_not_taken() -> None:
    sent = {"derived.platform": {"name": "wsl2", "signals": 5, "reason": "trust me"}, "derived.made_up": 1}
    found = with_derived(document(sent))
    assert found.get("derived.platform").status is Status.UNKNOWN
    assert {key for key in found.observations if key.startswith("derived.")} == set(derived_kinds())
