"""What the program makes of the files and outputs that it reads."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import pytest

from wslgpu.probe.node import (
    applications,
    containers,
    ffmpeg,
    files,
    graphics,
    identity,
    kernel,
    kubernetes,
    ldcache,
    packages,
    rocm,
    services,
    smi,
    system,
    toolkit,
    windows_drive,
    wsl,
    wsl_libraries,
)
from wslgpu.probe.node.base import Probe

CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"
MOUNTINFO = """\
25 0 8:48 / / rw,relatime - ext4 /dev/sdd rw,discard,errors=remount-ro
30 25 0:30 / /usr/lib/wsl/drivers ro,nosuid,nodev,noatime - 9p drivers ro,aname=drivers;fmask=222,trans=fd
31 25 0:31 / /usr/lib/wsl/lib rw,nosuid,nodev,noatime - overlay none rw,lowerdir=/gpu_lib_packaged:/gpu_lib_inbox
44 25 0:40 / /mnt/c rw,noatime - 9p C:\\134 rw,dirsync,aname=drvfs;path=C:\\;uid=1000,trans=fd
45 25 0:41 / /mnt/my\\040disk rw - 9p D:\\134 rw,aname=drvfs;path=D:\\
46 25 0:42 / /srv rw shared:1 master:2 - nfs4 box:/srv rw
nonsense
"""


def test_mounts() -> None:
    table = files.parse_mountinfo(MOUNTINFO)
    assert len(table) == 6
    drivers = files.mounted_at(table, "/usr/lib/wsl/drivers")
    assert drivers is not None
    assert (drivers.filesystem, drivers.source) == ("9p", "drivers")
    assert drivers.all_options == "ro,nosuid,nodev,noatime,aname=drivers;fmask=222,trans=fd"
    assert files.mounted_at(table, "/mnt") is None
    assert table[4].point == "/mnt/my disk"
    assert [getattr(files.mount_of(table, path), "point", "") for path in ("/mnt/c/x", "/mnt/cc", "/srv")] == [
        "/mnt/c",
        "/",
        "/srv",
    ]


def test_a_later_mount_hides_an_earlier_one() -> None:
    table = files.parse_mountinfo(MOUNTINFO + "50 25 0:9 / /srv ro - tmpfs none rw\n")
    mount = files.mounted_at(table, "/srv")
    assert mount is not None
    assert (mount.filesystem, mount.all_options) == ("tmpfs", "ro")


def test_placement() -> None:
    table = files.parse_mountinfo(MOUNTINFO)
    rows = windows_drive.placement(["/mnt/c/models", "/mnt/my disk", "/srv", "/usr/lib/wsl/drivers"], table)
    assert [row["on_windows"] for row in rows] == [True, True, False, False]
    assert windows_drive.drive_root(table) == "/mnt/c"
    assert windows_drive.drive_root([]) == "/mnt/c"


def test_the_newest_wslconfig_is_read(tmp_path: Path) -> None:
    for name, text in (("anna", b"[wsl2]\n"), ("Public", b"no"), ("bert", "[wsl2]\r\nswap=0".encode("utf-16"))):
        (tmp_path / "Users" / name).mkdir(parents=True)
        (tmp_path / "Users" / name / ".wslconfig").write_bytes(text)
    os.utime(tmp_path / "Users" / "anna" / ".wslconfig", (1, 1))
    assert windows_drive.wslconfig(str(tmp_path)) == {"text": "[wsl2]\r\nswap=0", "users": 2}
    assert windows_drive.wslconfig(str(tmp_path / "nowhere")) is None


def test_files_that_are_none(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "large").write_bytes(b"x" * 100)
    assert files.read_text(str(fifo)) is None
    assert files.read_text(str(tmp_path)) is None
    assert files.read_text("/dev/zero") is None
    assert files.read_text(str(tmp_path / "link"), follow=False) is None
    assert files.read_text(str(tmp_path / "large"), 10) == "x" * 10
    assert files.read_text("/no\0name") is None


def test_programs_are_not_looked_for_on_windows_drives(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    assert files.find_program("tool", f"relative:/mnt/c/x:{tmp_path}") is None
    program.chmod(0o755)
    assert files.find_program("tool", f"relative:/mnt/c/x:{tmp_path}") == str(program)


def test_packages_of_dpkg() -> None:
    data = b"""Package: containerd
