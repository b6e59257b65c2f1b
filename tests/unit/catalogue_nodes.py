"""Hand-made nodes: what WSL2 in order is documented to answer, a pair of GPUs, none, and bare metal."""

import copy
import json
from typing import Any

from wslgpu.probe.document import SCHEMA, Level, Observations, parse
from wslgpu.probe.registry import observation_kinds

GB = 1 << 30
OK = {"result": 0, "name": "CUDA_SUCCESS"}
GOOD = {**OK, "correct": True}
NO_MEMORY = "CUDA_ERROR_OUT_OF_MEMORY"
STORE = "/usr/lib/wsl/drivers/nv_dispi.inf_amd64_0123456789abcdef"


def refused(result: int, name: str) -> dict[str, Any]:
    return {"result": result, "name": name}


UNSUPPORTED = {"result": 3, "name": "NVML_ERROR_NOT_SUPPORTED", "values": [None]}


def field(value: Any) -> dict[str, Any]:
    return {"result": 0, "name": "NVML_SUCCESS", "values": [value]}


FIELDS = observation_kinds()["nvml.fields"].what.split("FIELD: ")[1].split()
ANSWERED = (
    "name utilization temperature power_usage compute_processes performance_state persistence_mode compute_mode"
    " display_active pci encoder_utilization"
).split()
ATTRIBUTES = {
    "COMPUTE_CAPABILITY_MAJOR": [8],
    "COMPUTE_CAPABILITY_MINOR": [9],
    "UNIFIED_ADDRESSING": [1],
    "COMPUTE_MODE": [0],
    "CONCURRENT_KERNELS": [1],
    "COOPERATIVE_LAUNCH": [1],
    "TIMELINE_SEMAPHORE_INTEROP_SUPPORTED": [1],
    "MANAGED_MEMORY": [1],
    "CONCURRENT_MANAGED_ACCESS": [0],
    "PAGEABLE_MEMORY_ACCESS": [0],
    "VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED": [1],
    "HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED": [1],
    "MEMORY_POOLS_SUPPORTED": [1],
    "MEMPOOL_SUPPORTED_HANDLE_TYPES": [1],
    "GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED": [1],
}
WSL_LIBRARIES = ["libcuda.so.1", "libd3d12.so", "libd3d12core.so", "libdxcore.so", "libnvcuvid.so.1", "nvidia-smi"]
WSL2_QUICK: dict[str, Any] = {
    "system.kernel": {"release": "6.18.33.2-microsoft-standard-WSL2", "version": "#1", "machine": "x86_64"},
    "system.os_release": {"id": "ubuntu", "version_id": "24.04", "codename": "noble", "pretty_name": "Ubuntu 24.04"},
    "system.pid1": "systemd",
    "system.container": {"in_container": False, "kind": ""},
    "system.dev_shm": {"filesystem": "tmpfs", "size_bytes": 32 * GB, "available_bytes": 32 * GB},
    "wsl.signals": {"osrelease": True, "dxg": True, "interop": True, "run_wsl": True, "init_rootfs": True},
    "wsl.version": "2.7.14",
    "wsl.dxg": {"exists": True, "character_device": True, "mode": "0666", "openable": True, "error": ""},
    "wsl.lib_mount": {"filesystem": "overlay", "options": "rw,nosuid,nodev", "source": "none"},
    "wsl.drivers_mount": {"filesystem": "9p", "options": "ro", "source": "drivers"},
    "wsl.lib_files": {"names": WSL_LIBRARIES, "links": [], "empty": []},
    "wsl.driver_stores": [
        {"name": STORE.rsplit("/", 1)[1], "vendor": "nvidia", "has_libcuda": True, "files": ["libcuda.so.1.1"]}
    ],
    "wsl.pci": {"microsoft_gpu": 1, "nvidia": 0, "amd": 0, "intel_gpu": 0},
    "wsl.dmesg": {"dxgk_errors": 2, "make_resident_no_memory": 0, "lines": []},
    "wsl.wslg": {"mounted": True, "wayland": True, "x11": True},
    "gpu.device_nodes": {
        "nvidia": [],
        "dri": [],
        "kfd": False,
        "proc_driver_nvidia": False,
        "proc_driver_nvidia_gpus": False,
    },
    "gpu.linux_driver": {"packages": [], "foreign_libcuda": [], "modules": []},
    "kernel.calls": {
        "memfd_create": 0,
        "userfaultfd": 0,
        "kcmp": 0,
        "io_uring_setup": 0,
        "pidfd_open": 0,
        "unshare_user": 0,
    },
    "cuda.library": {"path": "/usr/lib/wsl/lib/libcuda.so.1"},
    "cuda.init": OK,
    "cuda.driver_version": 13000,
    "cuda.device_count": 1,
    "cuda.devices": [{"name": "NVIDIA GeForce RTX 4090", "total_bytes": 24 * GB, "compute_capability": "8.9"}],
    "cuda.attributes": ATTRIBUTES,
    "cuda.symbols": {
        "cuCheckpointProcessGetState": True,
        "cuCheckpointProcessLock": True,
        "cuCheckpointProcessCheckpoint": True,
        "cuCheckpointProcessRestore": True,
        "cuGLGetDevices_v2": True,
    },
    "cuda.peer": [],
    "cuda.checkpoint_tool": None,
    "cuda.toolkit": {"nvcc": None, "packages": [], "libcudart": [], "cupti": []},
    "cuda.mps": {"binary": None, "running": False},
    "dxcore.adapters": {"result": 0, "count": 1, "adapters": [{"driver_store": STORE, "wddm_version": 3200}]},
    "display.nodes": {"cards": [], "render_nodes": []},
    "directml.libraries": {"libdirectml": None, "libd3d12": "b", "libd3d12core": "c"},
    "nccl.library": None,
    "dcgm.host_engine": None,
    "apps.ollama": None,
    "apps.llama_cpp": None,
    "nvml.library": {"path": "/usr/lib/wsl/lib/libnvidia-ml.so.1"},
    "nvml.init": {"result": 0, "name": "NVML_SUCCESS"},
    "nvml.versions": {"driver": "581.80", "nvml": "13.580.95", "cuda": 13000},
    "nvml.device_count": 1,
    "nvml.fields": dict.fromkeys(FIELDS, UNSUPPORTED)
    | {name: field(1) for name in ANSWERED}
    | {"memory": field({"total": 24 * GB, "used": 2 * GB, "free": 22 * GB}), "nvlink_count": field(0)},
    "smi.run": {
        "path": "/usr/lib/wsl/lib/nvidia-smi",
        "exit": 0,
        "smi_version": "580.95.02",
        "driver_version": "581.80",
        "cuda_version": "13.0",
    },
    "smi.driver_model": ["WDDM"],
    "codec.libraries": {
        name: {"path": f"/usr/lib/wsl/lib/{name}", "loads": True, "error": ""}
        for name in ("libnvidia-encode.so.1", "libnvcuvid.so.1", "libnvidia-opticalflow.so.1")
    },
    "codec.nvenc.version": {**OK, "major": 13, "minor": 0},
    "codec.ffmpeg": {
        "path": "/usr/local/bin/ffmpeg",
        "version": "8.0",
        "nvenc": ["h264_nvenc", "hevc_nvenc"],
        "cuda_hwaccel": True,
        "scale_cuda": True,
    },
    "vulkan.icds": [
        {
            "file": "/usr/share/vulkan/icd.d/lvp_icd.json",
            "library": "x.so",
            "library_exists": True,
            "api_version": "1.4",
        }
    ],
    "opengl.mesa": {"version": "25.2.8", "d3d12": True, "packages": ["libgl1-mesa-dri"]},
    "rocm.packages": {"packages": [], "librocdxg": None, "distribution_runtime": []},
    "containerd.binary": None,
    "docker.client": None,
    "docker.model_runner": None,
    "podman.binary": None,
    "toolkit.ctk": None,
    "toolkit.cdi_specs": [],
    "k8s.kubelet": None,
    "k8s.node": None,
    "python.packages": {},
    "nccl.environment": {},
    "storage.placement": [{"path": "/root/.cache/huggingface", "filesystem": "ext4", "on_windows": False}],
}
_FEATURES = (
    "config_gz map_files overlay nine_p virtiofs fuse tun kvm nft ip_tables br_netfilter nvidia_fs memcg_v1 hugepages"
)
WSL2_QUICK["kernel.features"] = {**dict.fromkeys(_FEATURES.split(), True), "infiniband": 0, "nvidia_fs": False}
WSL2_STANDARD: dict[str, Any] = {
    **WSL2_QUICK,
    "cuda.context": OK,
    "cuda.memory": [{"free_bytes": 22 * GB, "total_bytes": 24 * GB}],
    "cuda.alloc": {**GOOD, "bytes": 16 << 20},
    "cuda.kernel": GOOD,
    "cuda.managed.alloc": OK,
    "cuda.managed.touch": GOOD,
    "cuda.managed.prefetch": refused(101, "CUDA_ERROR_INVALID_DEVICE"),
    "cuda.pinned.budget": {
        "granted_bytes": 3 * (GB >> 2),
        "step_bytes": GB >> 2,
        "tried_bytes": GB,
        "stopped_by": NO_MEMORY,
    },
    "cuda.pinned.register": OK,
    "cuda.pinned.mapped": OK,
    "cuda.vmm.reserve": {**OK, "bytes": 32 * GB},
    "cuda.vmm.map": OK,
    "cuda.vmm.posix_fd": refused(101, "CUDA_ERROR_INVALID_DEVICE"),
    "cuda.pool.default": OK,
    "cuda.pool.posix_fd": refused(1, "CUDA_ERROR_INVALID_VALUE"),
    "cuda.ipc.get": OK,
    "cuda.ipc.open": refused(400, "CUDA_ERROR_INVALID_HANDLE"),
    "cuda.ipc.event": OK,
    "cuda.graph": OK,
    "cuda.checkpoint.state": {**OK, "state": 0},
    "cuda.checkpoint.lock": OK,
    "cuda.checkpoint.checkpoint": refused(801, "CUDA_ERROR_NOT_SUPPORTED"),
    "vulkan.devices": None,
    "opencl.platforms": {"result": 0, "names": ["Portable Computing Language"]},
    "vaapi.driver": None,
    "codec.nvenc.session": {**OK, "codecs": ["h264", "hevc", "av1"]},
    "codec.nvdec.caps": {"h264": True, "hevc": True, "av1": True, "vp9": True},
    "codec.ffmpeg_encode": {"exit": 0, "text": ""},
    "opengl.renderer": {"tool": "eglinfo", "renderer": "D3D12 (NVIDIA GeForce RTX 4090)", "version": "4.6"},
    "nvml.process_memory": {"result": 3, "name": "NVML_ERROR_NOT_SUPPORTED"},
    "kernel.criu": None,
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
WSL2_PAIR: dict[str, Any] = {**WSL2_STANDARD, **PAIR, "cuda.peer.copy": GOOD}
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
    "cuda.managed.touch_concurrent": GOOD,
    "cuda.pinned.budget": {
        "granted_bytes": 4 * GB,
        "step_bytes": GB >> 2,
        "tried_bytes": 4 * GB,
        "stopped_by": "limit",
    },
    "cuda.vmm.posix_fd": OK,
    "cuda.pool.posix_fd": OK,
    "cuda.ipc.open": OK,
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
