"""What each scenario of the stand-in driver comes to: states of capabilities, verdicts of workloads. Data.

The rest of the node is healthy: tests/observation_documents.py on WSL2, :data:`BARE_METAL` on a Linux machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tests.observation_documents import HEALTHY_VALUES
from wslgpu.probe.document import Status
from wslgpu.verdict.model import State, Verdict

WORKS, LIMITED, BETTER, CANNOT = State.WORKS, State.LIMITED, State.BETTER, State.CANNOT
BROKEN, BLOCKED, RECORDED, NOT_TESTED = State.BROKEN, State.BLOCKED, State.RECORDED, State.NOT_TESTED
GO, DEGRADED, NO_GO = Verdict.GO, Verdict.DEGRADED, Verdict.NO_GO

PYTORCH_ALIKE = ("cuda", "pytorch", "tensorrt", "llama-cpp", "ollama")
VLLM_ALIKE = ("vllm", "vllm-sleep-mode")
VIDEO = ("ffmpeg", "ffmpeg-container")
NO_PROGRAM = dict.fromkeys((*PYTORCH_ALIKE, *VLLM_ALIKE, "nixl", "container-cuda"), NO_GO)
NO_CUDA = {**NO_PROGRAM, **dict.fromkeys(VIDEO, NO_GO)}
#: A healthy WSL2 node's: what is not named in a row is as here.
WSL2_VERDICTS = {
    **dict.fromkeys((*PYTORCH_ALIKE, *VIDEO), GO),
    **dict.fromkeys((*VLLM_ALIKE, "nixl", "monitoring"), DEGRADED),
    "criugpu": NO_GO,
}
LINUX_VERDICTS = dict.fromkeys((*PYTORCH_ALIKE, *VLLM_ALIKE, *VIDEO, "monitoring"), GO)
PAIR_VERDICTS = {
    **dict.fromkeys(("vllm-tensor-parallel", "training-ddp", "container-cuda"), DEGRADED),
    "nvlink-local-ha": NO_GO,
}


@dataclass(frozen=True)
class Row:
    """One scenario.

    :param decisive: the capability that every report names
    :param states: those that tell the scenario apart; when BROKEN, these are all the node's causes
    :param verdicts: where they differ from a healthy node's of the platform
    :param beside: capabilities that may be broken besides, as signs of the same
    :param blocked: capability -> the cause that stands in its way
    :param around: what the scenario is seen by outside of the GPU's libraries: observation -> value
    """

    decisive: str
    states: Mapping[str, State]
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    blocked: Mapping[str, str] = field(default_factory=dict)
    around: Mapping[str, Any] = field(default_factory=dict)


def without_cuda(*beside: str, around: Mapping[str, Any] = MappingProxyType({}), **verdicts: Verdict) -> Row:
    """CUDA does not start though NVML or nvidia-smi does: whatever needs CUDA is blocked by that."""
    return Row(
        "cuda.init",
        {"cuda.init": BROKEN, "gpu.driver_answers": WORKS, "cuda.kernel": BLOCKED},
        {**NO_CUDA, **verdicts},
        beside,
        dict.fromkeys(("cuda.kernel", "cuda.context", "cuda.pinned.budget", "cuda.graph"), "cuda.init"),
        around,
    )


def without_driver(*beside: str, around: Mapping[str, Any] = MappingProxyType({})) -> Row:
    """Nothing reaches the GPU: one cause, and CUDA, NVML and nvidia-smi are blocked by it."""
    cause = "gpu.driver_answers"
    needing = ("cuda.init", "cuda.kernel", "nvml.init", "nvml.utilization", "nvml.smi.runs")
    return Row(cause, {cause: BROKEN}, {**NO_CUDA, "monitoring": NO_GO}, beside, dict.fromkeys(needing, cause), around)


def failing_test(decisive: str, *beside: str, **more: Any) -> Row:
    """The driver starts, and a functional test fails."""
    states = {decisive: BROKEN, "cuda.init": WORKS}
    return Row(decisive, states, NO_PROGRAM, ("cuda.no_failure", *beside), **more)


def only(capability: str, state: State, **verdicts: Verdict) -> Row:
    """One capability, and no cause unless it is broken."""
    return Row(capability, {capability: state}, {name.replace("_", "-"): one for name, one in verdicts.items()})


TWO_ADAPTERS = {"wsl.pci": {**HEALTHY_VALUES["wsl.pci"], "microsoft_gpu": 2}}
FOUR_ADAPTERS = {"wsl.pci": {**HEALTHY_VALUES["wsl.pci"], "microsoft_gpu": 4}}
OLD_DRIVER = {
    "cuda.driver.cuda_13": RECORDED,
    "cuda.checkpoint.api": RECORDED,
    "cuda.init": WORKS,
    "codec.nvenc.api_13": RECORDED,
}
OLD_VERDICTS = dict.fromkeys(("pytorch", "tensorrt", "container-cuda", *VIDEO), DEGRADED)
SECOND = {
    "cuda.peer.access": RECORDED,
    "nccl.transport.direct": CANNOT,
    "nccl.transport.shm": WORKS,
    "nvlink.links": CANNOT,
}

WSL2: dict[str, Row] = {
    "one-gpu": Row(
        "cuda.managed.touch_concurrent",
        {
            "cuda.init": WORKS,
            "cuda.kernel": WORKS,
            "cuda.managed.touch": WORKS,
            "cuda.managed.concurrent": CANNOT,
            "cuda.managed.touch_concurrent": CANNOT,
            "cuda.managed.prefetch": CANNOT,
            "cuda.pinned.budget": LIMITED,
            "cuda.vmm.map": WORKS,
            "cuda.vmm.posix_fd": CANNOT,
            "cuda.pool.default": WORKS,
            "cuda.pool.posix_fd": CANNOT,
            "cuda.ipc.legacy": CANNOT,
            "nvml.minor_number": CANNOT,
            "nvml.utilization": WORKS,
            "codec.nvenc.session": WORKS,
            "display.driver_model": WORKS,
            "gpu.memory_exclusive": CANNOT,
        },
    ),
    "driver-r580": only("cuda.driver.cuda_13", WORKS),
    "two-gpus": Row("nccl.transport.direct", SECOND, PAIR_VERDICTS, around=TWO_ADAPTERS),
    "four-gpus": Row("nccl.transport.direct", SECOND, PAIR_VERDICTS, around=FOUR_ADAPTERS),
    "four-gpus-events": Row("nccl.transport.direct", SECOND, PAIR_VERDICTS, around=FOUR_ADAPTERS),
    "hybrid": Row("gpu.one_vendor", {"cuda.init": WORKS, "display.dxcore": WORKS}, around=TWO_ADAPTERS),
    "no-devices": without_cuda("nvml.device_count", "display.driver_model", monitoring=NO_GO),
    "driver-r510": Row(
        "cuda.driver.cuda_12",
        {**OLD_DRIVER, "cuda.driver.cuda_12": BROKEN, "nvml.utilization": CANNOT, "nvml.compute_processes": CANNOT},
        {
            **dict.fromkeys(("cuda", "llama-cpp", "ollama", *VIDEO), DEGRADED),
            **dict.fromkeys(("pytorch", "tensorrt", *VLLM_ALIKE, "nixl"), NO_GO),
        },
        blocked={"cuda.checkpoint.checkpoint": "cuda.checkpoint.api"},
    ),
    "driver-r525": Row(
        "cuda.driver.cuda_13", {**OLD_DRIVER, "cuda.driver.cuda_12": WORKS, "nvml.utilization": WORKS}, OLD_VERDICTS
    ),
    "driver-r560": Row("cuda.driver.cuda_13", {**OLD_DRIVER, "cuda.driver.cuda_12": WORKS}, OLD_VERDICTS),
    "driver-r610": only("cuda.driver.cuda_13_2", WORKS),
    "tcc-blocked": without_driver(),
    "tcc-second-blocked": without_cuda(around=TWO_ADAPTERS),
    "mcdm": only("display.driver_model", WORKS),
    "store-gone": without_driver("display.dxcore", "wsl.driver_store", around={"wsl.driver_stores": []}),
    "cuinit-no-device": without_cuda(),
    "cuinit-segfault": without_cuda(),
    "cuinit-hang": without_cuda(),
    "nvmlinit-hang": Row(
        "nvml.init",
        {"nvml.init": BROKEN, "cuda.kernel": WORKS},
        {**dict.fromkeys(("monitoring", *VLLM_ALIKE), NO_GO), "ollama": DEGRADED},
        ("nvml.smi.runs",),
        {"nvml.device_count": "nvml.init"},
    ),
    **{
        name: Row("nvml.smi.runs", {"nvml.smi.runs": BROKEN, "nvml.init": WORKS, "cuda.kernel": WORKS})
        for name in ("smi-hang", "smi-fails", "smi-segfault")
    },
    "version-mismatch": without_driver(),
    "attribute-lies-managed": only("cuda.managed.touch_concurrent", CANNOT),
    "attribute-lies-pools": Row("cuda.pool.default", {"cuda.pool.default": BROKEN, "cuda.pool.attribute": WORKS}),
    "managed-touch-crashes-idle": Row(
        "cuda.managed.touch", {"cuda.managed.touch": BROKEN, "cuda.managed.alloc": WORKS}
    ),
    "managed-concurrent-works": Row(
        "cuda.managed.touch_concurrent",
        dict.fromkeys(("cuda.managed.concurrent", "cuda.managed.touch_concurrent", "cuda.managed.prefetch"), BETTER),
    ),
    "ipc-open-fails": Row("cuda.ipc.legacy", {"cuda.ipc.legacy": CANNOT, "cuda.ipc.get": WORKS}, {"nixl": DEGRADED}),
    "ipc-get-fails": Row("cuda.ipc.get", {"cuda.ipc.legacy": CANNOT, "cuda.ipc.get": RECORDED}, {"nixl": DEGRADED}),
    "ipc-works": Row("cuda.ipc.legacy", {"cuda.ipc.legacy": BETTER, "cuda.ipc.event": WORKS}),
    **{
        name: Row("cuda.pinned.ample", {"cuda.pinned.budget": LIMITED, "cuda.pinned.ample": RECORDED})
        for name in ("pinned-limit-512m", "pinned-limit-1g")
    },
    "pinned-limit-4g": Row("cuda.pinned.budget", {"cuda.pinned.budget": WORKS, "cuda.pinned.ample": WORKS}),
    "pinned-none": Row("cuda.pinned.budget", {"cuda.pinned.register": RECORDED}, {"vllm": DEGRADED}),
    "reserve-refused": only("cuda.vmm.reserve", RECORDED),
    "memory-full": failing_test("cuda.memory.alloc", "cuda.kernel", "cuda.graph"),
    "context-refused": Row(
        "cuda.context",
        {"cuda.context": BROKEN, "cuda.init": WORKS},
        NO_CUDA,
        ("cuda.no_failure",),
        {"cuda.kernel": "cuda.context", "cuda.graph": "cuda.context"},
    ),
    "context-spoilt": Row(
        "cuda.context",
        {"cuda.context": BROKEN},
        NO_CUDA,
        ("cuda.no_failure",),
    ),
    **{name: failing_test("cuda.kernel") for name in ("kernel-fails", "kernel-wrong", "kernel-refused")},
    "copy-wrong": failing_test("cuda.memory.alloc", "cuda.kernel"),
    "peer-claimed-and-wrong": Row(
        "cuda.peer.copy", {"cuda.peer.copy": BROKEN, "cuda.kernel": WORKS}, PAIR_VERDICTS, around=TWO_ADAPTERS
    ),
    "graph-crashes": only("cuda.graph", BROKEN, pytorch=DEGRADED, tensorrt=DEGRADED),
    "checkpoint-refused": Row(
        "cuda.checkpoint.checkpoint",
        {"cuda.checkpoint.lock": WORKS, "cuda.checkpoint.checkpoint": CANNOT},
        {"criugpu": NO_GO},
    ),
    "checkpoint-works": Row(
        "cuda.checkpoint.checkpoint",
        {"cuda.checkpoint.checkpoint": BETTER, "cuda.checkpoint.restore": BETTER},
        {"criugpu": NO_GO},
    ),
    "codecs-missing": Row(
        "codec.encode.library",
        {"codec.encode.library": BROKEN, "codec.decode.library": BROKEN, "cuda.kernel": WORKS},
        dict.fromkeys(VIDEO, NO_GO),
        blocked={"codec.nvenc.session": "codec.encode.library", "codec.nvdec.h264": "codec.decode.library"},
    ),
    "codecs-only-in-lib": Row("codec.encode.library", {"codec.encode.library": WORKS, "codec.decode.library": WORKS}),
    "codecs-nowhere": Row(
        "codec.encode.library",
        {"codec.encode.library": BROKEN, "codec.decode.library": BROKEN, "codec.opticalflow.library": BROKEN},
        dict.fromkeys(VIDEO, NO_GO),
        blocked={"codec.nvenc.session": "codec.encode.library", "codec.nvdec.h264": "codec.decode.library"},
    ),
    "encoder-refused": Row(
        "codec.nvenc.session",
        {"codec.nvenc.session": RECORDED, "codec.nvdec.h264": WORKS},
        dict.fromkeys(VIDEO, NO_GO),
        blocked={"codec.nvenc.h264": "codec.nvenc.session"},
    ),
    "no-av1": Row("codec.nvenc.av1", {"codec.nvenc.av1": RECORDED, "codec.nvenc.h264": WORKS}),
    "no-dxcore": Row(
        "wsl.dxcore",
        {"wsl.dxcore": BROKEN},
        around={
            "wsl.lib_files": {
                **HEALTHY_VALUES["wsl.lib_files"],
                "names": [name for name in HEALTHY_VALUES["wsl.lib_files"]["names"] if name != "libdxcore.so"],
            },
        },
        beside=("display.dxcore",),
    ),
}

LINUX: dict[str, Row] = {
    "bare-metal": Row(
        "cuda.ipc.legacy",
        {
            "cuda.managed.concurrent": WORKS,
            "cuda.managed.touch_concurrent": WORKS,
            "cuda.managed.prefetch": WORKS,
            "cuda.pinned.budget": WORKS,
            "cuda.ipc.legacy": WORKS,
            "cuda.vmm.posix_fd": WORKS,
            "cuda.pool.posix_fd": WORKS,
            "cuda.checkpoint.checkpoint": WORKS,
            "nvml.minor_number": WORKS,
            "nvml.process_memory": WORKS,
        },
    ),
    "bare-metal-two-gpus": Row(
        "cuda.peer.access",
        {
            "cuda.peer.access": WORKS,
            "cuda.peer.copy": WORKS,
            "nccl.transport.direct": WORKS,
            "nvlink.links": RECORDED,
            "nvlink.topology": WORKS,
        },
        {"vllm-tensor-parallel": DEGRADED, "nvlink-local-ha": NO_GO},
    ),
    "bare-metal-nvlink": Row(
        "nvlink.links",
        {
            "nvlink.links": WORKS,
            "cuda.peer.access": WORKS,
            "cuda.peer.copy": WORKS,
            "mig.mode": WORKS,
            "codec.nvenc.session": RECORDED,
        },
        {"nvlink-local-ha": GO, "vllm-tensor-parallel": GO, "training-ddp": GO, **dict.fromkeys(VIDEO, NO_GO)},
    ),
    "bare-metal-hmm": only("cuda.managed.pageable", WORKS),
    "bare-metal-checkpoint-refused": Row(
        "cuda.checkpoint.checkpoint",
        {"cuda.checkpoint.lock": WORKS, "cuda.checkpoint.checkpoint": BROKEN},
        blocked={"cuda.checkpoint.restore": "cuda.checkpoint.checkpoint"},
    ),
}

ROWS = {**WSL2, **LINUX}

#: Beside the NVML fields, each of which is a scenario: the workload that one of them alone decides.
FIELD_VERDICTS = {"memory": NO_GO}
#: The capability that asks for a field, where it is not called nvml.FIELD; empty where no capability does.
FIELD_CAPABILITIES = {
    "mig_mode": "mig.mode",
    "nvlink_state": "",
    "nvlink_count": "nvlink.links",
    "topology": "nvlink.topology",
}

_GPU_AREAS = ("wsl.", "vulkan.", "opengl.", "vaapi.", "display.")
BARE_METAL: dict[str, Any] = {
    **{name: Status.UNKNOWN for name in HEALTHY_VALUES if name.startswith(_GPU_AREAS)},
    "system.kernel": {"release": "6.8.0-90-generic", "version": "#91-Ubuntu SMP", "machine": "x86_64"},
    "wsl.signals": dict.fromkeys(("osrelease", "dxg", "interop", "run_wsl", "init_rootfs"), False),
    "gpu.linux_driver": {"packages": ["nvidia-driver-580"], "foreign_libcuda": [], "modules": ["nvidia"]},
    "toolkit.cdi_specs": [
        {
            "file": "/etc/cdi/nvidia.yaml",
            "kind": "nvidia.com/gpu",
            "cdi_version": "0.3.0",
            "devices": ["0", "1", "all"],
            "device_nodes": ["/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl"],
            "mounts": [
                f"/usr/lib/x86_64-linux-gnu/{name}"
                for name in ("libcuda.so.580.95.05", "libnvcuvid.so.580.95.05", "libnvidia-encode.so.580.95.05")
            ],
            "missing": [],
            "hooks": ["create-symlinks", "update-ldcache"],
        }
    ],
}


def bare_metal(gpus: int) -> dict[str, Any]:
    """A healthy Linux machine, but for what is asked of the GPU's libraries."""
    cards = [f"/dev/nvidia{number}" for number in range(gpus)]
    return {
        **BARE_METAL,
        "wsl.pci": {"microsoft_gpu": 0, "nvidia": gpus, "amd": 0, "intel_gpu": 0},
        "gpu.device_nodes": {
            "nvidia": [*cards, "/dev/nvidiactl"],
            "dri": ["/dev/dri/card0"],
            "kfd": False,
            "proc_driver_nvidia": True,
            "proc_driver_nvidia_gpus": True,
        },
    }
