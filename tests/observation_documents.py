"""Observation documents for tests: a healthy WSL2 node with one RTX 4090, at the level standard, and changes to it.

The values are what public reports and the toolkit's own output show of such nodes; none was recorded on a GPU.
"""

from __future__ import annotations

import copy
from typing import Any

from wslgpu.probe.document import (
    SCHEMA,
    Identity,
    Level,
    Observation,
    Observations,
    ProbeRun,
    Status,
    View,
)
from wslgpu.probe.registry import observation_kinds

STORE = "/usr/lib/wsl/drivers/nv_dispi.inf_amd64_6b9fd6d9d2a0c5a1"
STARTED = 1_790_000_000.0
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

_SYSTEM: dict[str, Any] = {
    "system.kernel": {
        "release": "6.6.87.2-microsoft-standard-WSL2",
        "version": "#1 SMP PREEMPT_DYNAMIC Thu Jun  5 18:30:46 UTC 2025",
        "machine": "x86_64",
    },
    "system.os_release": {
        "id": "ubuntu",
        "version_id": "24.04",
        "codename": "noble",
        "pretty_name": "Ubuntu 24.04.3 LTS",
    },
    "system.pid1": "systemd",
    "system.systemd": {"state": "running", "failed_units": []},
    "system.cgroup": {"filesystem": "cgroup2fs", "controllers": ["cpuset", "cpu", "io", "memory", "pids"]},
    "system.memory": {"total_bytes": 32 * GIB, "available_bytes": 30 * GIB, "swap_total_bytes": 0},
    "system.cpus": 16,
    "system.uptime": {"seconds": 3600.5},
    "system.container": {"in_container": False, "kind": "none"},
    "system.dev_shm": {"filesystem": "tmpfs", "size_bytes": 16 * GIB, "available_bytes": 16 * GIB},
    "system.limits": {"memlock_soft_bytes": -1, "memlock_hard_bytes": -1, "nofile_soft": 1048576},
    "system.root_filesystem": {
        "filesystem": "ext4",
        "read_only": False,
        "size_bytes": 1000 * GIB,
        "available_bytes": 900 * GIB,
        "inodes_available": 60_000_000,
    },
    "system.lab": {"stand_in": False},
}

