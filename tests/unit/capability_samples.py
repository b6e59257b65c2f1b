"""A judgement of three nodes in which every state, verdict and kind of evidence stands, and whose texts are hostile."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

from wslgpu.catalogue.model import Confidence, Expected, Platform, Source, Waiver
from wslgpu.errors import UnreachableError
from wslgpu.probe.document import Level, Status
from wslgpu.verdict.model import (
    CapabilityJudgement,
    Evidence,
    Finding,
    Judgement,
    NodeJudgement,
    State,
    Verdict,
    WorkloadJudgement,
    WorkloadReason,
)

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    f"a|b {SCRIPT} ]]> \"q\" & 'x' [link](http://evil.example/) `code` <!-- | @team #1 **b** \x1b[31mred\x1b[0m \u202e"
)
DIGEST = "5f" * 32
SOURCE = Source(
    url="https://docs.nvidia.com/cuda/wsl-user-guide/index.html",
    date=datetime.date(2026, 11, 1),
    what="CUDA on WSL user guide: known limitations",
)
SECOND_SOURCE = Source(
    url='https://learn.microsoft.com/en-us/windows/wsl/?a=1&b="2"',
    date=datetime.date(2026, 10, 3),
    what="WSL documentation <wsl> & more",
)


def evidence(observation: str, value: Any = None, **more: Any) -> Evidence:
    return Evidence(observation, more.pop("status", Status.OBSERVED), value, **more)


def capability(identifier: str, state: State, **more: Any) -> CapabilityJudgement:
    values: dict[str, Any] = {
        "title": f"The capability {identifier}",
        "reason": f"{identifier} is {state.value}",
        "expected": Expected.WORKS,
        "confidence": Confidence.HIGH,
        "sources": (SOURCE,),
        "evidence": (evidence(identifier, {"result": 0, "name": "CUDA_SUCCESS"}, command="deviceQuery"),),
    }
    return CapabilityJudgement(identifier, state=state, **{**values, **more})


def healthy() -> NodeJudgement:
    """A lab's node on which almost everything works; its GPU has a hostile name."""
    capabilities = (
        capability("cuda.driver.loads", State.WORKS),
        capability(
            "cuda.ipc.legacy",
            State.CANNOT,
            title="CUDA IPC between processes",
            reason="cuIpcOpenMemHandle answers CUDA_ERROR_NOT_SUPPORTED, as on every WSL2",
            expected=Expected.CANNOT,
            remedy="Share memory through the host, or run bare-metal Linux.",
            sources=(SOURCE, SECOND_SOURCE),
            evidence=(
                evidence("cuda.ipc.open", {"result": 801, "name": "CUDA_ERROR_NOT_SUPPORTED"}, level=Level.STANDARD),
                evidence("cuda.ipc.get", {"result": 0, "name": "CUDA_SUCCESS"}, level=Level.STANDARD),
            ),
        ),
        capability(
            "cuda.managed.concurrent",
            State.CANNOT,
            expected=Expected.CANNOT,
            evidence=(evidence("cuda.managed.touch_concurrent", status=Status.CRASH, reason="SIGSEGV"),),
        ),
        capability("cuda.pinned.budget", State.LIMITED, expected=Expected.LIMITED, reason="0.5 GiB is granted"),
        capability("cuda.pool.posix_fd", State.BETTER, expected=Expected.CANNOT, confidence=Confidence.LOW),
        capability(
            "container.cdi.codec_libraries",
            State.BROKEN,
            title="Codec libraries in containers",
            reason=f"no codec library is mounted, says {HOSTILE}",
            remedy="Run `wslgpu apply` again; it writes the missing mounts.",
            evidence=(
                evidence("derived.cdi", {"gpu_devices": ["all"], "codec_mounts": [], "why": HOSTILE}),
                evidence("toolkit.cdi_specs", [{"file": f"/etc/cdi/{index}.yaml"} for index in range(200)]),
            ),
        ),
        capability("container.ffmpeg", State.BLOCKED, cause="container.cdi.codec_libraries", reason="blocked"),
        capability("container.transcode", State.BLOCKED, cause="container.cdi.codec_libraries", reason="blocked"),
        *(
            capability(
                f"cuda.checkpoint.{name}",
                State.NOT_TESTED,
                reason="needs --level standard",
                evidence=(evidence("cuda.checkpoint.state", status=Status.UNKNOWN, reason="needs --level standard"),),
            )
            for name in ("state", "lock", "checkpoint", "restore")
        ),
        capability(
            "vulkan.devices",
            State.NOT_TESTED,
            reason="vulkaninfo is not installed",
            evidence=(evidence("vulkan.devices", status=Status.HANG, reason="ended after 5 s", command="vulkaninfo"),),
        ),
        capability("nvml.power_limit", State.RECORDED, expected=Expected.VARIES, confidence=Confidence.MEDIUM),
        capability("rocm.agents", State.NOT_APPLICABLE, reason="no AMD GPU is here", expected=None, confidence=None),
        capability(
            "wsl.swap",
            State.BROKEN,
            reason="swap is off",
            waiver=Waiver(
                capability="wsl.swap",
                reason="the image has none",
                person="Ada Example",
                expires=datetime.date(2026, 11, 1),
            ),
            waiver_expired=True,
        ),
    )
    workloads = (
        WorkloadJudgement(
            "llama-cpp-cuda",
            "llama.cpp with CUDA",
            Verdict.GO,
            True,
            confidence=Confidence.HIGH,
            capabilities=("cuda.driver.loads",),
        ),
        WorkloadJudgement(
            "vllm-single",
            "vLLM on one GPU",
            Verdict.DEGRADED,
            True,
            (
                WorkloadReason(
                    "cuda.ipc.legacy", State.CANNOT, "sleep mode is not to be had", "Start it anew instead."
                ),
                WorkloadReason("wsl.swap", State.BROKEN, "large models load slowly", waived=True),
            ),
            not_tested=("cuda.checkpoint.state",),
            notes=(f"A note with {SCRIPT}",),
            capabilities=("cuda.driver.loads", "cuda.ipc.legacy", "wsl.swap", "cuda.checkpoint.state"),
        ),
        WorkloadJudgement(
            "ffmpeg-container",
            "FFmpeg transcode in a container",
            Verdict.NO_GO,
            True,
            (
                WorkloadReason(
                    "container.cdi.codec_libraries",
                    State.BROKEN,
                    "FFmpeg finds no encoder",
                    "Run `wslgpu apply` again; it writes the missing mounts.",
                ),
            ),
            capabilities=("cuda.driver.loads", "container.cdi.codec_libraries"),
        ),
        WorkloadJudgement(
            "criugpu",
            "Checkpoint with CRIUgpu",
            Verdict.UNKNOWN,
            reasons=(WorkloadReason("cuda.checkpoint.state", State.NOT_TESTED, "nobody looked"),),
            not_tested=("cuda.checkpoint.state",),
        ),
        WorkloadJudgement("amd-inference", "Inference on AMD", Verdict.NOT_APPLICABLE),
    )
    return NodeJudgement(
        "gpu-01.example",
        Platform.WSL2,
        Level.QUICK,
        True,
        capabilities,
        workloads,
        (Finding("waiver.expired", "the waiver of wsl.swap ran out on 2026-11-01", ("gpu-01.example",), "Renew it."),),
        {
            "gpu": f"NVIDIA {SCRIPT} RTX 4070",
            "driver": "581.80",
            "wsl": "2.6.1",
            "toolkit": "1.18.0",
            "cdi spec": DIGEST,
        },
        {
            "bench.host_to_device_pinned": {"bytes_per_s": 12.5e9, "bytes": 268435456},
            "bench.launch_latency": {"median_us": 31.5, "spread_us": 4.0, "runs": 1000},
        },
        {"interpreter": "python3 3.11.2", "cpu_s": 0.31},
    )