Status: install ok installed
Version: 1.7.24~ds1-6

Package: gone
Status: deinstall ok config-files
Version: 1

Package: libnvidia-container1
Status: hold ok installed
Architecture: amd64
Version: 1.19.1-1
Description: x
 Package: not this one
"""
    table = packages.parse_status(data)
    assert table == {
        "containerd": packages.Package("1.7.24~ds1-6", False),
        "libnvidia-container1": packages.Package("1.19.1-1", True),
    }
    assert packages.named(table, ["libnvidia-"], ["containerd"]) == ["containerd", "libnvidia-container1"]


@pytest.mark.skipif(not Path(packages.STATUS).exists(), reason="no dpkg here")
def test_packages_as_dpkg_query_tells_them() -> None:
    words = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"]
    rows = [
        line.split() for line in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    ]
    expected = {row[1]: row[2] for row in rows if row[0] == "installed"}
    found = packages.parse_status(Path(packages.STATUS).read_bytes())
    assert {name: package.version for name, package in found.items()} == expected


@pytest.mark.skipif(not Path(ldcache.CACHE).exists(), reason="no loader's cache here")
def test_the_loader_s_cache_as_ldconfig_tells_it() -> None:
    listed = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    expected = [(line.split()[0], line.rpartition("=> ")[2]) for line in listed.splitlines() if "=>" in line]
    assert ldcache.parse_cache(Path(ldcache.CACHE).read_bytes()) == expected


def test_a_loader_s_cache_that_is_none() -> None:
    header = struct.pack("=20sII20x", b"glibc-ld.so.cache1.1", 3, 0)
    entry = struct.pack("=iIIIQ", 0, 10**9, 0, 0, 0)
    assert ldcache.parse_cache(b"ELF") == []
    assert ldcache.parse_cache(header[:30]) == []
    assert ldcache.parse_cache(header + entry) == [("", "glibc-ld.so.cache1.1\x03")]


def test_os_release() -> None:
    text = "# x\nID=ubuntu\nVERSION_ID=\"24.04\"\nPRETTY_NAME='Ubuntu 24.04.3 LTS'\nbroken\n"
    assert system.os_release(text) == {
        "id": "ubuntu",
        "version_id": "24.04",
        "codename": "",
        "pretty_name": "Ubuntu 24.04.3 LTS",
    }


def test_limits() -> None:
    text = (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max open files            1024                 524288               files     \n"
        "Max locked memory         65536                unlimited            bytes     \n"
    )
    assert system.limits(text) == {"memlock_soft_bytes": 65536, "memlock_hard_bytes": -1, "nofile_soft": 1024}


def test_memory_and_swap() -> None:
    assert system.memory("MemTotal:  2 kB\nSwapTotal:  1 kB\nHugePages: 0\n") == {
        "total_bytes": 2048,
        "available_bytes": 0,
        "swap_total_bytes": 1024,
    }
    swaps = "Filename\tType\tSize\tUsed\tPriority\n/dev/sdb partition 4194304 0 -2\n/my\\040swap file 4 0 -3\n"
    assert wsl.swaps(swaps) == [
        {"path": "/dev/sdb", "size_bytes": 4 << 30},
        {"path": "/my swap", "size_bytes": 4096},
    ]


@pytest.mark.parametrize(
    ("name", "libraries", "vendor"),
    [
        ("nv_dispi.inf_amd64_0123", ["libcuda.so.1.1"], "nvidia"),
        ("oem1.inf_amd64_0123", ["libnvwgf2umx.so"], "nvidia"),
        ("u0404040.inf_amd64_0123", ["libamdxx.so"], "amd"),
        ("u0404040.inf_amd64_0123", ["libother.so"], "amd"),
        ("iigd_dch.inf_amd64_0123", ["libigd12umd64.so"], "intel"),
        ("qcdx8380.inf_arm64_0123", ["libqcdx.so"], "other"),
    ],
)
def test_whose_driver_store_it_is(name: str, libraries: list[str], vendor: str) -> None:
    assert wsl_libraries.vendor(name, libraries) == vendor


def test_gpus_on_the_pci_bus() -> None:
    functions = [
        ("0x1414", "0x008e", "0x030200"),
        ("0x1414", "0x5353", "0x030000"),
        ("0x10de", "0x2684", "0x030000"),
        ("0x10de", "0x22ba", "0x040300"),
        ("0x8086", "0x1237", "0x060000"),
    ]
    assert wsl_libraries.pci_counts(functions) == {"microsoft_gpu": 1, "nvidia": 1, "amd": 0, "intel_gpu": 0}


def test_units_of_systemd() -> None:
    text = "Id=a.service\nEnvironment=A=b PATH=/x:/usr/lib/wsl/lib\n\nId=b.service\nLoadState=not-found\n"
    rows = services.parse_show(text)
    assert [row["Id"] for row in rows] == ["a.service", "b.service"]
    assert services.path_of(rows[0]["Environment"]) == "/x:/usr/lib/wsl/lib"
    assert services.path_of('LANG=C "PATH=/a b:/c"') == "/a"
    assert services.parse_show("") == []


def test_messages_of_the_gpu_driver() -> None:
    lines = [
        "misc dxg: dxgk: dxgkio_query_adapter_info: Ioctl failed: -22",
        "misc dxg: dxgk: dxgkio_make_resident: Ioctl failed: -12",
        "hv_vmbus: registering driver dxgkrnl",
        "eth0: up",
    ]
    found = kernel.dxg_messages(lines)
    assert (found["dxgk_errors"], found["make_resident_no_memory"]) == (2, 1)
    assert found["lines"] == lines[:3]


SMI = """\
Mon Nov 16 10:00:00 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.95.05              Driver Version: 581.80         CUDA Version: 13.0     |
|-----------------------------------------+------------------------+----------------------+
"""


def test_the_banner_of_nvidia_smi() -> None:
    assert smi.banner(SMI) == {"smi_version": "580.95.05", "driver_version": "581.80", "cuda_version": "13.0"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x1b[31mNVIDIA-SMI\x1b[0m",
        "<html><b>NVIDIA-SMI Driver Version: <script></b>",
        '{"status": "observed", "NVIDIA-SMI": 1}',
        "NVIDIA-SMI",
        "NVIDIA-SMI Driver Version: CUDA Version:",
        "NVIDIA-SMI Driver Version: " + "9" * 100,
    ],
)
def test_a_banner_that_is_none(text: str) -> None:
    assert smi.banner(text) == {"smi_version": "", "driver_version": "", "cuda_version": ""}


def test_driver_models() -> None:
    text = """
    Display Mode                          : Disabled
    Driver Model
        Current                           : WDDM
        Pending                           : TCC
    MIG Mode
        Current                           : N/A
    Driver Model
        Current                           : MCDM
    Driver Model
        Current                           : <b>
