"""Every scenario of the stand-in driver, seen by the probe: the observation that the scenario is about."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wslgpu.lab.stand_ins import driver, scenarios
from wslgpu.probe.document import Level, Status
from wslgpu.probe.program import answer, payload
from wslgpu.probe.registry import observation_kinds

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine"),
]

Observations = dict[str, dict[str, Any]]
#: What ends a test of something that hangs; the probe's own limits are several seconds.
HANG_S = 3.0

CRASH, HANG, UNKNOWN = "crash", "hang", "unknown"
OK = {"result": 0}
#: All of a healthy WSL2 node's standard observations that differ from a Linux machine's.
HEALTHY_WSL2 = {
    "cuda.init": OK,
    "cuda.alloc": {"result": 0, "correct": True},
    "cuda.kernel": {"result": 0, "correct": True},
    "cuda.graph": OK,
    "cuda.managed.alloc": OK,
    "cuda.managed.touch": {"result": 0, "correct": True},
    "cuda.managed.touch_concurrent": CRASH,
    "cuda.managed.prefetch": {"result": 101, "name": "CUDA_ERROR_INVALID_DEVICE"},
    "cuda.pinned.budget": {"granted_bytes": 1 << 30, "stopped_by": "CUDA_ERROR_OUT_OF_MEMORY"},
    "cuda.pinned.register": OK,
    "cuda.pinned.mapped": OK,
    "cuda.vmm.reserve": OK,
    "cuda.vmm.map": OK,
    "cuda.vmm.posix_fd": {"result": 101},
    "cuda.pool.default": OK,
    "cuda.pool.posix_fd": {"result": 1},
    "cuda.ipc.get": OK,
    "cuda.ipc.open": {"result": 400},
    "cuda.ipc.event": {"result": 801},
    "cuda.checkpoint.state": {"result": 801},
    "cuda.attributes": {"CONCURRENT_MANAGED_ACCESS": [0], "PAGEABLE_MEMORY_ACCESS": [0], "MEMORY_POOLS_SUPPORTED": [1]},
    "nvml.process_memory": {"result": 3},
    "smi.driver_model": ["WDDM"],
    "dxcore.adapters": {"count": 1},
    "codec.nvenc.session": {"result": 0, "codecs": ["h264", "hevc", "av1"]},
    "codec.nvdec.caps": {"h264": True, "hevc": True, "av1": True, "vp9": True},
}
HEALTHY_LINUX = {
    "cuda.init": OK,
    "cuda.kernel": {"result": 0, "correct": True},
    "cuda.managed.touch_concurrent": {"result": 0, "correct": True},
    "cuda.managed.prefetch": OK,
    "cuda.vmm.posix_fd": OK,
    "cuda.pool.posix_fd": OK,
    "cuda.ipc.open": OK,
    "cuda.ipc.event": OK,
    "cuda.checkpoint.state": {"result": 0, "state": 0},
    "cuda.checkpoint.lock": OK,
    "cuda.checkpoint.checkpoint": OK,
    "cuda.checkpoint.restore": OK,
    "cuda.pinned.budget": {"stopped_by": "limit"},
    "cuda.attributes": {"CONCURRENT_MANAGED_ACCESS": [1], "IPC_EVENT_SUPPORTED": [1]},
    "nvml.process_memory": OK,
    "smi.driver_model": ["N/A"],
    "dxcore.adapters": UNKNOWN,
}
NO_NVLINK = {"result": 3, "values": [None, None]}

#: Scenario: {observation: its status, or a part of its value}. The list in "fields" is of nvml.fields.
EXPECTED: dict[str, dict[str, Any]] = {
    "one-gpu": HEALTHY_WSL2,
    "driver-r580": {"cuda.driver_version": 13000, "nvml.versions": {"driver": "581.80", "cuda": 13000}},
    "two-gpus": {
        "cuda.device_count": 2,
        "cuda.peer": [{"can_access": 0}, {"can_access": 0}],
        "dxcore.adapters": {"count": 2},
        "nvml.fields": {"nvlink_state": NO_NVLINK},
    },
    "four-gpus": {
        "cuda.device_count": 4,
        "dxcore.adapters": {"count": 4},
        "nvml.fields": {"event_registration": {"result": 3}},
    },
    "four-gpus-events": {"cuda.device_count": 4, "nvml.fields": {"event_registration": {"result": 0}}},
    "hybrid": {
        "cuda.device_count": 1,
        "dxcore.adapters": {"count": 2},
        "nvml.fields": {"temperature": {"result": 0}, "minor_number": {"result": 3}, "fan_speed": {"result": 3}},
    },
    "no-devices": {"cuda.init": {"result": 100}, "nvml.device_count": 0},
    "driver-r510": {
        "cuda.driver_version": 11060,
        "nvml.versions": {"driver": "511.65"},
        "cuda.symbols": {"cuCheckpointProcessGetState": False, "cuMulticastCreate": False, "cuMemPoolCreate": True},
        "nvml.fields": {
            "utilization": {"result": 3},
            "compute_processes": {"result": 3},
            "gpm_support": {"result": 13},
            "throttle_reasons": {"result": 0},
        },
        "smi.run": {"smi_version": "510.47.03", "driver_version": "511.65", "cuda_version": "11.6"},
        "cuda.managed.prefetch": {"result": 101},
        "cuda.checkpoint.state": UNKNOWN,
    },
    "driver-r525": {
        "cuda.driver_version": 12000,
        "nvml.fields": {"utilization": {"result": 0, "values": [{"gpu": 8}]}},
        "cuda.symbols": {"cuCheckpointProcessGetState": False, "cuGreenCtxCreate": False},
    },
    "driver-r560": {"cuda.driver_version": 12060, "nvml.versions": {"driver": "561.17"}},
    "driver-r610": {
        "cuda.driver_version": 13030,
        "nvml.fields": {"compute_processes": {"result": 0}},
        "nvml.process_memory": {"result": 3},
    },
    "tcc-blocked": {"cuda.init": {"result": 100}, "nvml.init": {"result": 17}, "smi.run": {"exit": 17}},
    "tcc-second-blocked": {"cuda.init": {"result": 100}, "nvml.init": OK, "nvml.device_count": 2},
    "mcdm": {"smi.driver_model": ["MCDM"]},
    "store-gone": {"cuda.init": {"result": 500}, "nvml.init": {"result": 12}, "dxcore.adapters": {"count": 0}},
    "cuinit-no-device": {"cuda.init": {"result": 100}, "nvml.init": OK, "cuda.kernel": UNKNOWN},
    "cuinit-segfault": {"cuda.init": CRASH, "cuda.driver_version": 13000},
    "cuinit-hang": {"cuda.init": HANG},
    "nvmlinit-hang": {"nvml.init": HANG},
    "smi-hang": {"smi.run": HANG},
    "smi-fails": {"smi.run": {"exit": 9}, "smi.driver_model": UNKNOWN, "nvml.init": OK},
    "smi-segfault": {"smi.run": CRASH, "nvml.init": OK},
    "version-mismatch": {"cuda.init": {"result": 803}, "nvml.init": {"result": 18}},
    "attribute-lies-managed": {
        "cuda.attributes": {"CONCURRENT_MANAGED_ACCESS": [1]},
        "cuda.managed.touch_concurrent": CRASH,
    },
    "attribute-lies-pools": {
        "cuda.attributes": {"MEMORY_POOLS_SUPPORTED": [1]},
        "cuda.pool.default": {"result": 801},
        "cuda.pool.posix_fd": {"result": 801},
    },
    "managed-touch-crashes-idle": {"cuda.managed.touch": CRASH, "cuda.managed.alloc": OK},
    "managed-concurrent-works": {"cuda.managed.touch_concurrent": {"correct": True}, "cuda.managed.prefetch": OK},
    "ipc-open-fails": {"cuda.ipc.get": OK, "cuda.ipc.open": {"result": 801}},
    "ipc-get-fails": {"cuda.ipc.get": {"result": 801}},
    "ipc-works": {"cuda.ipc.get": OK, "cuda.ipc.open": OK, "cuda.ipc.event": OK},
    "pinned-limit-512m": {"cuda.pinned.budget": {"granted_bytes": 512 << 20, "stopped_by": "CUDA_ERROR_OUT_OF_MEMORY"}},
    "pinned-limit-1g": {"cuda.pinned.budget": {"granted_bytes": 1 << 30, "stopped_by": "CUDA_ERROR_OUT_OF_MEMORY"}},
    "pinned-limit-4g": {"cuda.pinned.budget": {"stopped_by": "limit"}},
    "pinned-none": {"cuda.pinned.budget": {"granted_bytes": 0}, "cuda.pinned.register": {"result": 2}},
    "reserve-refused": {"cuda.vmm.reserve": {"result": 2}, "cuda.vmm.map": OK},
    "memory-full": {"cuda.context": OK, "cuda.alloc": {"result": 2}},
    "context-refused": {"cuda.context": {"result": 2}, "cuda.alloc": UNKNOWN},
    "context-spoilt": {"cuda.context": {"result": 719}},
    "kernel-fails": {"cuda.kernel": {"result": 719}, "cuda.alloc": OK, "cuda.vmm.map": OK},
    "kernel-wrong": {"cuda.kernel": {"result": 0, "correct": False}},
    "copy-wrong": {"cuda.alloc": {"result": 0, "correct": False}},
    "kernel-refused": {"cuda.kernel": {"result": 222}, "cuda.alloc": OK},
    "peer-claimed-and-wrong": {
        "cuda.peer": [{"can_access": 1}, {"can_access": 1}],
        "cuda.peer.copy": {"result": 0, "correct": False},
    },
    "graph-crashes": {"cuda.graph": CRASH, "cuda.kernel": OK},
    "checkpoint-refused": {
        "cuda.checkpoint.state": {"result": 0, "state": 0},
        "cuda.checkpoint.lock": OK,
        "cuda.checkpoint.checkpoint": {"result": 801},
        "cuda.checkpoint.restore": UNKNOWN,
    },
    "checkpoint-works": {"cuda.checkpoint.checkpoint": OK, "cuda.checkpoint.restore": OK},
    "codecs-missing": {
        "codec.libraries": {"libnvcuvid.so.1": {"loads": False}, "libnvidia-opticalflow.so.1": {"loads": True}},
        "codec.nvenc.version": UNKNOWN,
    },
    "codecs-only-in-lib": {"codec.libraries": {"libnvcuvid.so.1": {"loads": True}}, "codec.nvdec.caps": {"h264": True}},
    "codecs-nowhere": {
        "codec.libraries": {"libnvcuvid.so.1": {"loads": False}, "libnvidia-opticalflow.so.1": {"loads": False}},
        "codec.nvenc.version": UNKNOWN,
    },
    "encoder-refused": {"codec.nvenc.version": {"result": 0, "major": 13}, "codec.nvenc.session": {"result": 2}},
    "no-av1": {"codec.nvenc.session": {"codecs": ["h264", "hevc"]}, "codec.nvdec.caps": {"av1": False, "vp9": True}},
    "no-dxcore": {"dxcore.adapters": UNKNOWN},
    "bare-metal": HEALTHY_LINUX,
    "bare-metal-two-gpus": {
        "cuda.peer": [{"can_access": 1}, {"can_access": 1}],
        "cuda.peer.copy": {"correct": True},
        "nvml.fields": {"nvlink_state": NO_NVLINK, "topology": {"result": 0}, "minor_number": {"values": [0, 1]}},
    },
    "bare-metal-nvlink": {
        "cuda.peer": [{"can_access": 1}, {"can_access": 1}],
        "nvml.fields": {"nvlink_state": {"result": 0, "values": [12, 12]}, "nvlink_count": {"values": [12, 12]}},
        "cuda.devices": [{"compute_capability": "8.0"}, {"compute_capability": "8.0"}],
    },
    "bare-metal-hmm": {"cuda.attributes": {"PAGEABLE_MEMORY_ACCESS": [1]}},
    "bare-metal-checkpoint-refused": {"cuda.checkpoint.lock": OK, "cuda.checkpoint.checkpoint": {"result": 304}},
    **{
        f"nvml-without-{field.replace('_', '-')}": {"nvml.fields": {field: {"result": 3}}, "nvml.init": OK}
        for field in scenarios.NVML_FIELDS
    },
}

#: Benchmarks alone show it: a test of its own, below.
NOT_SEEN_AT_STANDARD = {"memory-below-free"}


def topics_of(ids: set[str]) -> list[str]:
    areas = {name.split(".")[0] for name in ids}
    if areas & {"codec"} or "nvml.process_memory" in ids:
        areas.add("cuda")
    return [topic for topic in ("smi", "cuda", "nvml", "codec", "dxcore") if topic in areas]


def runs(tree: Path, name: str, *, write: bool) -> dict[str, Any]:
    kinds = observation_kinds()
    level = max((kinds[one].level for one in EXPECTED[name]), key=lambda level: level.rank)
    hangs = HANG in EXPECTED[name].values()
    topics = topics_of(set(EXPECTED[name]))
    return {
        "tree": str(tree),
        "name": name,
        "write": write,
        "level": level.value,
        "topics": topics,
        "timeout_s": HANG_S if hangs else 120.0,
    }


def environment(tree: Path) -> dict[str, str]:
    library = str(tree / "lib")
    return {**os.environ, "LD_LIBRARY_PATH": library, "PATH": f"{library}:{os.environ['PATH']}"}


def looked_at(tree: Path, wanted: list[dict[str, Any]]) -> list[Observations]:
    """What scenario_run.py answers in a process whose loader finds the tree's libraries first."""
    program = [sys.executable, str(Path(__file__).with_name("scenario_run.py"))]
    variables = {**environment(tree), "PYTHONPATH": str(Path(__file__).parents[2])}
    text = json.dumps(wanted)
    done = subprocess.run(program, input=text, capture_output=True, text=True, check=False, env=variables, timeout=300)
    assert done.returncode == 0, done.stderr
    answers: list[Observations] = json.loads(done.stdout)
    return answers


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Observations]:
    """What the probe observes in a scenario; all that one tree serves are looked at in one process."""
    found: dict[str, Observations] = {}

    def group_of(name: str) -> list[str]:
        wanted = scenarios.SCENARIOS[name]
        if not wanted.only_settings:
            return [name]
        return [
            other
            for other in EXPECTED
            if (one := scenarios.SCENARIOS[other]).only_settings
            and (one.platform, one.hardware, one.driver_version)
            == (wanted.platform, wanted.hardware, wanted.driver_version)
        ]

    def observations(name: str) -> Observations:
        if name not in found:
            names = group_of(name)
            tree = tmp_path_factory.mktemp("tree")
            driver.build_driver_tree(tree, scenario=name, dxg="/dev/null")
            looked = looked_at(tree, [runs(tree, one, write=len(names) > 1) for one in names])
            found.update(zip(names, looked, strict=True))
        return found[name]

    return observations


