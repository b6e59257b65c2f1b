"""Hand-made nodes: what WSL2 in order is documented to answer, a pair of GPUs, none, and bare metal."""

import copy
import json
import re
from typing import Any

from tests.healthy_gpu import FOUND, GIB, OK
from tests.observation_documents import HEALTHY_VALUES
from wslgpu.probe.document import SCHEMA, Level, Observations, parse
from wslgpu.probe.registry import observation_kinds

NO_MEMORY = "CUDA_ERROR_OUT_OF_MEMORY"


def refused(result: int, name: str) -> dict[str, Any]:
    return {"result": result, "name": name}


UNSUPPORTED = {"result": 3, "name": "NVML_ERROR_NOT_SUPPORTED", "values": [None]}


def field(value: Any) -> dict[str, Any]:
    return {"result": 0, "name": "NVML_SUCCESS", "values": [value]}


FIELDS = observation_kinds()["nvml.fields"].what.split("FIELD: ")[1].split()
_FURTHER_ATTRIBUTES = {
    "COOPERATIVE_LAUNCH": [1],
    "TIMELINE_SEMAPHORE_INTEROP_SUPPORTED": [1],
    "GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED": [1],
}
ATTRIBUTES: dict[str, list[int]] = {**HEALTHY_VALUES["cuda.attributes"], **_FURTHER_ATTRIBUTES}
_NOT_LOOKED_AT = re.compile(
    r"(containerd|docker|k8s|toolkit)\.(config|runc|service|engine|device_plugin|kubelet_config|runtime_classes)|"
    r"toolkit\.(drop_in|packages|refresh_unit)|cuda\.(checkpoint\.restore|managed\.touch_concurrent|peer\.copy)"
)
WSL2_STANDARD: dict[str, Any] = {
    # the healthy node of the other tests, without what is installed on it; what is left out was not looked at
    **{name: value for name, value in HEALTHY_VALUES.items() if not _NOT_LOOKED_AT.fullmatch(name)},
    "cuda.attributes": ATTRIBUTES,
    "containerd.binary": None,
    "toolkit.ctk": None,
    "toolkit.cdi_specs": [],
    "python.packages": {},
    "vulkan.devices": None,
    "opencl.platforms": {"result": 0, "names": ["Portable Computing Language"]},
    "nvml.process_memory": {"result": 3, "name": "NVML_ERROR_NOT_SUPPORTED"},
}
WSL2_QUICK = {
    name: value
    for name, value in WSL2_STANDARD.items()
    if name in observation_kinds() and observation_kinds()[name].level is Level.QUICK
}
CRASHED = {"cuda.managed.touch_concurrent": "ended by signal 11"}
PAIR: dict[str, Any] = {
    "cuda.device_count": 2,
    "nvml.device_count": 2,
    "cuda.attributes": {name: values * 2 for name, values in ATTRIBUTES.items()},
    "cuda.devices": WSL2_QUICK["cuda.devices"] * 2,
    "wsl.pci": {**WSL2_QUICK["wsl.pci"], "microsoft_gpu": 2},
    "cuda.peer": [
        {"from": 0, "to": 1, "can_access": 0, "result": 0},
        {"from": 1, "to": 0, "can_access": 0, "result": 0},
    ],
    "smi.driver_model": ["WDDM", "WDDM"],
}
WSL2_PAIR: dict[str, Any] = {**WSL2_STANDARD, **PAIR, "cuda.peer.copy": FOUND}
_SOFTWARE = ("system.", "containerd.", "docker.", "podman.", "toolkit.", "k8s.", "rocm.", "vulkan.", "python.")
NOTHING: dict[str, Any] = {
    **{key: value for key, value in WSL2_STANDARD.items() if key.startswith(_SOFTWARE)},
    "wsl.signals": {**WSL2_QUICK["wsl.signals"], "dxg": False},
    "wsl.dxg": {"exists": False, "character_device": False, "mode": "", "openable": False, "error": "ENOENT"},
    "wsl.driver_stores": [],
    "wsl.lib_files": {"names": [], "links": [], "empty": []},
    "wsl.pci": {"microsoft_gpu": 0, "nvidia": 0, "amd": 0, "intel_gpu": 0},
    "gpu.device_nodes": WSL2_QUICK["gpu.device_nodes"],
    "gpu.linux_driver": WSL2_QUICK["gpu.linux_driver"],
}
METAL_NODES = ["/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl"]
BARE_METAL: dict[str, Any] = {
    **{key: value for key, value in WSL2_PAIR.items() if not key.startswith(("wsl.", "smi."))},
    "system.kernel": {"release": "6.8.0-90-generic", "version": "#1", "machine": "x86_64"},
    "wsl.signals": dict.fromkeys(("osrelease", "dxg", "interop", "run_wsl", "init_rootfs"), False),
    "wsl.pci": {"microsoft_gpu": 0, "nvidia": 2, "amd": 0, "intel_gpu": 0},
    "gpu.device_nodes": {
        "nvidia": METAL_NODES,
        "dri": ["/dev/dri/card0"],
        "kfd": False,
        "proc_driver_nvidia": True,
        "proc_driver_nvidia_gpus": True,
    },
    "gpu.linux_driver": {"packages": ["nvidia-driver-580"], "foreign_libcuda": [], "modules": ["nvidia"]},
    "nvml.versions": {"driver": "580.95.05", "nvml": "13.580.95", "cuda": 13000},
    "cuda.library": {"path": "/usr/lib/x86_64-linux-gnu/libcuda.so.1"},
    "cuda.attributes": {**PAIR["cuda.attributes"], "CONCURRENT_MANAGED_ACCESS": [1, 1]},
    "cuda.peer": [
        {"from": 0, "to": 1, "can_access": 1, "result": 0},
        {"from": 1, "to": 0, "can_access": 1, "result": 0},
    ],
    "cuda.managed.prefetch": OK,
    "cuda.managed.touch_concurrent": FOUND,
    "cuda.pinned.budget": {
        "granted_bytes": 4 * GIB,
        "step_bytes": GIB >> 2,
        "tried_bytes": 4 * GIB,
        "stopped_by": "limit",
    },
    "cuda.vmm.posix_fd": OK,
    "cuda.pool.posix_fd": OK,
    "cuda.ipc.open": OK,
    "cuda.ipc.event": OK,
    "nvml.process_memory": {"result": 0, "name": "NVML_SUCCESS"},
    "opengl.renderer": {"tool": "eglinfo", "renderer": "NVIDIA RTX 4090/PCIe/SSE2", "version": "4.6"},
    "vulkan.icds": [
        {"file": "/etc/vulkan/icd.d/nvidia_icd.json", "library": "y", "library_exists": True, "api_version": "1.4"}
    ],
    "cuda.checkpoint_tool": {"path": "/usr/local/bin/cuda-checkpoint"},
    "cuda.checkpoint.state": {**OK, "state": 0},
    "cuda.checkpoint.lock": OK,
    "cuda.checkpoint.checkpoint": OK,
    "cuda.checkpoint.restore": OK,
    "nvml.fields": {name: field(4 if name == "nvlink_count" else 1) for name in FIELDS},
}


def document(values: dict[str, Any], level: Level, crashed: dict[str, str] | None = None) -> Observations:
    """A document with these values; what is not named was not looked at."""
    rows: dict[str, Any] = {}
    for name in observation_kinds():
        rows[name] = {"status": "unknown", "reason": "not made in this test"}
        if name in values and (level is not Level.QUICK or observation_kinds()[name].level is Level.QUICK):
            rows[name] = {"status": "observed", "value": copy.deepcopy(values[name])}
        elif crashed and name in crashed:
            rows[name] = {"status": "crash", "reason": crashed[name]}
    run = {"level": level.value, "view": "node", "interpreter": "python3 3.12.3", "started": 1795000000.0}
    run |= {"duration_s": 1.0, "cpu_s": 0.5, "uid": 1000}
    return parse(json.dumps({"schema": SCHEMA, "probe": run, "observations": rows}))