"""
    assert smi.driver_models(text) == ["WDDM", "MCDM"]


CONFIG = """\
version = 3
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = '/etc/containerd/certs.d'
  [plugins.'io.containerd.cri.v1.images'.registry.configs.'private.example'.auth]
    password = 'secret'
[plugins.'io.containerd.cri.v1.runtime']
  enable_cdi = true
  cdi_spec_dirs = ['/etc/cdi', '/var/run/cdi']
  [plugins.'io.containerd.cri.v1.runtime'.containerd]
    default_runtime_name = 'nvidia'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.nvidia.options]
      BinaryName = '/usr/bin/nvidia-container-runtime'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = true
"""


def test_containerd_s_configuration() -> None:
    found = containers.containerd_config(CONFIG)
    assert found == {
        "version": 3,
        "default_runtime": "nvidia",
        "runtimes": ["nvidia", "runc"],
        "nvidia_binary": "/usr/bin/nvidia-container-runtime",
        "systemd_cgroup": True,
        "cdi_enabled": True,
        "cdi_directories": ["/etc/cdi", "/var/run/cdi"],
        "imports": ["/etc/containerd/conf.d/*.toml"],
        "registry_path": "/etc/containerd/certs.d",
    }
    assert "secret" not in repr(found)


def test_containerd_s_configuration_of_version_2_and_without_cri() -> None:
    text = (CAPTURES / "nvidia-ctk-1.20.0_containerd-1.7_99-nvidia.toml").read_text()
    found = containers.containerd_config(text)
    assert (found["version"], found["default_runtime"], found["cdi_enabled"]) == (2, "runc", True)
    assert "nvidia" in found["runtimes"]  # type: ignore[operator]
    empty = containers.containerd_config('version = 2\ndisabled_plugins = ["cri"]\n')
    assert (empty["default_runtime"], empty["runtimes"], empty["cdi_enabled"]) == ("", [], None)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("containerd github.com/containerd/containerd v1.7.24 88bf19b2105c8b17560993bee28a01ddc2f97182", "1.7.24"),
        ("containerd github.com/containerd/containerd/v2 2.1.4 x", "2.1.4"),
        ("runc version 1.3.3\ncommit: v9.9.9", "1.3.3"),
        ("podman version 5.4.2", "5.4.2"),
        ("k3s version v1.31.4+k3s1 (a562d090)", "1.31.4+k3s1"),
        ("Kubernetes v1.31.0", "1.31.0"),
        ("", ""),
    ],
)
def test_versions(text: str, version: str) -> None:
    assert containers.version_word(text) == version


def test_docker_s_model_runner() -> None:
    assert containers.model_status('{"running": true, "backends": {"vllm": "x", "llama.cpp": "y"}}') == {
        "running": True,
        "backends": ["llama.cpp", "vllm"],
    }
    assert containers.model_status("Docker Model Runner is not running") == {"running": False, "backends": []}


def test_a_cdi_spec() -> None:
    text = (CAPTURES / "nvidia-ctk-1.19.1_cdi-generate_wsl.yaml").read_text()
    found = toolkit.cdi_spec("/etc/cdi/nvidia.yaml", text, lambda path: path != "/dev/dxg")
    assert found["kind"] == "nvidia.com/gpu"
    assert found["devices"] == ["all"]
    assert found["device_nodes"] == ["/dev/dxg"]
    assert found["missing"] == ["/dev/dxg"]
    assert found["hooks"] == ["create-symlinks", "update-ldcache"]
    assert len(found["mounts"]) == 9  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "text"),
    [("x.yaml", "<html>"), ("x.json", "{"), ("x.json", "[1]"), ("x.json", '{"devices": 3, "containerEdits": []}')],
)
def test_a_cdi_spec_that_is_none(path: str, text: str) -> None:
    found = toolkit.cdi_spec(path, text, lambda _: True)
    assert (found["kind"], found["devices"], found["mounts"]) == ("", [], [])


def test_the_toolkit_s_configuration() -> None:
    text = (CAPTURES / "nvidia-ctk-1.20.0_config-default.toml").read_text()
    assert toolkit.config(text) == {"mode": "auto", "default_kind": "nvidia.com/gpu"}
    assert toolkit.config("[nvidia-container-runtime]\nmode = 'legacy'\n") == {"mode": "legacy", "default_kind": None}
    assert toolkit.ctk_version("NVIDIA Container Toolkit CLI version 1.19.1\ncommit: abc\n") == "1.19.1"


@pytest.mark.parametrize(("name", "version"), [("1.18.1", 2), ("1.20.0", 2)])
def test_the_drop_in(name: str, version: int) -> None:
    found = toolkit.drop_in((CAPTURES / f"nvidia-ctk-{name}_containerd-1.7_99-nvidia.toml").read_text())
    assert found == {"file": toolkit.DROP_IN, "has_runtime_type": True, "config_version": version}
    assert toolkit.drop_in("version = 3\n")["has_runtime_type"] is False


def test_kubernetes() -> None:
    node = {
        "metadata": {"labels": {"nvidia.com/gpu.product": "L20", "kubernetes.io/hostname": "node1"}},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "capacity": {"nvidia.com/gpu": "1"},
            "allocatable": {"nvidia.com/gpu": "many"},
        },
    }
    assert kubernetes.node_row(node) == {
        "ready": True,
        "capacity_gpus": 1,
        "allocatable_gpus": 0,
        "labels": {"nvidia.com/gpu.product": "L20"},
    }
    plugin = {
        "kind": "DaemonSet",
        "spec": {
            "template": {
                "spec": {
                    "runtimeClassName": "nvidia",
                    "containers": [{"image": "reg:5000/nvidia/k8s-device-plugin:v0.19.3@sha256:00"}],
                }
            }
        },
        "status": {"desiredNumberScheduled": 2, "numberReady": 1},
    }
    # the same image, and no plugin
    discovery = {**plugin, "metadata": {"name": "gpu-feature-discovery"}, "status": {}}
    classes = {"kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"}
    things = {"items": [classes, 3, discovery, plugin]}
    assert kubernetes.runtime_classes(things) == [{"name": "nvidia", "handler": "nvidia"}]
    assert kubernetes.device_plugin(things) == {
        "image": "reg:5000/nvidia/k8s-device-plugin:v0.19.3@sha256:00",
        "version": "0.19.3",
        "desired": 2,
        "ready": 1,
        "runtime_class": "nvidia",
    }
    assert kubernetes.device_plugin({"items": None}) is None
    text = "failSwapOn: false # WSL\ncgroupDriver: 'systemd'\nx:\n  failSwapOn: true\n"
    assert kubernetes.kubelet_config(text) == {"fail_swap_on": False, "cgroup_driver": "systemd"}
    assert kubernetes.kubelet_config("kind: x") == {"fail_swap_on": None, "cgroup_driver": None}


VULKAN = """\
Devices:
========
GPU0:
\tapiVersion         = 1.2.328 (4206920)
\tdeviceType         = PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
\tdeviceName         = Microsoft Direct3D12 (NVIDIA L20)
\tdriverID           = DRIVER_ID_MESA_DOZEN
\tdriverName         = Dozen
\tconformanceVersion = 1.3.8.4
GPU1:
\tdeviceName         = llvmpipe
"""


def test_vulkan() -> None:
    first, second = graphics.vulkan_devices(VULKAN)
    assert (first["name"], first["driver_id"]) == ("Microsoft Direct3D12 (NVIDIA L20)", "DRIVER_ID_MESA_DOZEN")
    assert (first["api_version"], first["conformance"]) == ("1.2.328", "1.3.8.4")
    assert (second["name"], second["driver_name"]) == ("llvmpipe", "")
    assert graphics.vulkan_devices("apiVersion = 1.0") == []
    text = '{"ICD": {"library_path": "libvulkan_dzn.so", "api_version": "1.1.317"}}'
    assert graphics.manifest(text) == ("libvulkan_dzn.so", "1.1.317")
    assert graphics.manifest("[]") == graphics.manifest('{"ICD": 3}') == graphics.manifest("<html>") == ("", "")


def test_opengl() -> None:
    text = """