def without_gpu() -> NodeJudgement:
    """A node whose one missing driver blocks forty capabilities."""
    cause = capability(
        "cuda.driver.loads",
        State.BROKEN,
        title="The NVIDIA driver loads",
        reason="libcuda.so.1 is not there",
        remedy="Install the NVIDIA driver on Windows, then run `wsl --shutdown`.",
        evidence=(
            evidence("cuda.library", None, command="ldconfig -p | grep libcuda"),
            evidence("wsl.dxg", False, command="ls -l /dev/dxg"),
        ),
    )
    blocked = (
        capability(f"cuda.thing.number{index}", State.BLOCKED, cause=cause.id, reason="the driver is missing")
        for index in range(40)
    )
    work = tuple(
        WorkloadJudgement(
            name,
            title,
            Verdict.NO_GO,
            True,
            (WorkloadReason(cause.id, State.BROKEN, "no program finds a GPU", cause.remedy),),
            capabilities=(cause.id,),
        )
        for name, title in (
            ("llama-cpp-cuda", "llama.cpp with CUDA"),
            ("vllm-single", "vLLM on one GPU"),
            ("ffmpeg-container", "FFmpeg transcode in a container"),
        )
    )
    return NodeJudgement(
        "no-gpu",
        Platform.WSL2,
        Level.STANDARD,
        False,
        (cause, *blocked),
        work,
        facts={"wsl": "2.4.4"},
        benchmarks={"bench.host_to_device_pinned": {"bytes_per_s": 25.0e9, "bytes": 268435456}},
    )


