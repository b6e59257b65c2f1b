"""The catalogue as a whole: what it covers, and that every entry can be decided, sourced and read."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.observation_documents import healthy
from wslgpu.catalogue.condition import All, AnyOf, Condition, Not, Test
from wslgpu.catalogue.load import Catalogue, load_catalogue
from wslgpu.catalogue.model import Capability, Confidence, Expected, Platform, Source
from wslgpu.catalogue.stale import all_sources
from wslgpu.catalogue.words import PLATFORMS, rows_for
from wslgpu.probe.document import Status
from wslgpu.verdict.capabilities import Judge
from wslgpu.verdict.derived import with_derived
from wslgpu.verdict.model import State
from wslgpu.verdict.shape import Shape, shape_of
from wslgpu.verdict.versions import parse_version

# What is known of GPU nodes on WSL2, fact by fact, and where the catalogue has it.
ROWS = {
    "01 the GPU is /dev/dxg": "wsl.dxg wsl.pci_functions",
    "02 libraries are mounted from Windows": "wsl.lib_mount wsl.drivers_mount wsl.lib_files wsl.driver_store",
    "03 no Linux driver": "gpu.no_linux_driver gpu.no_foreign_libcuda wsl.libcuda_first",
    "04 WSL2, not WSL1": "wsl.platform",
    "05 GPU memory is shared with Windows": "gpu.memory_exclusive wsl.residency",
    "06 memory= is RAM": "wsl.memory",
    "07 nvidia-smi's basic fields": "nvml.smi.runs nvml.name nvml.memory nvml.temperature nvml.power_usage",
    "08 utilization": "nvml.utilization",
    "09 processes": "nvml.compute_processes nvml.process_memory",
    "10 clocks": "nvml.clock_sm nvml.max_clock_sm",
    "11 what can be set": "nvml.persistence_mode nvml.compute_mode",
    "12 minor number": "nvml.minor_number",
    "13 no NVIDIA Vulkan": "vulkan.native",
    "14 Dozen in packages": "vulkan.dozen.icd",
    "15 Dozen's conformance": "vulkan.dozen.conformance",
    "16 OpenGL": "opengl.hardware",
    "17 OpenGL with CUDA": "cuda.gl_interop",
    "18 no display": "display.nodes",
    "19 managed memory": "cuda.managed.alloc cuda.managed.prefetch cuda.managed.pageable",
    "20 managed memory at the same time": "cuda.managed.concurrent cuda.managed.touch_concurrent",
    "21 pinned memory": "cuda.pinned.budget",
    "22 IPC": "cuda.ipc.get cuda.ipc.legacy",
    "23 pools that can be shared": "cuda.pool.posix_fd cuda.pool.posix_fd_attribute",
    "24 all GPUs or none": "container.cdi.device_all container.device_selection",
    "25 overhead is recorded": "bench.launch_latency bench.device_memory bench.read_windows_drive",
    "26 data on the node's own disk": "storage.data_local storage.models storage.containerd_root",
    "27 after a driver update": "container.cdi.paths_exist toolkit.refresh_accepts_wsl",
    "28 NVLink": "nvlink.links nvlink.topology",
    "29 peer access": "cuda.peer.access cuda.peer.copy",
    "30 NCCL": "nccl.environment.cumem nccl.transport.shm system.dev_shm",
    "31 CRIU and the kernel": "kernel.checkpoint_restore kernel.memfd kernel.criu",
    "32 CUDA's checkpoint API": "cuda.checkpoint.api cuda.checkpoint.checkpoint",
    "33 CRIU's CUDA plugin": "checkpoint.criugpu gpu.proc_driver",
    "34 vLLM and pinned memory": "vllm.pin_memory",
    "35 sleep mode": "cuda.vmm.map",
    "36 display model": "display.driver_model",
    "37 bridged network": "wsl.networking_mode wsl.bridged wsl.wslconfig",
    "38 swap": "wsl.swap_off k8s.swap",
    "39 the toolkit's packages": "toolkit.packages_complete toolkit.packages_equal toolkit.packages_held",
    "40 containerd's runtime": "containerd.runtime.nvidia containerd.default_runtime toolkit.drop_in k8s.runtime_class",
    "41 the device plugin": "k8s.device_plugin.ready k8s.device_plugin.gpu_count",
    "42 codec libraries in containers": "container.cdi.codec_libraries",
    "43 NVENC": "codec.nvenc.session ffmpeg.encode",
    "44 driver for CUDA 13": "cuda.driver.cuda_13",
    "45 Docker's GPU": "docker.engine.gpu",
    "46 Docker Model Runner": "docker.model_runner",
    "47 ROCm": "rocm.librocdxg rocm.agents rocm.kfd",
}

TOOLKIT_1_18 = {"nvidia-container-toolkit": {"version": "1.18.1-1", "held": True}}
DESKTOP_CLIENT = {"path": "/usr/bin/docker", "version": "29.1.0", "from_desktop": True}
DESKTOP_ENGINE = {
    "server_version": "29.1.0",
    "operating_system": "Docker Desktop",
    "runtimes": ["nvidia", "runc"],
    "default_runtime": "runc",
    "cdi_directories": ["/etc/cdi"],
}

_UNTOLD = re.compile(r"\b(seed|shared/|lab-recipes|facts\.md|captures/|S[0-4]\b)|fs:\d", re.IGNORECASE)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


AREAS = sorted({capability.area for capability in load_catalogue().capabilities.values()})


def of_area(area: str) -> list[Capability]:
    return [capability for capability in load_catalogue().capabilities.values() if capability.area == area]


def conditions(capability: Capability) -> Iterator[Condition]:
    yield capability.works
    if capability.limited is not None:
        yield capability.limited
    if capability.applies is not None:
        yield capability.applies


def single_tests(condition: Condition) -> Iterator[Test]:
    if isinstance(condition, Test):
        yield condition
    elif isinstance(condition, Not):
        yield from single_tests(condition.not_)
    else:
        assert isinstance(condition, All | AnyOf)
        for part in condition.all if isinstance(condition, All) else condition.any:
            yield from single_tests(part)


def every_test(capability: Capability) -> list[Test]:
    return [test for condition in conditions(capability) for test in single_tests(condition)]


def below(shape: Shape, path: list[str]) -> Shape | None:
    """The shape at a path; None where none can be."""
    if not path or shape.kind == "any":
        return shape
    if shape.kind == "list":
        return below(shape.item or Shape("any"), path)
    if shape.kind == "map":
        # a key may hold dots: one of the ways to cut the path must fit
        ways = (below(shape.item or Shape("any"), path[length:]) for length in range(1, len(path) + 1))
        return next((found for found in ways if found is not None), None)
    return below(shape.keys[path[0]], path[1:]) if path[0] in shape.keys else None


ELSEWHERE = {
    # Windows, WSL and its parts are no help on a machine that has none
    Platform.LINUX: re.compile(r"wsl(?!gpu)|windows|drvfs|/mnt/c|d3d12|dxg|driver store|native linux", re.IGNORECASE),
    # the engine's distribution is Docker's own, and so is its wsl.conf
    Platform.DOCKER_DESKTOP: re.compile(r"wsl\.conf|--terminate|apt-get purge|modprobe nvidia|modprobe amdgpu"),
    # a Linux driver is what breaks WSL's
    Platform.WSL2: re.compile(r"modprobe (nvidia|amdgpu)|nvidia-modprobe|nvidia-persistenced|/etc/fstab"),
}


@pytest.mark.parametrize("platform", ELSEWHERE)
def test_no_remedy_speaks_of_another_platform(catalogue: Catalogue, platform: Platform) -> None:
    remedies = {
        entry.id: entry.remedy_on(platform) for entry in catalogue.capabilities.values() if rows_for(entry, platform)
    }
    assert len(remedies) > 150
    assert {name: text for name, text in remedies.items() if ELSEWHERE[platform].search(text)} == {}


def test_cannot_is_said_of_a_platform_that_others_differ_from(catalogue: Catalogue) -> None:
    """Reports say "WSL2 cannot": what an old version lacks on every platform is not that."""
    rows = [(entry.id, row) for entry in catalogue.capabilities.values() for row in entry.expectations]
    said = [(name, row.platform) for name, row in rows if row.expect is Expected.CANNOT]
    assert len(said) > 40
    assert {platform for _, platform in said} <= {Platform.WSL2, Platform.WSL1, Platform.DOCKER_DESKTOP}


def test_there_are_at_least_130(catalogue: Catalogue) -> None:
    assert len(catalogue.capabilities) >= 130
    assert len({capability.title for capability in catalogue.capabilities.values()}) == len(catalogue.capabilities)


def test_the_rows_are_all_there() -> None:
    assert [row[:2] for row in ROWS] == [f"{number:02}" for number in range(1, 48)]


@pytest.mark.parametrize("row", ROWS)
def test_each_known_fact_is_covered(row: str, catalogue: Catalogue) -> None:
    assert set(ROWS[row].split()) <= set(catalogue.capabilities)


def test_ids_that_workloads_and_people_rely_on(catalogue: Catalogue) -> None:
    permanent = """
        wsl.dxg wsl.lib_mount gpu.present gpu.nvidia gpu.no_linux_driver container.cdi.spec
        container.cdi.codec_libraries containerd.runtime.nvidia system.dev_shm system.memlock
        kernel.checkpoint_restore k8s.device_plugin.ready k8s.runtime_class docker.engine.gpu docker.model_runner
    """
    assert set(permanent.split()) <= set(catalogue.capabilities)


@pytest.mark.parametrize("area", AREAS)
def test_every_path_is_of_the_observation_s_shape(area: str) -> None:
    for capability in of_area(area):
        for test in every_test(capability):
            assert (misfit(test), capability.id) == ("", capability.id)


def misfit(test: Test) -> str:
    """Why a test can never be decided by the values that its observation has; empty when it can."""
    shape = below(shape_of(test.of), test.path.split(".") if test.path else [])
    if shape is None:
        return f"{test.of} has no {test.path}"
    name, operand = test.test
    # a list of objects meets no test of single values
    if name in ("equals", "in", "at_least", "at_most", "matches", "contains") and shape.kind == "list":
        shape = shape.item or Shape("any")
        if shape.kind in ("object", "call", "map", "list"):
            return f"{test.of} {test.path}: {name} of objects"
    if name in ("at_least", "at_most") and shape.kind not in ("int", "float", "any"):
        return f"{test.of} {test.path} is no number"
    if name in ("matches", "version_at_least", "version_below") and shape.kind not in ("str", "any"):
        return f"{test.of} {test.path} is no text"
    if name == "equals" and shape.kind != "any":
        kinds = {"bool": bool, "str": str, "int": int, "float": (int, float)}
        if not isinstance(operand, kinds[shape.kind]):  # type: ignore[arg-type]
            return f"{test.of} {test.path} equals {operand!r}"
    return ""


@pytest.mark.parametrize("area", AREAS)
def test_every_version_can_be_compared(area: str) -> None:
    known = set(shape_of("derived.versions").keys)
    for capability in of_area(area):
        for row in capability.expectations:
            assert set(row.when) <= known, capability.id
            for ranges in row.when.values():
                parts = [re.sub(r"^\s*(>=|<|==)", "", part) for part in ranges.split(",")]
                assert all(parse_version(part) for part in parts), capability.id
        for test in every_test(capability):
            for version in (test.version_at_least, test.version_below):
                assert version is None or parse_version(version), capability.id


@pytest.mark.parametrize("area", AREAS)
def test_sources_are_public_and_dated(area: str) -> None:
    # a page that is dated in the future was not read
    latest = max(datetime.date(2026, 11, 30), datetime.date.today())
    for capability in of_area(area):
        for source in all_sources(capability):
            host = urlsplit(source.url).hostname or ""
            assert "." in host, capability.id
            assert not host.endswith((".local", ".internal", ".lan")), capability.id
            assert datetime.date(2012, 1, 1) < source.date <= latest, capability.id


@pytest.mark.parametrize("area", AREAS)
def test_nothing_tells_where_it_was_written(area: str) -> None:
    for capability in of_area(area):
        assert not _UNTOLD.search(capability.model_dump_json()), capability.id
        # nothing was observed on real hardware so far; whoever observes something says on what
        assert capability.seen is None, capability.id


@pytest.mark.parametrize("area", AREAS)
def test_something_is_said_of_every_version(area: str) -> None:
    """Of WSL2 at least where it can be asked there; and rows for ranges of versions leave no version out."""
    for capability in of_area(area):
        said = {platform: rows_for(capability, platform) for platform in PLATFORMS}
        assert any(said.values()), capability.id
        if capability.area == "wsl" or all(row.platform is Platform.WSL2 for row in capability.expectations):
            assert said[Platform.WSL2], capability.id
        for rows in said.values():
            if rows and rows[-1].when:
                (name, last), (before, other) = *rows[-1].when.items(), *rows[-2].when.items()
                assert (name, {last[0], other[0]}) == (before, {"<", ">"}), f"{capability.id}: the last two rows meet"
                assert last.strip("<>=") == other.strip("<>="), capability.id


@pytest.mark.parametrize("area", AREAS)
def test_no_number_of_a_single_report_is_a_gate(area: str) -> None:
    for capability in of_area(area):
        for row in capability.expectations:
            if row.confidence is Confidence.LOW:
                assert row.expect is not Expected.WORKS, f"{capability.id}: only one report says it, and it is red"


def test_a_healthy_node_has_nothing_broken_in_the_plumbing(catalogue: Catalogue) -> None:
    newer = {"containerd.binary": {"path": "/usr/bin/containerd", "version": "2.2.5"}}
    judge = Judge(with_derived(healthy(newer)), catalogue, datetime.date(2026, 11, 21))
    areas = "wsl gpu kernel system toolkit container containerd docker k8s storage versions".split()
    states = {row.id: row.state for row in judge.all() if row.area in areas}
    assert State.BROKEN not in states.values()
    assert State.BETTER not in states.values()
    assert states["container.device_selection"] is State.NOT_APPLICABLE  # one GPU
    assert states["wsl.path_services"] is State.CANNOT
    assert states["docker.client"] is State.RECORDED


@pytest.mark.parametrize(
    ("changes", "capability_id", "state"),
    [
        ({"wsl.lib_files": {"names": [], "links": ["libcuda.so.1"], "empty": []}}, "wsl.lib_files_plain", State.BROKEN),
        ({"wsl.wslconfig": {"text": "[ws12]\nswap=0\n", "users": 1}}, "wsl.wslconfig", State.BROKEN),
        ({"wsl.wslconfig": {"text": "[wsl2]\ngpuSupport=false\n", "users": 1}}, "wsl.gpu_support", State.BROKEN),
        ({"wsl.conf": {"text": "[gpu]\nenabled=false\n"}}, "wsl.gpu_enabled", State.BROKEN),
        ({"wsl.path": {"session": True, "systemd": True}}, "wsl.path_services", State.BETTER),
        ({"wsl.swap": [{"path": "/dev/sdb", "size_bytes": 1}]}, "wsl.swap_off", State.RECORDED),
        ({"gpu.linux_driver": {"packages": ["x"], "foreign_libcuda": [], "modules": []}},
         "gpu.no_linux_driver", State.BROKEN),
        ({"cuda.library": {"path": "/usr/lib/x86_64-linux-gnu/libcuda.so.1"}}, "wsl.libcuda_first", State.LIMITED),
        ({"cuda.library": {"path": "/usr/lib/x86_64-linux-gnu/libcuda.so.1"},
          "cuda.init": {"result": 100, "name": "CUDA_ERROR_NO_DEVICE"}}, "wsl.libcuda_first", State.BROKEN),
        # libraries that the loader finds some other way are there
        ({"wsl.ld_conf": {"exists": False, "names_wsl_lib": False}}, "cuda.library", State.WORKS),
        ({"wsl.lib_mount": None, "wsl.lib_files": None}, "wsl.lib_mount", State.LIMITED),
        ({"wsl.lib_mount": None, "wsl.lib_files": None}, "cuda.init", State.WORKS),
        ({"wsl.conf": Status.UNKNOWN}, "cuda.init", State.WORKS),
        ({"wsl.conf": {"text": "[interop]\nenabled=false\n"},
          "wsl.interop": {"registered": False, "enabled": False, "windows_on_path": False}},
         "wsl.interop", State.NOT_APPLICABLE),
        ({"wsl.networking_mode": "none"}, "wsl.networking_mode", State.WORKS),
        # of one GPU none can be chosen; of two WSL2 gives all, with a specification or without
        ({"nvml.device_count": 2}, "container.device_selection", State.CANNOT),
        ({"nvml.device_count": 2, "toolkit.cdi_specs": []}, "container.device_selection", State.CANNOT),
        ({"toolkit.cdi_specs": [], "toolkit.packages": TOOLKIT_1_18}, "container.cdi.spec", State.RECORDED),
        ({"toolkit.cdi_specs": []}, "container.cdi.spec", State.BROKEN),
        ({"toolkit.cdi_specs": []}, "container.cdi.codec_libraries", State.BLOCKED),
        ({"docker.client": DESKTOP_CLIENT, "docker.engine": DESKTOP_ENGINE, "containerd.binary": None,
          "containerd.runc": None}, "container.runc", State.NOT_APPLICABLE),
        # a laptop whose processor has a GPU of AMD's, and where nobody wants ROCm
        ({"wsl.pci": {"microsoft_gpu": 2, "nvidia": 0, "amd": 1, "intel_gpu": 0}}, "rocm.librocdxg", State.RECORDED),
        ({"wsl.pci": {"microsoft_gpu": 2, "nvidia": 0, "amd": 1, "intel_gpu": 0}}, "rocm.agents", State.BLOCKED),
        ({"system.cgroup": {"filesystem": "tmpfs", "controllers": []}}, "system.cgroup_v2", State.BROKEN),
        ({"system.systemd": {"state": "degraded", "failed_units": ["a"]}}, "system.units", State.LIMITED),
        ({"storage.placement": [{"path": "/root/.cache/huggingface", "filesystem": "9p", "on_windows": True}]},
         "storage.models", State.BROKEN),
        ({"storage.placement": [{"path": "/mnt/c/x", "filesystem": "9p", "on_windows": True}]},
         "storage.models", State.WORKS),
        ({"toolkit.ctk": None, "toolkit.packages": {}}, "container.cdi.spec", State.BLOCKED),
        ({"toolkit.packages": {"a": {"version": "1", "held": True}, "b": {"version": "2", "held": True}}},
         "toolkit.packages_equal", State.BROKEN),
        ({"containerd.service": {"active": True, "enabled": False}}, "containerd.running", State.LIMITED),
        ({"containerd.runc": {"version": "1.1.12"}}, "versions.runc_safe", State.LIMITED),
        ({"containerd.runc": {"version": "1.1.11"}}, "versions.runc_safe", State.BROKEN),
        ({"containerd.runc": {"version": "1.2.7"}}, "versions.runc_safe", State.BROKEN),
        ({"containerd.runc": {"version": "1.2.8"}}, "versions.runc_safe", State.WORKS),
        ({"containerd.binary": {"path": "x", "version": "1.7.33"}}, "versions.containerd_safe", State.WORKS),
        ({"containerd.binary": {"path": "x", "version": "2.1.8"}}, "versions.containerd_safe", State.BROKEN),
        ({"python.packages": {"vllm": "0.11.1"}}, "versions.vllm_safe", State.BROKEN),
        ({"python.packages": {"vllm": "0.22.1"}}, "versions.vllm_safe", State.LIMITED),
        ({"python.packages": {"vllm": "0.24.0"}}, "versions.vllm_safe", State.WORKS),
        ({"python.packages": {}}, "versions.vllm_safe", State.NOT_APPLICABLE),
        ({"wsl.version": "2.9.8.0"}, "versions.wsl_cgroup_layout", State.BROKEN),
        ({"wsl.version": "2.9.13.0"}, "versions.wsl_cgroup_layout", State.WORKS),
        ({"wsl.version": "2.9.4.0", "wsl.distributions": {"others_running": 2}}, "wsl.distributions", State.RECORDED),
        ({"system.dev_shm": {"filesystem": "tmpfs", "size_bytes": 67108864, "available_bytes": 67108864}},
         "system.dev_shm", State.RECORDED),
    ],
)  # fmt: skip
def test_what_an_observation_comes_to(
    changes: dict[str, object], capability_id: str, state: State, catalogue: Catalogue
) -> None:
    judge = Judge(with_derived(healthy(changes)), catalogue, datetime.date(2026, 11, 21))
    assert judge.capability(capability_id).state == state


@pytest.mark.parametrize(
    ("version", "mounts", "state"),
    [
        ("1.18.1-1", ["libcuda.so.1.1"], State.CANNOT),
        ("1.19.1-1", ["libcuda.so.1.1"], State.CANNOT),
        ("1.19.1-1", ["libnvcuvid.so.1", "libnvidia-encode.so.1"], State.BETTER),
        ("1.20.0-1", ["libnvcuvid.so.1", "libnvidia-encode.so.1"], State.WORKS),
        ("1.20.0-1", ["libnvcuvid.so.1", "libnvidia-opticalflow.so.1"], State.RECORDED),
        ("1.20.0-1", [], State.RECORDED),
    ],
)
def test_codec_libraries_by_the_toolkit_s_version(
    version: str, mounts: list[str], state: State, catalogue: Catalogue
) -> None:
    spec = healthy().get("toolkit.cdi_specs").value[0] | {
        "mounts": [f"/usr/lib/wsl/drivers/nv/{name}" for name in mounts]
    }
    packages = {"nvidia-container-toolkit": {"version": version, "held": True}}
    document = healthy({"toolkit.cdi_specs": [spec], "toolkit.packages": packages})
    judge = Judge(with_derived(document), catalogue, datetime.date(2026, 11, 21))
    assert judge.capability("container.cdi.codec_libraries").state is state


VIDEO: dict[str, Any] = {
    "file": "/etc/cdi/wslgpu-video.yaml",
    "kind": "wslgpu.dev/gpu",
    "cdi_version": "0.3.0",
    "devices": ["video"],
    "device_nodes": ["/dev/dxg"],
    "mounts": ["/usr/lib/wsl/lib/libnvcuvid.so.1", "/usr/lib/wsl/lib/libnvidia-encode.so.1"],
    "missing": [],
    "hooks": ["update-ldcache"],
}


@pytest.mark.parametrize(
    ("gpu_mounts", "video", "device", "either"),
    [
        ([], None, State.RECORDED, State.RECORDED),
        ([], VIDEO, State.WORKS, State.WORKS),
        ([], VIDEO | {"missing": VIDEO["mounts"]}, State.RECORDED, State.RECORDED),
        ([], VIDEO | {"mounts": ["/usr/lib/wsl/lib/libnvcuvid.so.1"]}, State.RECORDED, State.RECORDED),
        (VIDEO["mounts"], None, State.RECORDED, State.WORKS),
        (VIDEO["mounts"], VIDEO | {"mounts": []}, State.WORKS, State.WORKS),
    ],
)
def test_codec_libraries_through_a_device_of_their_own(
    gpu_mounts: list[str], video: dict[str, Any] | None, device: State, either: State, catalogue: Catalogue
) -> None:
    gpu = healthy().get("toolkit.cdi_specs").value[0] | {"mounts": gpu_mounts}
    document = healthy({"toolkit.cdi_specs": [gpu, *([video] if video else [])]})
    judge = Judge(with_derived(document), catalogue, datetime.date(2026, 11, 21))
    assert judge.capability("container.cdi.video_device").state is device
    assert judge.capability("container.codec_libraries").state is either


@pytest.mark.parametrize(
    ("plugin", "gpus", "state"),
    [
        ("0.20.0", 1, State.CANNOT),
        ("0.17.1", 4, State.LIMITED),
        ("0.19.1", 4, State.BETTER),
        (None, 1, State.NOT_TESTED),
    ],
)
def test_several_gpus_for_the_scheduler(plugin: str | None, gpus: int, state: State, catalogue: Catalogue) -> None:
    daemon_set = {"image": "x", "version": plugin or "latest", "desired": 1, "ready": 1, "runtime_class": None}
    changes = {
        "nvml.device_count": 4,
        "k8s.kubelet": {"version": "1.35.2", "active": True, "kind": "kubelet"},
        "k8s.node": {"ready": True, "capacity_gpus": gpus, "allocatable_gpus": gpus, "labels": {}},
        "k8s.device_plugin": daemon_set,
        "k8s.runtime_classes": [{"name": "nvidia", "handler": "nvidia"}],
    }
    judge = Judge(with_derived(healthy(changes)), catalogue, datetime.date(2026, 11, 21))
    assert judge.capability("k8s.device_plugin.gpu_count").state is state


def test_no_source_is_told_twice_in_one_entry(catalogue: Catalogue) -> None:
    for capability in catalogue.capabilities.values():
        urls: list[Source] = list(capability.sources)
        assert len({(row.url, row.what) for row in urls}) == len(urls), capability.id
