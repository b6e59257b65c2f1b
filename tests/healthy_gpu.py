"""What the GPU of the healthy node of the tests answers: one RTX 4090 under WSL2, through CUDA, NVML and the codecs.

The values are what public reports show of such nodes; none was recorded on a GPU.
"""

from __future__ import annotations

from typing import Any

from wslgpu.probe.document import Status

STORE = "/usr/lib/wsl/drivers/nv_dispi.inf_amd64_6b9fd6d9d2a0c5a1"
OK = {"result": 0, "name": "CUDA_SUCCESS"}
FOUND = {"result": 0, "name": "CUDA_SUCCESS", "correct": True}
GIB = 1 << 30

_NVML_READ: dict[str, Any] = {
    "name": "NVIDIA GeForce RTX 4090",
    "memory": {"total": 24 * GIB, "free": 22 * GIB, "used": 2 * GIB},
    "pci": "00000000:01:00.0",
    "utilization": {"gpu": 7, "memory": 4},
    "temperature": 41,
    "power_usage": 31000,
    "power_limit": 450000,
    "fan_speed": 30,
    "clock_sm": 210,
    "clock_mem": 405,
    "max_clock_sm": 3105,
    "performance_state": 8,
    "persistence_mode": 1,
    "compute_mode": 0,
    "compute_processes": [],
    "graphics_processes": [],
    "encoder_utilization": 0,
    "decoder_utilization": 0,
    "display_active": 1,
    "display_mode": 1,
    "bar1_memory": {"total": 32 * GIB},
    "throttle_reasons": 1,
    "vbios_version": "95.02.3c.80.8d",
    "architecture": 8,
    "brand": 5,
    "pcie_link_generation": 4,
}

_NVML_REFUSED = (
    "minor_number ecc_mode mig_mode process_memory accounting_mode total_energy pcie_throughput nvlink_state "
    "nvlink_count topology event_registration gpm_support retired_pages remapped_rows virtualization_mode "
    "board_part_number"
).split()

_REFUSED = {"result": 3, "name": "NVML_ERROR_NOT_SUPPORTED", "values": [None]}

_ATTRIBUTES = {
    "INTEGRATED": [0],
    "CAN_MAP_HOST_MEMORY": [1],
    "COMPUTE_MODE": [0],
    "CONCURRENT_KERNELS": [1],
    "ECC_ENABLED": [0],
    "TCC_DRIVER": [0],
    "ASYNC_ENGINE_COUNT": [1],
    "UNIFIED_ADDRESSING": [1],
    "COMPUTE_CAPABILITY_MAJOR": [8],
    "COMPUTE_CAPABILITY_MINOR": [9],
    "MANAGED_MEMORY": [1],
    "PAGEABLE_MEMORY_ACCESS": [0],
    "CONCURRENT_MANAGED_ACCESS": [0],
    "VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED": [1],
    "HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED": [1],
    "MEMORY_POOLS_SUPPORTED": [1],
    "MEMPOOL_SUPPORTED_HANDLE_TYPES": [1],
}

_SYMBOLS = (
    "cuCheckpointProcessGetState cuCheckpointProcessLock cuCheckpointProcessCheckpoint cuCheckpointProcessRestore "
    "cuMemPoolCreate cuMemAllocAsync cuMemCreate cuMulticastCreate cuGraphInstantiateWithFlags cuGreenCtxCreate "
    "cuGLGetDevices_v2"
).split()

CUDA: dict[str, Any] = {
    "cuda.library": {"path": "/usr/lib/wsl/lib/libcuda.so.1"},
    "cuda.init": OK,
    "cuda.driver_version": 13000,
    "cuda.device_count": 1,
    "cuda.devices": [{"name": "NVIDIA GeForce RTX 4090", "total_bytes": 24 * GIB, "compute_capability": "8.9"}],
    "cuda.attributes": _ATTRIBUTES,
    "cuda.symbols": dict.fromkeys(_SYMBOLS, True),
    "cuda.peer": [],
    "cuda.context": OK,
    "cuda.memory": [{"free_bytes": 22 * GIB, "total_bytes": 24 * GIB}],
    "cuda.alloc": {**FOUND, "bytes": 16 << 20},
    "cuda.kernel": FOUND,
    "cuda.managed.alloc": OK,
    "cuda.managed.prefetch": {"result": 101, "name": "CUDA_ERROR_INVALID_DEVICE"},
    "cuda.managed.touch": FOUND,
    "cuda.managed.touch_concurrent": Status.CRASH,
    "cuda.pinned.budget": {
        "granted_bytes": GIB,
        "step_bytes": 256 << 20,
        "tried_bytes": 5 * (256 << 20),
        "stopped_by": "CUDA_ERROR_OUT_OF_MEMORY",
    },
    "cuda.pinned.register": OK,
    "cuda.pinned.mapped": OK,
    "cuda.vmm.reserve": {**OK, "bytes": 32 * GIB},
    "cuda.vmm.map": OK,
    "cuda.vmm.posix_fd": {"result": 101, "name": "CUDA_ERROR_INVALID_DEVICE"},
    "cuda.pool.default": OK,
    "cuda.pool.posix_fd": {"result": 1, "name": "CUDA_ERROR_INVALID_VALUE"},
    "cuda.ipc.get": OK,
    "cuda.ipc.open": {"result": 400, "name": "CUDA_ERROR_INVALID_HANDLE"},
    "cuda.ipc.event": {"result": 801, "name": "CUDA_ERROR_NOT_SUPPORTED"},
    "cuda.peer.copy": {"result": 101, "name": "CUDA_ERROR_INVALID_DEVICE"},
    "cuda.graph": OK,
    "cuda.checkpoint.state": {**OK, "state": 0},
    "cuda.checkpoint.lock": OK,
    "cuda.checkpoint.checkpoint": {"result": 801, "name": "CUDA_ERROR_NOT_SUPPORTED"},
    "cuda.checkpoint.restore": {"result": 801, "name": "CUDA_ERROR_NOT_SUPPORTED"},
    "cuda.toolkit": {"nvcc": None, "packages": [], "libcudart": [], "cupti": []},
    "cuda.checkpoint_tool": None,
    "cuda.mps": {"binary": None, "running": False},
}

