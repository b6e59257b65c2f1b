"""The healthy node of the tests but for its GPU: system, WSL, kernel, containers and programs.

The values are what public reports and the toolkit's own output show of such nodes; none was recorded on a GPU.
"""

from __future__ import annotations

from typing import Any

from tests.healthy_gpu import GIB, STORE

SYSTEM: dict[str, Any] = {
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

WSL: dict[str, Any] = {
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

KERNEL: dict[str, Any] = {
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

CONTAINERS: dict[str, Any] = {
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

PROGRAMS: dict[str, Any] = {
    "python.packages": {"torch": "2.9.1+cu130", "vllm": "0.25.0", "nvidia-nccl-cu13": "2.28.9"},
    "nccl.library": None,
    "nccl.environment": {},
    "dcgm.host_engine": None,
    "apps.ollama": None,
    "apps.llama_cpp": None,
    "storage.placement": [{"path": "/var/lib/containerd", "filesystem": "ext4", "on_windows": False}],
    "network.interfaces": [{"name": "eth0", "up": True, "mtu": 1500}],
}
