"""What the catalogue says of CUDA, NVML, codecs, graphics, AMD and many GPUs, against hand-made nodes."""

import copy
import functools
from typing import Any

import pytest

from tests.healthy_gpu import GIB
from tests.unit.catalogue_judged import NODES, OTHERS, TODAY, judge, judged, state
from tests.unit.catalogue_nodes import (
    BARE_METAL,
    CRASHED,
    NO_MEMORY,
    UNSUPPORTED,
    WSL2_STANDARD,
    document,
    field,
)
from wslgpu.catalogue.load import load_catalogue
from wslgpu.catalogue.model import Confidence, Expected
from wslgpu.verdict.derived import with_derived
from wslgpu.verdict.evaluate import evaluate
from wslgpu.verdict.model import State


def test_attributes_that_lie_are_told_from_the_functions() -> None:
    node = judged("wsl2")
    assert state(node, "cuda.pool.posix_fd_attribute") is State.WORKS
    assert state(node, "cuda.pool.posix_fd") is State.CANNOT
    assert state(node, "cuda.vmm.posix_fd_attribute") is State.WORKS
    assert state(node, "cuda.vmm.posix_fd") is State.CANNOT
    assert state(node, "cuda.vmm.map") is State.WORKS


def test_a_crash_that_the_platform_is_known_for_is_its_limit_and_broken_elsewhere() -> None:
    assert state(judged("wsl2"), "cuda.managed.touch_concurrent") is State.CANNOT
    metal = {key: value for key, value in BARE_METAL.items() if key not in CRASHED}
    assert state(judge(metal, crashed=CRASHED), "cuda.managed.touch_concurrent") is State.BROKEN


@pytest.mark.parametrize(
    ("driver", "answer", "expected"),
    [
        ("510.06", UNSUPPORTED, State.CANNOT),
        ("522.25", field(8), State.WORKS),
        ("581.80", UNSUPPORTED, State.BROKEN),
        ("510.06", field(8), State.BETTER),
    ],
)
def test_utilization_by_windows_driver(driver: str, answer: dict[str, Any], expected: State) -> None:
    values = copy.deepcopy(WSL2_STANDARD)
    values["nvml.versions"]["driver"] = driver
    values["nvml.fields"]["utilization"] = answer
    assert state(judge(values), "nvml.utilization") is expected


@pytest.mark.parametrize(
    ("driver", "cuda", "states"),
    [
        ("511.65", 11060, [State.BROKEN, State.RECORDED, State.RECORDED]),
        ("528.49", 12000, [State.WORKS, State.RECORDED, State.RECORDED]),
        ("572.83", 12080, [State.WORKS, State.WORKS, State.RECORDED]),
        ("581.80", 13000, [State.WORKS, State.WORKS, State.WORKS]),
        ("581.80", 12080, [State.WORKS, State.WORKS, State.BROKEN]),
    ],
)
def test_cuda_releases_by_windows_driver(driver: str, cuda: int, states: list[State]) -> None:
    values = {**WSL2_STANDARD, "cuda.driver_version": cuda}
    values["nvml.versions"] = {"driver": driver, "nvml": "1.0", "cuda": cuda}
    node = judge(values)
    assert [state(node, f"cuda.driver.{name}") for name in ("cuda_12", "cuda_12_8", "cuda_13")] == states


def test_no_pinned_memory_at_all_is_recorded() -> None:
    budget = {"granted_bytes": 0, "step_bytes": GIB >> 2, "tried_bytes": GIB >> 2, "stopped_by": NO_MEMORY}
    assert state(judge({**WSL2_STANDARD, "cuda.pinned.budget": budget}), "cuda.pinned.budget") is State.RECORDED


AREAS = frozenset(
    "apps bench checkpoint codec cuda cupti dcgm directml display ffmpeg mig mps nccl nvlink nvml opencl opengl python"
    " rdma rocm vaapi vllm vulkan".split()
)
HARDWARE = [row for row in load_catalogue().capabilities.values() if row.area in AREAS]


@functools.cache
def holds(name: str) -> dict[str, bool | None]:
    values, level, crashed = {**NODES, **OTHERS}[name]
    read = with_derived(document(values, level, crashed))
    return {row.id: evaluate(row.works, read).holds for row in HARDWARE}


CANNOT_ON_WSL2 = """
checkpoint.criugpu cuda.checkpoint.checkpoint cuda.checkpoint.restore cuda.gl_interop cuda.ipc.legacy
cuda.managed.concurrent cuda.managed.pageable cuda.managed.prefetch cuda.managed.touch_concurrent cuda.pool.posix_fd
cuda.vmm.posix_fd display.nodes mig.mode mps.binary mps.server nccl.supported nccl.transport.direct nvlink.links
nvml.minor_number nvml.process_memory opencl.nvidia rdma.infiniband rdma.storage vllm.custom_all_reduce vulkan.native
""".split()


def test_what_wsl2_cannot_is_told_from_what_is_broken() -> None:
    node = judged("wsl2-pair")
    found = {row.id: state(node, row.id) for row in HARDWARE}
    assert {name for name, what in found.items() if what in (State.BROKEN, State.BETTER)} == set()
    blocked = {name for name, what in found.items() if what is State.BLOCKED}
    assert blocked <= {"cuda.checkpoint.restore"}
    assert {name for name, what in found.items() if what is State.CANNOT} | blocked == set(CANNOT_ON_WSL2)


def test_each_of_these_capabilities_is_there_on_some_node() -> None:
    never = [row.id for row in HARDWARE if not any(holds(name)[row.id] for name in {**NODES, **OTHERS})]
    assert never == []


def test_where_all_is_refused_none_of_these_capabilities_is_there() -> None:
    told = {"nvml.driver_version", "python.vllm", "vllm.pin_memory", "nccl.supported"}  # versions and the platform
    assert {name for name, found in holds("poor").items() if found is not False} == told


def test_what_nobody_confirmed_is_never_expected_to_work() -> None:
    unsure = [row.id for row in HARDWARE for line in row.expectations if line.confidence is Confidence.LOW]
    gates = [
        row.id
        for row in HARDWARE
        for line in row.expectations
        if line.confidence is Confidence.LOW and line.expect in (Expected.WORKS, Expected.LIMITED)
    ]
    assert unsure
    assert gates == []


def test_cuda_nvml_and_codecs_rest_on_the_driver() -> None:
    rows = load_catalogue().capabilities

    def below(name: str) -> set[str]:
        return {name}.union(*(below(need) for need in rows[name].needs))

    free = {"cuda.toolkit", "cuda.checkpoint.tool", "ffmpeg.binary", "ffmpeg.nvenc"}
    free |= {"ffmpeg.cuda_hwaccel", "ffmpeg.scale_cuda"}
    for row in HARDWARE:
        if row.area in ("cuda", "nvml", "codec", "ffmpeg") and row.id not in free:
            assert "gpu.nvidia" in below(row.id), row.id


def test_nothing_is_claimed_as_seen_and_sources_are_public() -> None:
    for row in HARDWARE:
        assert row.seen is None, row.id
        sources = [*row.sources, *(source for line in row.expectations for source in line.sources)]
        assert all(source.date <= TODAY for source in sources), row.id