NVML: dict[str, Any] = {
    "nvml.library": {"path": "/usr/lib/wsl/lib/libnvidia-ml.so.1"},
    "nvml.init": {"result": 0, "name": "NVML_SUCCESS"},
    "nvml.versions": {"driver": "581.80", "nvml": "13.580.102", "cuda": 13000},
    "nvml.device_count": 1,
    "nvml.fields": {
        **{key: {"result": 0, "name": "NVML_SUCCESS", "values": [value]} for key, value in _NVML_READ.items()},
        **dict.fromkeys(_NVML_REFUSED, _REFUSED),
    },
    "smi.run": {
        "path": "/usr/lib/wsl/lib/nvidia-smi",
        "exit": 0,
        "smi_version": "580.102.01",
        "driver_version": "581.80",
        "cuda_version": "13.0",
    },
    "smi.driver_model": ["WDDM"],
}

CODECS_AND_GRAPHICS: dict[str, Any] = {
    "codec.libraries": {
        name: {"path": f"/usr/lib/wsl/lib/{name}", "loads": True, "error": ""}
        for name in ("libnvidia-encode.so.1", "libnvcuvid.so.1", "libnvidia-opticalflow.so.1")
    },
    "codec.nvenc.version": {"result": 0, "name": "NV_ENC_SUCCESS", "major": 13, "minor": 0},
    "codec.nvenc.session": {"result": 0, "name": "NV_ENC_SUCCESS", "codecs": ["h264", "hevc", "av1"]},
    "codec.nvdec.caps": {"h264": True, "hevc": True, "av1": True, "vp9": True},
    "codec.ffmpeg": {
        "path": "/usr/bin/ffmpeg",
        "version": "8.1",
        "nvenc": ["h264_nvenc", "hevc_nvenc", "av1_nvenc"],
        "cuda_hwaccel": True,
        "scale_cuda": True,
    },
    "codec.ffmpeg_encode": {"exit": 0, "text": ""},
    "dxcore.adapters": {
        "result": 0,
        "count": 1,
        "adapters": [{"driver_store": STORE, "wddm_version": 3200}],
    },
    "display.nodes": {"cards": [], "render_nodes": []},
    "vulkan.icds": [
        {
            "file": "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json",
            "library": "libvulkan_lvp.so",
            "library_exists": True,
            "api_version": "1.4.305",
        }
    ],
    "vulkan.devices": {
        "exit": 0,
        "devices": [
            {
                "name": "llvmpipe (LLVM 20.1.2, 256 bits)",
                "driver_id": "DRIVER_ID_MESA_LLVMPIPE",
                "driver_name": "llvmpipe",
                "conformance": "1.3.1.1",
                "api_version": "1.4.305",
                "type": "PHYSICAL_DEVICE_TYPE_CPU",
            }
        ],
    },
    "opengl.renderer": {"tool": "eglinfo", "renderer": "D3D12 (NVIDIA GeForce RTX 4090)", "version": "4.6"},
    "opengl.mesa": {"version": "25.2.8-0ubuntu0.24.04.1", "d3d12": True, "packages": ["libgl1-mesa-dri"]},
    "opencl.vendors": {"icds": [], "loader": None},
    "opencl.platforms": None,
    "vaapi.driver": {"exit": 0, "driver": "Mesa Gallium driver 25.2.8 for D3D12", "entrypoints": 6},
    "directml.libraries": {
        "libdirectml": None,
        "libd3d12": "/usr/lib/wsl/lib/libd3d12.so",
        "libd3d12core": "/usr/lib/wsl/lib/libd3d12core.so",
    },
    "rocm.packages": {"packages": [], "librocdxg": None, "distribution_runtime": []},
    "rocm.agents": None,
}