_WSL: dict[str, Any] = {
    "wsl.signals": {"osrelease": True, "dxg": True, "interop": True, "run_wsl": True, "init_rootfs": True},
    "wsl.version": "2.6.3.0",
    "wsl.networking_mode": "nat",
    "wsl.interop": {"registered": True, "enabled": True, "windows_on_path": False},
    "wsl.conf": {"text": "[boot]\nsystemd=true\n\n[interop]\nappendWindowsPath=false\n"},
    "wsl.wslconfig": {"text": "[wsl2]\nmemory=32GB\nswap=0\n", "users": 1},
    "wsl.dxg": {"exists": True, "character_device": True, "mode": "0666", "openable": True, "error": ""},
    "wsl.lib_mount": {"filesystem": "overlay", "options": "rw,nosuid,nodev,noatime", "source": "none"},
    "wsl.drivers_mount": {"filesystem": "9p", "options": "ro,nosuid,nodev,noatime", "source": "drivers"},
    "wsl.lib_files": {
        "names": [
            "libcuda.so",
            "libcuda.so.1",
            "libcuda.so.1.1",
            "libcudadebugger.so.1",
            "libd3d12.so",
            "libd3d12core.so",
            "libdxcore.so",
            "libnvcuvid.so",
            "libnvcuvid.so.1",
            "libnvdxdlkernels.so",
            "libnvidia-encode.so",
            "libnvidia-encode.so.1",
            "libnvidia-ml.so.1",
            "libnvidia-opticalflow.so",
            "libnvidia-opticalflow.so.1",
            "libnvoptix.so.1",
            "libnvwgf2umx.so",
            "nvidia-smi",
        ],
        "links": [],
        "empty": [],
    },
    "wsl.driver_stores": [
        {
            "name": "nv_dispi.inf_amd64_6b9fd6d9d2a0c5a1",
            "vendor": "nvidia",
            "has_libcuda": True,
            "files": [
                "libcuda.so.1.1",
                "libcuda_loader.so",
                "libnvcuvid.so.1",
                "libnvdxgdmal.so.1",
                "libnvidia-encode.so.1",
                "libnvidia-gpucomp.so",
                "libnvidia-ml.so.1",
                "libnvidia-ml_loader.so",
                "libnvidia-nvvm.so.4",
                "libnvidia-ptxjitcompiler.so.1",
                "nvcubins.bin",
                "nvidia-smi",
            ],
        }
    ],
    "wsl.ld_cache": {
        "libcuda": ["/usr/lib/wsl/lib/libcuda.so.1"],
        "libnvidia_ml": ["/usr/lib/wsl/lib/libnvidia-ml.so.1"],
        "libdxcore": ["/usr/lib/wsl/lib/libdxcore.so"],
        "wsl_lib_listed": True,
    },
    "wsl.ld_conf": {"exists": True, "names_wsl_lib": True},
    "wsl.path": {"session": True, "systemd": False},
    "wsl.automount": {"filesystem": "9p", "options": "rw,noatime,aname=drvfs;path=C:\\"},
    "wsl.swap": [],
    "wsl.pci": {"microsoft_gpu": 1, "nvidia": 0, "amd": 0, "intel_gpu": 0},
    "wsl.dmesg": {
        "dxgk_errors": 2,
        "make_resident_no_memory": 0,
        "lines": ["misc dxg: dxgk: dxgkio_query_adapter_info: Ioctl failed: -22"],
    },
    "wsl.cloud_init": {"status": "done", "datasource": "wsl"},
    "wsl.distributions": {"others_running": 0},
    "wsl.wslg": {"mounted": True, "wayland": True, "x11": True},
    "gpu.device_nodes": {
        "nvidia": [],
        "dri": [],
        "kfd": False,
        "proc_driver_nvidia": False,
        "proc_driver_nvidia_gpus": False,
    },
    "gpu.linux_driver": {"packages": [], "foreign_libcuda": [], "modules": []},
}

_KERNEL: dict[str, Any] = {
    "kernel.calls": {
        "memfd_create": 0,
        "userfaultfd": 0,
        "kcmp": 0,
        "io_uring_setup": 0,
        "pidfd_open": 0,
        "unshare_user": 0,
    },
    "kernel.features": {
        "config_gz": True,
        "map_files": True,
        "overlay": True,
        "nine_p": True,
        "virtiofs": True,
        "fuse": True,
        "tun": True,
        "kvm": True,
        "nft": True,
        "ip_tables": True,
        "br_netfilter": True,
        "infiniband": 0,
        "nvidia_fs": False,
        "memcg_v1": False,
        "hugepages": True,
    },
    "kernel.sysctl": {
        "ip_forward": 1,
        "bridge_nf_call_iptables": 1,
        "max_map_count": 262144,
        "overcommit_memory": 0,
    },
    "kernel.criu": None,
}

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