GBM platform:
OpenGL core profile vendor: Mesa
OpenGL core profile renderer: llvmpipe (LLVM 19.1.7, 256 bits)
OpenGL core profile version: 4.5 (Core Profile) Mesa 25.0.7
Surfaceless platform:
OpenGL core profile renderer: D3D12 (NVIDIA L20)
OpenGL core profile version: 4.6 (Core Profile) Mesa 25.0.7
"""
    assert graphics.renderers(text) == ("D3D12 (NVIDIA L20)", "4.6 (Core Profile) Mesa 25.0.7")
    glx = "OpenGL renderer string: llvmpipe\nOpenGL core profile version string: 4.5\n"
    assert graphics.renderers(glx) == ("llvmpipe", "4.5")
    assert graphics.renderers("Error: unable to open display") == ("", "")


def test_video_and_amd() -> None:
    text = "vainfo: Driver version: Mesa Gallium driver 25 for D3D12\n      VAProfileH264Main : VAEntrypointVLD\n"
    assert graphics.vaapi(text) == {"driver": "Mesa Gallium driver 25 for D3D12", "entrypoints": 1}
    agents = "  Name:                    AMD Ryzen\n  Name:  gfx1100\n      Name:   amdgcn-amd-amdhsa--gfx1100\n"
    assert rocm.gfx_names(agents) == ["gfx1100"]


def test_wslgpus_own_ffmpeg_is_found_though_no_path_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho 'ffmpeg version 7.1.5' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(ffmpeg, "OWN", str(tmp_path))
    monkeypatch.setattr("wslgpu.probe.node.ffmpeg.trusted_folders", lambda path, _mounts, _uid: [path])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    probe = Probe("quick", "node", {"codec.ffmpeg": ""}, 60.0)
    ffmpeg.observe(probe)
    assert probe.results["codec.ffmpeg"]["value"]["path"] == str(program)


def test_ffmpeg_s_parts() -> None:
    texts = {
        "version": "ffmpeg version n8.1-latest Copyright (c) 2000-2026 the FFmpeg developers\n",
        "encoders": "Encoders:\n V....D h264_nvenc  NVIDIA NVENC\n V....D libx264  x\n V..... av1_nvenc  x\n",
        "hwaccels": "Hardware acceleration methods:\nvdpau\ncuda\n",
        "filters": "Filters:\n ... scale_cuda  V->V  GPU accelerated video resizer\n",
    }
    assert ffmpeg.parts(texts) == {
        "version": "n8.1-latest",
        "nvenc": ["av1_nvenc", "h264_nvenc"],
        "cuda_hwaccel": True,
        "scale_cuda": True,
    }
    assert ffmpeg.parts(dict.fromkeys(texts, "")) == {
        "version": "",
        "nvenc": [],
        "cuda_hwaccel": False,
        "scale_cuda": False,
    }


def test_applications() -> None:
    entries = ["torch-2.9.0+cu128.dist-info", "nvidia_nccl_cu12-2.27.5.dist-info", "numpy-2.0.dist-info", "vllm.py"]
    assert applications.python_packages(entries) == {"torch": "2.9.0+cu128", "nvidia-nccl-cu12": "2.27.5"}
    assert applications.last_version("Warning: could not connect\nollama version is 0.12.6\n") == "0.12.6"
    assert applications.last_version("dcgmi  version: 3.3.5\n") == "3.3.5"
    assert applications.llama_version("version: 4567 (abc1234)\nbuilt with cc") == "4567 (abc1234)"
    assert applications.nvcc_version("Cuda compilation tools, release 12.6, V12.6.77\n") == "12.6.77"
    text = "NCCL_DEBUG=INFO # x\nOTHER=1\nnonsense\n"
    assert applications.nccl_settings({"NCCL_DEBUG": "WARN", "TOKEN": "s"}, text) == {"NCCL_DEBUG": "WARN"}


def test_fingerprints_as_ssh_keygen_tells_them(tmp_path: Path) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHn1d1oN9pEoWyxSxvFmpJ6pC0Vf3MYbFsRxmT5Zb2vA node1"
    path = tmp_path / "key.pub"
    path.write_text(key + "\n")
    told = subprocess.run(["ssh-keygen", "-l", "-E", "sha256", "-f", path], capture_output=True, text=True, check=True)
    assert identity.fingerprint(key) == told.stdout.split()[1]
    assert identity.fingerprint("ssh-ed25519") == identity.fingerprint("") == identity.fingerprint("a b") == ""
