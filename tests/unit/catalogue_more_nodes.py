"""More hand-made nodes: Kubernetes, Docker Desktop, AMD, one that has everything, and one that refuses everything."""

from typing import Any

from tests.healthy_gpu import GIB, STORE
from tests.unit.catalogue_nodes import BARE_METAL, WSL2_PAIR, WSL2_QUICK, WSL2_STANDARD, refused
from wslgpu.probe.registry import observation_kinds
from wslgpu.verdict.shape import Shape, shape_of

CDI_MOUNTS = [f"{STORE}/{name}" for name in ("libcuda.so.1.1", "libnvidia-encode.so.1", "libnvcuvid.so.1")]
KUBERNETES: dict[str, Any] = {
    **WSL2_STANDARD,
    "system.systemd": {"state": "running", "failed_units": []},
    "toolkit.ctk": {"path": "/usr/bin/nvidia-ctk", "version": "1.20.0"},
    "toolkit.packages": {"nvidia-container-toolkit": {"version": "1.20.0-1", "held": True}},
    "toolkit.cdi_specs": [
        {
            "file": "/etc/cdi/nvidia.yaml",
            "kind": "nvidia.com/gpu",
            "cdi_version": "0.3.0",
            "devices": ["all"],
            "device_nodes": ["/dev/dxg"],
            "mounts": CDI_MOUNTS,
            "missing": [],
            "hooks": [],
        }
    ],
    "containerd.binary": {"path": "/usr/bin/containerd", "version": "2.1.4"},
    "containerd.service": {"active": True, "enabled": True},
    "containerd.config": {
        "version": 3,
        "default_runtime": "runc",
        "runtimes": ["runc", "nvidia"],
        "nvidia_binary": "/usr/bin/nvidia-container-runtime",
        "systemd_cgroup": True,
        "cdi_enabled": True,
        "cdi_directories": ["/etc/cdi", "/var/run/cdi"],
        "imports": ["/etc/containerd/conf.d/*.toml"],
        "registry_path": None,
    },
    "k8s.kubelet": {"version": "1.34.1", "active": True, "kind": "kubelet"},
    "k8s.node": {
        "ready": True,
        "capacity_gpus": 1,
        "allocatable_gpus": 1,
        "labels": {"nvidia.com/gpu.present": "true"},
    },
    "k8s.runtime_classes": [{"name": "nvidia", "handler": "nvidia"}],
    "k8s.device_plugin": {
        "image": "nvcr.io/nvidia/k8s-device-plugin:v0.19.3",
        "version": "0.19.3",
        "desired": 1,
        "ready": 1,
        "runtime_class": "nvidia",
    },
}
DESKTOP: dict[str, Any] = {
    **WSL2_STANDARD,
    "docker.client": {
        "path": "/mnt/wsl/docker-desktop/cli-tools/usr/bin/docker",
        "version": "29.1",
        "from_desktop": True,
    },
    "docker.engine": {
        "server_version": "29.1.0",
        "operating_system": "Docker Desktop",
        "runtimes": ["nvidia", "runc"],
        "default_runtime": "runc",
        "cdi_directories": ["/etc/cdi"],
    },
    "docker.config": {"credentials_store": "desktop.exe", "nvidia_runtime": False},
    "docker.model_runner": {"running": True, "backends": ["llama.cpp"]},
}
RADEON: dict[str, Any] = {
    **{key: value for key, value in WSL2_STANDARD.items() if not key.startswith(("cuda.", "nvml.", "codec.", "smi."))},
    "wsl.driver_stores": [{"name": "u0123456.inf_amd64_0", "vendor": "amd", "has_libcuda": False, "files": []}],
    "wsl.lib_files": {"names": ["libdxcore.so", "libd3d12.so"], "links": [], "empty": []},
    "rocm.packages": {"packages": ["rocm-core"], "librocdxg": "/opt/rocm/lib/librocdxg.so", "distribution_runtime": []},
    "rocm.agents": {"exit": 0, "gfx": ["gfx1201"]},
}
RATE = {"bytes_per_s": 2.0e10, "bytes": GIB}
DISK = {**RATE, "filesystem": "ext4"}
RICH: dict[str, Any] = {
    **WSL2_PAIR,
    "cuda.driver_version": 13020,
    "cuda.toolkit": {"nvcc": "13.2", "packages": ["cuda-toolkit-13-2"], "libcudart": [], "cupti": ["libcupti.so.13"]},
    "cuda.attributes": BARE_METAL["cuda.attributes"]
    | {
        name: [1, 1]
        for name in (
            "PAGEABLE_MEMORY_ACCESS",
            "MULTICAST_SUPPORTED",
            "GPU_DIRECT_RDMA_SUPPORTED",
            "DMA_BUF_SUPPORTED",
        )
    },
    "cuda.mps": {"binary": "/usr/bin/nvidia-cuda-mps-control", "running": True},
    "gpu.device_nodes": {**BARE_METAL["gpu.device_nodes"], "kfd": True},
    "kernel.features": {**WSL2_QUICK["kernel.features"], "infiniband": 1, "nvidia_fs": True},
    "vulkan.icds": [
        *WSL2_QUICK["vulkan.icds"],
        {"file": "/usr/share/vulkan/icd.d/dzn_icd.json", "library": "z", "library_exists": True, "api_version": "1.2"},
    ],
    "vulkan.devices": {
        "exit": 0,
        "devices": [
            {
                "name": "Microsoft Direct3D12 (NVIDIA GeForce RTX 4090)",
                "driver_id": "DRIVER_ID_MESA_DOZEN",
                "driver_name": "Dozen",
                "conformance": "1.2.0.0",
                "api_version": "1.2.335",
                "type": "PHYSICAL_DEVICE_TYPE_DISCRETE_GPU",
            }
        ],
    },
    "opencl.platforms": {"result": 0, "names": ["NVIDIA CUDA"]},
    "vaapi.driver": {"exit": 0, "driver": "Mesa Gallium d3d12", "entrypoints": 12},
    "display.nodes": {"cards": ["card0"], "render_nodes": ["renderD128"]},
    "dxcore.adapters": {"result": 0, "count": 1, "adapters": [{"driver_store": STORE, "wddm_version": 3200}]},
    "directml.libraries": {"libdirectml": "a", "libd3d12": "b", "libd3d12core": "c"},
    "nccl.library": {"path": "/usr/lib/x86_64-linux-gnu/libnccl.so.2", "version": 22809},
    "nccl.environment": {"NCCL_CUMEM_ENABLE": "0"},
    "python.packages": dict.fromkeys(("torch", "tensorrt", "nixl", "cuda-python", "nvidia-ml-py"), "1.0")
    | {"vllm": "0.29.1"},
    "dcgm.host_engine": {"version": "4.4.1", "active": True},
    "apps.ollama": {"version": "0.18.0", "active": True},
    "apps.llama_cpp": {"path": "/usr/local/bin/llama-cli", "version": "b8348"},
    "rocm.packages": RADEON["rocm.packages"],
    "rocm.agents": RADEON["rocm.agents"],
    "bench.launch_latency": {"median_us": 12.0, "spread_us": 1.0, "runs": 1000},
    "bench.device_allocatable": {"granted_bytes": 20 * GIB, "free_bytes": 22 * GIB},
    "bench.read_local": DISK,
    "bench.read_windows_drive": DISK,
    **{
        f"bench.{name}": RATE
        for name in (
            "host_to_device_pinned",
            "host_to_device_pageable",
            "device_to_host_pinned",
            "device_to_host_pageable",
            "device_memory",
        )
    },
}


def least(shape: Shape) -> Any:
    """The value of a shape that says that there is nothing, or that a call was refused."""
    if shape.nullable:
        return None
    if shape.kind == "call":
        return refused(999, "CUDA_ERROR_UNKNOWN")
    if shape.kind == "object":
        return {key: least(inner) for key, inner in shape.keys.items()}
    return {"list": [], "map": {}, "str": "", "int": 0, "float": 0.0, "bool": False}[shape.kind]


POOR = {name: least(shape_of(name)) for name in observation_kinds()} | {
    "kernel.calls": dict.fromkeys(WSL2_QUICK["kernel.calls"], 38),
    "rocm.packages": {**WSL2_QUICK["rocm.packages"], "distribution_runtime": ["libhsakmt1"]},
    "smi.driver_model": ["TCC"],
    "smi.run": {**dict.fromkeys(WSL2_QUICK["smi.run"], ""), "exit": -11},
    "nvml.versions": {"driver": "510.06", "nvml": "11.510.06", "cuda": 11060},
    "python.packages": {"vllm": "0.26.0"},
}