def holds(value: Any, expected: Any) -> bool:
    """Whether a value has all of what is expected: keys of a mapping, items of a list, else the same."""
    if isinstance(expected, dict) and isinstance(value, dict):
        return all(key in value and holds(value[key], part) for key, part in expected.items())
    if isinstance(expected, list) and isinstance(value, list):
        return len(value) == len(expected) and all(map(holds, value, expected))
    return bool(value == expected)


def test_holds_can_say_no() -> None:
    assert holds({"a": [{"b": 1, "c": 2}], "d": 3}, {"a": [{"b": 1}]})
    assert not holds({"a": [{"b": 1}]}, {"a": [{"b": 2}]})
    assert not holds({"a": [{"b": 1}]}, {"a": []})
    assert not holds({}, {"a": 1})


def test_every_scenario_has_a_row() -> None:
    assert set(EXPECTED) | NOT_SEEN_AT_STANDARD == set(scenarios.SCENARIOS)


@pytest.mark.parametrize("name", list(EXPECTED))
def test_the_probe_sees_what_the_scenario_is_about(name: str, seen: Callable[[str], Observations]) -> None:
    observations = seen(name)
    for observation_id, expected in EXPECTED[name].items():
        said = observations[observation_id]
        if expected in (CRASH, HANG, UNKNOWN):
            assert said["status"] == expected, (observation_id, said)
        else:
            assert said["status"] == "observed", (observation_id, said)
            assert holds(said["value"], expected), (observation_id, said["value"])