_CUDA: dict[str, Any] = {
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

_NVML: dict[str, Any] = {
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

_CODECS_AND_GRAPHICS: dict[str, Any] = {
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

_CONTAINERS: dict[str, Any] = {
    "containerd.binary": {"path": "/usr/bin/containerd", "version": "2.3.2"},
    "containerd.service": {"active": True, "enabled": True},
    "containerd.config": {
        "version": 3,
        "default_runtime": "nvidia",
        "runtimes": ["runc", "nvidia"],
        "nvidia_binary": "/usr/bin/nvidia-container-runtime",
        "systemd_cgroup": True,
        "cdi_enabled": True,
        "cdi_directories": ["/etc/cdi", "/var/run/cdi"],
        "imports": ["/etc/containerd/conf.d/99-nvidia.toml"],
        "registry_path": "/etc/containerd/certs.d",
    },
    "containerd.runc": {"version": "1.3.4"},
    "docker.client": None,
    "docker.engine": None,
    "docker.config": {"credentials_store": None, "nvidia_runtime": False},
    "docker.model_runner": None,
    "podman.binary": None,
    "toolkit.packages": {
        name: {"version": "1.20.0-1", "held": True}
        for name in (
            "nvidia-container-toolkit",
            "nvidia-container-toolkit-base",
            "libnvidia-container-tools",
            "libnvidia-container1",
        )
    },
    "toolkit.ctk": {"path": "/usr/bin/nvidia-ctk", "version": "1.20.0"},
    "toolkit.config": {"mode": "auto", "default_kind": "nvidia.com/gpu"},
    "toolkit.cdi_specs": [
        {
            "file": "/etc/cdi/nvidia.yaml",
            "kind": "nvidia.com/gpu",
            "cdi_version": "0.3.0",
            "devices": ["all"],
            "device_nodes": ["/dev/dxg"],
            "mounts": [
                "/usr/lib/wsl/lib/libdxcore.so",
                *(
                    f"{STORE}/{name}"
                    for name in ("libcuda.so.1.1", "libnvcuvid.so.1", "libnvidia-encode.so.1", "nvidia-smi")
                ),
            ],
            "missing": [],
            "hooks": ["create-symlinks", "update-ldcache"],
        }
    ],
    "toolkit.refresh_unit": {
        "service": True,
        "path_enabled": True,
        "path_active": True,
        "result": "success",
        "accepts_wsl": True,
    },
    "toolkit.drop_in": {
        "file": "/etc/containerd/conf.d/99-nvidia.toml",
        "has_runtime_type": True,
        "config_version": 3,
    },
    "k8s.kubelet": None,
    "k8s.kubelet_config": None,
    "k8s.node": None,
    "k8s.runtime_classes": None,
    "k8s.device_plugin": None,
}

_PROGRAMS: dict[str, Any] = {
    "python.packages": {"torch": "2.9.1+cu130", "vllm": "0.25.0", "nvidia-nccl-cu13": "2.28.9"},
    "nccl.library": None,
    "nccl.environment": {},
    "dcgm.host_engine": None,
    "apps.ollama": None,
    "apps.llama_cpp": None,
    "storage.placement": [{"path": "/var/lib/containerd", "filesystem": "ext4", "on_windows": False}],
    "network.interfaces": [{"name": "eth0", "up": True, "mtu": 1500}],
}

HEALTHY_VALUES: dict[str, Any] = {
    **_SYSTEM,
    **_WSL,
    **_KERNEL,
    **_CUDA,
    **_NVML,
    **_CODECS_AND_GRAPHICS,
    **_CONTAINERS,
    **_PROGRAMS,
}
"""Observation id -> value; a Status where there is none. Benchmarks are of the level full and not among them."""


def observation(value: Any) -> Observation:
    """An observed value, or what a Status stands for."""
    if isinstance(value, Observation):
        return value
    if isinstance(value, Status):
        reasons = {Status.CRASH: "killed by SIGSEGV", Status.HANG: "ended after 10 s", Status.UNKNOWN: "not looked at"}
        return Observation(status=value, reason=reasons[value])
    return Observation(status=Status.OBSERVED, value=copy.deepcopy(value))


def document(values: dict[str, Any] | None = None, **fields: Any) -> Observations:
    """A document of just these observations.

    :param fields: of :class:`Observations`, to have other ones than a node at the level standard
    """
    run = ProbeRun(
        level=Level.STANDARD,
        view=View.NODE,
        program="0" * 64,
        interpreter="python3 3.12.3",
        started=STARTED,
        duration_s=2.5,
        cpu_s=0.5,
        uid=0,
    )
    observations = {key: observation(value) for key, value in (values or {}).items()}
    return Observations(**{"schema": SCHEMA, "probe": run, "observations": observations, **fields})


def healthy(changes: dict[str, Any] | None = None, **fields: Any) -> Observations:
    """A healthy WSL2 node.

    :param changes: observation id -> another value, or a Status
    """
    values = {**HEALTHY_VALUES, **(changes or {})}
    for name, kind in observation_kinds().items():
        if name not in values:
            values[name] = Observation(status=Status.UNKNOWN, reason=f"needs --level {kind.level.value}")
    identity = Identity(hostname="tower", machine_id="c0ffee" * 5 + "00", ssh_host_keys=("SHA256:abcdef",))
    return document(values, **{"identity": identity, "received": STARTED + 3.0, **fields})
