"""Every workload's rule against hand-made nodes: what each must come to, and on which capability it turns."""

from typing import Any

import pytest

from tests.healthy_gpu import FOUND, GIB, OK
from tests.unit.catalogue_judged import NODES, OTHERS, judge, judged, state, workload
from tests.unit.catalogue_nodes import (
    NO_MEMORY,
    WSL2_PAIR,
    WSL2_STANDARD,
    refused,
)
from wslgpu.catalogue.load import load_catalogue
from wslgpu.verdict.model import State, Verdict
from wslgpu.verdict.shape import shape_of

GO, DEGRADED, NO_GO = Verdict.GO, Verdict.DEGRADED, Verdict.NO_GO
UNKNOWN, ELSEWHERE = Verdict.UNKNOWN, Verdict.NOT_APPLICABLE
TABLE: dict[str, tuple[Verdict, Verdict, Verdict, Verdict, Verdict]] = {
    # workload: at quick, one GPU, two GPUs, no GPU, bare metal with two
    "cuda": (GO, GO, GO, NO_GO, GO),
    "pytorch": (GO, GO, GO, NO_GO, GO),
    "tensorrt": (GO, GO, GO, NO_GO, GO),
    "llama-cpp": (GO, GO, GO, NO_GO, GO),
    "ollama": (GO, GO, GO, NO_GO, GO),
    "vllm": (GO, DEGRADED, DEGRADED, NO_GO, GO),
    "vllm-tensor-parallel": (ELSEWHERE, ELSEWHERE, DEGRADED, ELSEWHERE, GO),
    "vllm-sleep-mode": (GO, DEGRADED, DEGRADED, NO_GO, GO),
    "nixl": (DEGRADED, DEGRADED, DEGRADED, NO_GO, DEGRADED),
    "training-ddp": (ELSEWHERE, ELSEWHERE, DEGRADED, ELSEWHERE, GO),
    "criugpu": (NO_GO, NO_GO, NO_GO, NO_GO, GO),
    "nvlink-local-ha": (ELSEWHERE, ELSEWHERE, NO_GO, ELSEWHERE, GO),
    "ffmpeg": (GO, GO, GO, NO_GO, GO),
    "ffmpeg-container": (NO_GO, NO_GO, NO_GO, NO_GO, NO_GO),
    "ffmpeg-pod": (NO_GO, NO_GO, NO_GO, NO_GO, NO_GO),
    "container-cuda": (NO_GO, NO_GO, NO_GO, NO_GO, NO_GO),
    "kubernetes-gpu": (NO_GO, NO_GO, NO_GO, NO_GO, NO_GO),
    "docker-desktop-gpus": (ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE),
    "docker-gpus": (ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE),
    "docker-model-runner": (ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE),
    "llama-cpp-vulkan": (NO_GO, NO_GO, NO_GO, NO_GO, GO),
    "opengl-apps": (GO, GO, GO, NO_GO, GO),
    "monitoring": (DEGRADED, DEGRADED, DEGRADED, NO_GO, GO),
    "amd-inference": (ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE, ELSEWHERE),
}


def test_hand_made_values_have_the_registrys_shapes() -> None:
    for values, _, _ in {**NODES, **OTHERS}.values():
        for name, value in values.items():
            assert shape_of(name).has(value), name


def test_the_table_names_every_workload() -> None:
    assert set(TABLE) == set(load_catalogue().workloads)


@pytest.mark.parametrize("workload_id", TABLE)
def test_verdicts(workload_id: str) -> None:
    found = {name: workload(judged(name), workload_id).verdict.value for name in NODES}
    assert found == dict(zip(NODES, (verdict.value for verdict in TABLE[workload_id]), strict=True))


@pytest.mark.parametrize(
    ("node", "workload_id", "verdict", "reason"),
    [
        ("wsl2", "vllm", DEGRADED, "cuda.pinned.ample"),
        ("wsl2", "vllm-sleep-mode", DEGRADED, "cuda.pinned.ample"),
        ("wsl2-pair", "vllm-tensor-parallel", DEGRADED, "nccl.transport.direct"),
        ("wsl2", "criugpu", NO_GO, "checkpoint.criugpu"),
        ("wsl2-pair", "nvlink-local-ha", NO_GO, "nvlink.links"),
        ("wsl2", "llama-cpp-vulkan", NO_GO, "vulkan.native"),
        ("wsl2", "monitoring", DEGRADED, "nvml.process_memory"),
        ("wsl2", "ffmpeg-container", NO_GO, "toolkit.installed"),
        ("no-gpu", "cuda", NO_GO, "wsl.dxg"),
        ("radeon", "cuda", NO_GO, "gpu.nvidia"),
        ("radeon", "amd-inference", DEGRADED, "rocm.smi"),
        ("kubernetes", "container-cuda", GO, ""),
        ("kubernetes", "kubernetes-gpu", DEGRADED, "nvml.process_memory"),
        ("kubernetes", "ffmpeg-pod", GO, ""),
        ("docker-desktop", "docker-desktop-gpus", DEGRADED, "docker.credentials"),
        ("docker-desktop", "docker-model-runner", DEGRADED, "docker.model_runner.vllm"),
    ],
)
def test_what_a_verdict_turns_on(node: str, workload_id: str, verdict: Verdict, reason: str) -> None:
    found = workload(judged(node), workload_id)
    assert found.verdict is verdict
    assert reason in [row.capability for row in found.reasons] or (not reason and not found.reasons)