def test_a_field_that_is_refused_is_refused_alone(seen: Callable[[str], Observations]) -> None:
    """Beside the fields that the same function answers, and those that WSL2 refuses anyway."""
    healthy = seen("hybrid")["nvml.fields"]["value"]
    base = {field for field, said in healthy.items() if said["result"] != 0}
    for field, function in scenarios.NVML_FIELDS.items():
        same = {other for other, behind in scenarios.NVML_FIELDS.items() if behind == function}
        said = seen(f"nvml-without-{field.replace('_', '-')}")["nvml.fields"]["value"]
        assert {other for other, one in said.items() if one["result"] != 0} == base | same


@pytest.mark.long
def test_a_benchmark_finds_less_memory_than_is_reported_free(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="memory-below-free", dxg="/dev/null")
    run = {"tree": str(tmp_path), "name": "memory-below-free", "write": False, "level": "full", "timeout_s": 120.0}
    found = looked_at(tmp_path, [{**run, "topics": ["cuda", "bench"]}])[0]["bench.device_allocatable"]["value"]
    assert found["granted_bytes"] == 1 << 30
    assert found["free_bytes"] > 40 << 30


def test_the_whole_program_finds_the_stand_in_driver(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="two-gpus", dxg="/dev/null")
    done = subprocess.run(
        ["sh", "-s"], input=payload(Level.QUICK), capture_output=True, check=True, env=environment(tmp_path), timeout=60
    )
    document = answer(done.stdout, "here")
    devices = document.observations["cuda.devices"]
    assert devices.status is Status.OBSERVED
    assert [device["name"] for device in devices.value] == ["NVIDIA L20 (stand-in)"] * 2
    assert document.observations["cuda.kernel"].status is Status.UNKNOWN