def unreachable() -> NodeJudgement:
    error = UnreachableError(f"ssh: no route to host {HOSTILE}", "gone.example", "Start the node.")
    return NodeJudgement("gone.example", error=error.as_json())


def judgement(*nodes: NodeJudgement, **more: Any) -> Judgement:
    """The three nodes, or those given."""
    values: dict[str, Any] = {
        "catalogue_digest": DIGEST,
        "tool_version": "0.1.0",
        "started": "2026-11-21T09:40:00+00:00",
        "duration_s": 2.3456,
        "operator": "ada@controller",
        "lock_digest": "ab" * 32,
        "findings": (
            Finding("duplicate.machine_id", "two nodes have one machine-id", ("gpu-01.example", "no-gpu"), "Renew it."),
            Finding("clock.skew", "the clocks differ by 3 s", ("no-gpu",), fails=False),
        ),
    }
    return Judgement(nodes or (healthy(), without_gpu(), unreachable()), **{**values, **more})


def all_go() -> Judgement:
    """One node of no lab on which what is required works."""
    node = healthy()
    kept = tuple(replace(work) for work in node.workloads if work.verdict is Verdict.GO)
    good = tuple(item for item in node.capabilities if item.state.usable)
    clean = replace(node, stand_in=False, workloads=kept, capabilities=good, findings=(), name="good")
    return judgement(clean, findings=())


def fleet(nodes: int = 20, workloads: int = 22, capabilities: int = 130) -> Judgement:
    """As large as a lab of twenty judged by the whole catalogue."""
    states = [State.WORKS] * 9 + [State.CANNOT] * 3 + [State.NOT_TESTED] * 4 + [State.LIMITED, State.RECORDED]
    verdicts = [Verdict.GO] * 5 + [Verdict.DEGRADED] * 2 + [Verdict.UNKNOWN, Verdict.NO_GO, Verdict.NOT_APPLICABLE]
    areas = "cuda nvml codec container k8s wsl kernel vulkan opengl nccl docker toolkit storage".split()
    made = []
    for number in range(nodes):
        ids = [f"{areas[index % len(areas)]}.thing{index}" for index in range(capabilities)]
        judged = tuple(
            capability(
                name,
                states[(index * 7 + number // 5) % len(states)],
                reason="the driver's answer is as the platform's documentation says it is",
                remedy="Install a driver of R580 or later on Windows, then run `wsl --shutdown`.",
                sources=(SOURCE, SECOND_SOURCE),
                evidence=(
                    evidence(name, {"result": 0, "name": "CUDA_SUCCESS", "correct": True}, command="nvidia-smi"),
                ),
            )
            for index, name in enumerate(ids)
        )
        work = tuple(
            WorkloadJudgement(
                f"workload-{index}",
                f"Workload number {index} with a title",
                verdict := verdicts[(index * 3 + number // 7) % len(verdicts)],
                index < 6,
                (WorkloadReason(ids[index], judged[index].state, "it runs more slowly", "Wait."),)
                if verdict not in (Verdict.GO, Verdict.NOT_APPLICABLE)
                else (),
                capabilities=tuple(ids[index : index + 8]),
            )
            for index in range(workloads)
        )
        benchmarks = {
            "bench.host_to_device_pinned": {"bytes_per_s": (20 + number % 5) * 1e9, "bytes": 1 << 28},
            "bench.device_memory": {"bytes_per_s": (400 + number * 7 % 90) * 1e9, "bytes": 1 << 30},
            "bench.launch_latency": {"median_us": 25.0 + number, "spread_us": 2.0, "runs": 1000},
        }
        facts = {"gpu": "NVIDIA GeForce RTX 4070 Ti SUPER", "driver": "581.80", "wsl": "2.6.1", "toolkit": "1.18.0"}
        made.append(
            NodeJudgement(f"gpu-{number + 1:02}", Platform.WSL2, Level.FULL, False, judged, work, (), facts, benchmarks)
        )
    return judgement(*made, findings=())