def test_one_missing_device_is_one_cause() -> None:
    assert [judgement.id for judgement in judged("no-gpu").causes] == ["wsl.dxg"]
    assert [row.capability for row in workload(judged("no-gpu"), "cuda").reasons] == ["wsl.dxg"]


def test_a_node_of_which_nothing_is_known_is_never_a_go() -> None:
    node = judge({})
    assert {row.verdict for row in node.workloads} <= {UNKNOWN, ELSEWHERE}
    assert workload(node, "cuda").verdict is UNKNOWN


def test_bare_metal_in_order_has_nothing_broken() -> None:
    assert judged("bare-metal").causes == ()


def test_what_the_standard_workload_requires_is_decided_at_quick() -> None:
    node = judged("wsl2-quick")
    for row in load_catalogue().workloads.values():
        if row.standard:
            assert all(state(node, name) is State.WORKS for name in row.requires), row.id


@pytest.mark.parametrize(
    ("changed", "crashed"),
    [
        ({"cuda.kernel": {**OK, "correct": False}}, None),
        ({"cuda.kernel": refused(221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND")}, None),
        ({"cuda.alloc": {**FOUND, "correct": False, "bytes": 16 << 20}}, None),
        ({"cuda.context": refused(2, NO_MEMORY)}, None),
        ({"cuda.init": refused(100, "CUDA_ERROR_NO_DEVICE")}, None),
        ({}, {"cuda.context": "ended by signal 11"}),
        ({}, {"cuda.kernel": "ended by signal 6"}),
    ],
)
def test_a_cuda_test_that_fails_is_no_go(changed: dict[str, Any], crashed: dict[str, str] | None) -> None:
    values = {key: value for key, value in {**WSL2_STANDARD, **changed}.items() if key not in (crashed or {})}
    node = judge(values, crashed=crashed)
    assert workload(node, "cuda").verdict is NO_GO
    assert workload(node, "vllm").verdict is NO_GO


@pytest.mark.parametrize(("version", "there"), [("0.23.0", True), ("0.26.1", False), ("0.29.0", True)])
def test_vllm_releases_that_die_at_start(version: str, there: bool) -> None:
    node = judge({**WSL2_STANDARD, "python.packages": {"vllm": version}})
    assert (state(node, "vllm.uva") is State.WORKS) is there
    reasons = [row.capability for row in workload(node, "vllm").reasons]
    assert ("vllm.uva" in reasons) is not there


@pytest.mark.parametrize(("granted", "stopped_by"), [(GIB >> 1, NO_MEMORY), (4 * GIB, "limit")])
def test_pinned_memory_limits_and_never_gates(granted: int, stopped_by: str) -> None:
    budget = {"granted_bytes": granted, "step_bytes": GIB >> 2, "tried_bytes": 4 * GIB, "stopped_by": stopped_by}
    node = judge({**WSL2_STANDARD, "cuda.pinned.budget": budget})
    ample = stopped_by == "limit"
    assert state(node, "cuda.pinned.budget") is (State.WORKS if ample else State.LIMITED)
    assert state(node, "cuda.pinned.ample") is (State.WORKS if ample else State.RECORDED)
    assert workload(node, "cuda").verdict is GO
    assert workload(node, "vllm").verdict is (GO if ample else DEGRADED)


def test_small_shared_memory_degrades_tensor_parallelism_and_none_forbids_it() -> None:
    shm = {"filesystem": "tmpfs", "available_bytes": 0}
    small = judge({**WSL2_PAIR, "system.dev_shm": {**shm, "size_bytes": GIB}})
    assert "nccl.transport.shm" in [row.capability for row in workload(small, "vllm-tensor-parallel").reasons]
    tiny = judge({**WSL2_PAIR, "system.dev_shm": {**shm, "size_bytes": 64 << 20}})
    assert workload(tiny, "vllm-tensor-parallel").verdict is NO_GO
