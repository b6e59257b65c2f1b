"""The lab's stand-ins against what the genuine programs were seen to print and write (fixtures/captures)."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from wslgpu.lab.stand_ins import driver, toolkit, windows
from wslgpu.lab.stand_ins.node import NOTICE, cdi, cdi_hook, config, ctk, engines, runtime, toml_text, yaml_text
from wslgpu.lab.stand_ins.node.log import Logger

pytestmark = pytest.mark.compiled

CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"
DXG = cdi.DeviceNumber(10, 125, 0o666)
QUIET = Logger(quiet=True)

DEBIAN_CONTAINERD = """\
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
"""

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
needs_dpkg = pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("dpkg-deb") is None, reason="no gcc or dpkg-deb on this machine"
)


def capture(name: str) -> str:
    """A capture without the comment line that names the command, where it has one."""
    first, newline, rest = (CAPTURES / name).read_text(encoding="utf-8").partition("\n")
    return rest if first.startswith("# Output of") else first + newline + rest


def captured_store() -> list[str]:
    first = (CAPTURES / "nvidia-ctk-1.20.0_cdi-generate_wsl.yaml").read_text(encoding="utf-8").splitlines()[0]
    return first.rpartition("held: ")[2].split()


def make_root(
    root: Path, stores: dict[str, list[str]], *, dxg: bool = True, device: cdi.DeviceNumber | None = DXG
) -> cdi.Node:
    """A node's files: driver stores by name, libdxcore in /usr/lib/wsl/lib, and a plain file for /dev/dxg."""
    for name, files in stores.items():
        folder = root / "usr/lib/wsl/drivers" / name
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).touch()
    library = root / "usr/lib/wsl/lib"
    library.mkdir(parents=True)
    (library / "libdxcore.so").touch()
    (root / "dev").mkdir()
    if dxg:
        (root / "dev/dxg").touch()
    return cdi.Node(root, device)


# --- the CDI spec


@pytest.mark.parametrize("version", ["1.19.1", "1.20.0"])
def test_the_spec_is_the_captured_one(tmp_path: Path, version: str) -> None:
    node = make_root(tmp_path, {"nv_dispi.inf_amd64_0123456789abcdef": captured_store()})
    text = cdi.to_yaml(cdi.generate(node, version, QUIET))
    assert text == capture(f"nvidia-ctk-{version}_cdi-generate_wsl.yaml")


@pytest.mark.parametrize("version", ["1.18.1", "1.18.2"])
def test_the_spec_of_1_18_is_the_captured_one_when_dxg_is_no_device(tmp_path: Path, version: str) -> None:
    node = make_root(tmp_path, {"nv_dispi.inf_amd64_0123": list(cdi.REQUIRED)}, device=None)
    text = cdi.to_yaml(cdi.generate(node, version, QUIET))
    assert text == capture("nvidia-ctk-1.18.1_cdi-generate_wsl.yaml")


def test_up_to_1_19_nine_files_are_mounted_and_from_1_20_the_whole_store(tmp_path: Path) -> None:
    node = make_root(tmp_path, {"nv_dispi.inf_amd64_0": [*captured_store(), "readme.txt", "nv.inf"]})
    mounted = {v: cdi.driver_files(node, v, QUIET) for v in ("1.18.1", "1.19.1", "1.20.0")}
    assert mounted["1.18.1"] == mounted["1.19.1"]
    assert len(mounted["1.19.1"]) == 9
    assert len(mounted["1.20.0"]) == 18
    assert not [path for path in mounted["1.20.0"] if path.endswith((".txt", ".inf"))]


def test_of_two_adapters_the_one_with_cuda_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores = {"iigd_dch.inf_amd64_0": ["libigd.so"], "nv_dispi.inf_amd64_0": captured_store()}
    files = cdi.driver_files(make_root(tmp_path, stores), "1.20.0", Logger())
    assert not [path for path in files if "iigd" in path]
    assert "/usr/lib/wsl/drivers/nv_dispi.inf_amd64_0/libcuda.so.1.1" in files
    warning = (
        'level=warning msg="Found multiple driver store paths: '
        '[/usr/lib/wsl/drivers/iigd_dch.inf_amd64_0 /usr/lib/wsl/drivers/nv_dispi.inf_amd64_0]"'
    )
    assert warning in capsys.readouterr().err


def test_no_adapter_is_the_captured_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctk.main(["cdi", "generate", "--mode=wsl"], make_root(tmp_path, {})) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert (
        "failed to generate CDI spec: failed to create edits common for entities: "
        "failed to create discoverer for WSL driver: no driver store paths found"
    ) in out.err


def test_no_dxg_is_the_captured_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = make_root(tmp_path, {"nv_dispi.inf_amd64_0": captured_store()}, dxg=False)
    assert ctk.main(["cdi", "generate", "--mode=wsl"], node) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert "Could not locate /dev/dxg: /dev/dxg: not found" in out.err
    assert (
        "failed to write CDI spec to STDOUT: failed to write spec: invalid CDI Spec: "
        'failed add device \\"all\\": invalid device, empty device edits'
    ) in out.err


def test_generate_detects_wsl_and_writes_whole_files_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    node = make_root(tmp_path, {"nv_dispi.inf_amd64_0": captured_store()})
    assert ctk.main(["cdi", "generate", "--output=/var/run/cdi/nvidia.yaml"], node) == 0
    out = capsys.readouterr()
    assert out.out == ""
    assert "Auto-detected mode as 'wsl'" in out.err
    assert [path.name for path in (tmp_path / "var/run/cdi").iterdir()] == ["nvidia.yaml"]
    assert ctk.main(["cdi", "list"], node) == 0
    out = capsys.readouterr()
    assert out.out == "nvidia.com/gpu=all\n"
    assert "Found 1 CDI devices" in out.err


def test_the_yaml_reader_reads_what_pyyaml_reads() -> None:
    for path in sorted(CAPTURES.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert yaml_text.loads(text) == yaml.safe_load(text)
    text = "a: 'it''s'\nb: \"x: y\"\nc: []\nd:\n- 1\n- two # three\n-\n  e: null\nf: {}\ng: true\n"
    assert yaml_text.loads(text) == yaml.safe_load(text)


# --- runtime configure


def test_the_drop_in_of_1_18_is_the_captured_one(tmp_path: Path) -> None:
    (tmp_path / "etc/containerd").mkdir(parents=True)
    (tmp_path / "etc/containerd/config.toml").write_text(DEBIAN_CONTAINERD, encoding="utf-8")
    assert ctk.main(["--quiet", "runtime", "configure", "--runtime=containerd"], cdi.Node(tmp_path)) == 0
    drop_in = tmp_path / "etc/containerd/conf.d/99-nvidia.toml"
    top = tmp_path / "etc/containerd/config.toml"
    assert drop_in.read_text(encoding="utf-8") == capture("nvidia-ctk-1.18.1_containerd-1.7_99-nvidia.toml")
    assert top.read_text(encoding="utf-8") == capture("nvidia-ctk-1.18.1_containerd-1.7_config.toml")


def containerd_default() -> str:
    """`containerd config default` of 1.7, got back from the capture that repeats its CRI section."""
    table = toml_text.loads(capture("nvidia-ctk-1.20.0_containerd-1.7_99-nvidia.toml"))
    section = table["plugins"]["io.containerd.grpc.v1.cri"]
    section["enable_cdi"] = False
    del section["containerd"]["runtimes"]["nvidia"]
    return toml_text.dumps(table)


@pytest.mark.parametrize("version", ["1.19.1", "1.20.0"])
def test_the_drop_in_repeats_the_cri_section_as_captured(version: str) -> None:
    text = engines.containerd(containerd_default(), version=version, cdi=True)
    assert text == capture("nvidia-ctk-1.20.0_containerd-1.7_99-nvidia.toml")


def test_the_runtime_takes_over_runcs_cgroup_driver_and_may_be_the_default() -> None:
    source = containerd_default().replace("SystemdCgroup = false", "SystemdCgroup = true")
    text = engines.containerd(source, version="1.20.0", set_as_default=True)
    engine = toml_text.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]
    assert engine["runtimes"]["nvidia"]["options"]["SystemdCgroup"] is True
    assert engine["default_runtime_name"] == "nvidia"


def test_configuration_version_3_has_the_other_plugin() -> None:
    source = 'version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd]\ndefault_runtime_name = "runc"\n'
    table = toml_text.loads(engines.containerd(source, version="1.20.0"))
    assert table["version"] == 3
    runtimes = table["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"]
    assert runtimes["nvidia"]["options"]["BinaryName"] == "/usr/bin/nvidia-container-runtime"
    with pytest.raises(engines.EngineError, match="unsupported config version: 1"):
        engines.containerd("version = 1\n", version="1.20.0")


@pytest.mark.parametrize(("version", "has_type"), [("1.19.1", False), ("1.20.0", True)])
def test_a_runc_table_without_a_type_is_repaired_from_1_20(version: str, has_type: bool) -> None:
    source = (
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\nSystemdCgroup = true\n'
    )
    table = toml_text.loads(engines.containerd(source, version=version))
    runtime_table = table["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]["runtimes"]["nvidia"]
    assert ("runtime_type" in runtime_table) is has_type


def test_docker_is_configured_as_captured(tmp_path: Path) -> None:
    arguments = ["--quiet", "runtime", "configure", "--runtime=docker", "--cdi.enabled"]
    assert ctk.main(arguments, cdi.Node(tmp_path)) == 0
    text = (tmp_path / "etc/docker/daemon.json").read_text(encoding="utf-8")
    assert text == capture("nvidia-ctk-1.20.0_docker_daemon.json")


def test_dry_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["runtime", "configure", "--runtime=containerd", "--dry-run=true"]
    assert ctk.main(arguments, cdi.Node(tmp_path)) == 0
    assert "BinaryName" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_the_toml_reader_refuses_what_it_does_not_understand() -> None:
    assert toml_text.loads('a.b = [1, 2.5,\n "x", # y\n]\nc = {d = \'e\'}\n[[f]]\ng = "\\t"\n[[f]]\n') == {
        "a": {"b": [1, 2.5, "x"]},
        "c": {"d": "e"},
        "f": [{"g": "\t"}, {}],
    }
    for text, line in (("a = 1\nb\n", 2), ("a = 1 2\n", 1), ("a = 'x\n", 1), ("a = 1\n\na = 2\n", 3)):
        with pytest.raises(toml_text.TomlError, match=f"^line {line}: "):
            toml_text.loads(text)


# --- the toolkit's own configuration


def test_config_default_is_the_captured_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert ctk.main(["config", "default"]) == 0
    assert capsys.readouterr().out == capture("nvidia-ctk-1.20.0_config-default.toml")


def test_config_set_changes_one_line_and_keeps_comments(tmp_path: Path) -> None:
    node = cdi.Node(tmp_path)
    before = config.DEFAULT.splitlines()
    settings = "nvidia-container-runtime.mode=cdi,accept-nvidia-visible-devices-envvar-when-unprivileged=false"
    assert ctk.main(["config", "--in-place", "--set", settings], node) == 0
    after = (tmp_path / config.PATH.lstrip("/")).read_text(encoding="utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        (
            "#accept-nvidia-visible-devices-envvar-when-unprivileged = true",
            "accept-nvidia-visible-devices-envvar-when-unprivileged = false",
        ),
        ('mode = "auto"', 'mode = "cdi"'),
    ]
    assert 'runtimes = ["crun"]' in config.set_value(config.DEFAULT, "nvidia-container-runtime.runtimes=crun")
    with pytest.raises(config.ConfigError, match="no boolean"):
        config.set_value(config.DEFAULT, "nvidia-container-cli.load-kmods=perhaps")


# --- the container runtime


def oci_spec(**environment: str) -> dict[str, Any]:
    env = ["PATH=/bin", *(f"{name}={value}" for name, value in environment.items())]
    return {
        "process": {"env": env},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "source": "proc", "type": "proc"}],
        "linux": {"resources": {"devices": [{"allow": False, "access": "rwm"}]}},
    }


def settings(mode: str = "auto") -> dict[str, Any]:
    return toml_text.loads(config.set_value(config.DEFAULT, f"nvidia-container-runtime.mode={mode}"))


@pytest.fixture
def node(tmp_path: Path) -> cdi.Node:
    return make_root(tmp_path / "node", {"nv_dispi.inf_amd64_0": captured_store()})


@pytest.mark.parametrize("value", ["all", "0", "GPU-01111111-2222-3333-4444-555555555555", "none", "0,1"])
def test_any_request_gives_all_gpus_on_wsl(node: cdi.Node, value: str) -> None:
    edits = runtime.requested_edits(oci_spec(NVIDIA_VISIBLE_DEVICES=value), settings(), node, QUIET)
    assert edits is not None
    assert [device["path"] for device in edits["deviceNodes"]] == ["/dev/dxg"]


@pytest.mark.parametrize("environment", [{}, {"NVIDIA_VISIBLE_DEVICES": "void"}, {"NVIDIA_VISIBLE_DEVICES": ""}])
@pytest.mark.parametrize("mode", ["auto", "cdi"])
def test_no_request_gives_nothing(node: cdi.Node, environment: dict[str, str], mode: str) -> None:
    assert runtime.requested_edits(oci_spec(**environment), settings(mode), node, QUIET) is None


@pytest.mark.parametrize(("mode", "value"), [("cdi", "0"), ("cdi", "all"), ("auto", "nvidia.com/gpu=all")])
def test_a_device_without_a_spec_is_unresolvable(node: cdi.Node, mode: str, value: str) -> None:
    wanted = value if "=" in value else f"nvidia.com/gpu={value}"
    with pytest.raises(runtime.InjectError, match=f"unresolvable CDI devices {re.escape(wanted)}$"):
        runtime.requested_edits(oci_spec(NVIDIA_VISIBLE_DEVICES=value), settings(mode), node, QUIET)


def test_the_spec_in_var_run_wins_over_the_one_in_etc(node: cdi.Node) -> None:
    for folder, device in (("etc/cdi", "/dev/etc"), ("var/run/cdi", "/dev/run")):
        spec = {"kind": cdi.KIND, "devices": [{"name": "all", "containerEdits": {"deviceNodes": [{"path": device}]}}]}
        (node.root / folder).mkdir(parents=True)
        (node.root / folder / "nvidia.json").write_text(json.dumps(spec), encoding="utf-8")
    edits = runtime.requested_edits(oci_spec(NVIDIA_VISIBLE_DEVICES="all"), settings("cdi"), node, QUIET)
    assert edits is not None
    assert edits["deviceNodes"] == [{"path": "/dev/run"}]
    spec = oci_spec() | {"annotations": {"cdi.k8s.io/pod": "nvidia.com/gpu=all"}}
    assert runtime.requested_edits(spec, settings(), node, QUIET) == edits


def test_a_bundle_gets_device_permission_mounts_environment_and_hooks(node: cdi.Node, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(oci_spec(NVIDIA_VISIBLE_DEVICES="all")), encoding="utf-8")
    runtime.modify_bundle(bundle, settings(), node, QUIET)
    spec = json.loads((bundle / "config.json").read_text(encoding="utf-8"))
    assert spec["process"]["env"] == ["PATH=/bin", "NVIDIA_VISIBLE_DEVICES=void"]
    assert spec["linux"]["devices"] == [{"path": "/dev/dxg", "type": "c", "major": 10, "minor": 125, "fileMode": 0o666}]
    allowed = {"allow": True, "type": "c", "major": 10, "minor": 125, "access": "rwm"}
    assert spec["linux"]["resources"]["devices"] == [{"allow": False, "access": "rwm"}, allowed]
    files = cdi.driver_files(node, "1.20.0", QUIET)
    assert [mount["destination"] for mount in spec["mounts"]] == ["/proc", *files]
    assert [hook["args"][1] for hook in spec["hooks"]["createContainer"]] == ["create-symlinks", "update-ldcache"]
    before = (bundle / "config.json").read_bytes()
    runtime.modify_bundle(bundle, settings(), node, QUIET)
    assert (bundle / "config.json").read_bytes() == before  # "void" asks for nothing


def test_a_failed_create_says_why_in_runcs_log(node: cdi.Node, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    spec = oci_spec(NVIDIA_VISIBLE_DEVICES="nvidia.com/gpu=0")
    (bundle / "config.json").write_text(json.dumps(spec), encoding="utf-8")
    log = tmp_path / "log.json"
    arguments = ["--root", "/run/x", "--log", str(log), "--log-format", "json"]
    assert runtime.main([*arguments, "create", "--bundle", str(bundle), "id"], node) == 1
    entry = json.loads(log.read_text(encoding="utf-8"))
    assert entry["level"] == "error"
    assert entry["msg"].endswith("unresolvable CDI devices nvidia.com/gpu=0")


def test_a_hook_finds_the_containers_root(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"root": {"path": "rootfs"}}', encoding="utf-8")
    with pytest.raises(cdi_hook.HookError, match="is not there"):
        cdi_hook.container_root({"bundle": str(tmp_path)})
    (tmp_path / "rootfs").mkdir()
    assert cdi_hook.container_root({"bundle": str(tmp_path)}) == tmp_path / "rootfs"


# --- the driver tree


@needs_gcc
@pytest.mark.parametrize("scenario", list(driver.SCENARIOS))
def test_the_tree_has_the_captured_store_and_one_truth(tmp_path: Path, scenario: str) -> None:
    driver.build_driver_tree(tmp_path, scenario=scenario, dxg="/dev/null")
    store = tmp_path / "drivers/nv_dispi.inf_amd64_0123456789abcdef"
    assert sorted(path.name for path in store.iterdir()) == sorted(captured_store())
    for name in driver.CUDA_NAMES:
        path = tmp_path / "lib" / name
        assert path.is_file()
        assert not path.is_symlink()
    for path in [*(tmp_path / "lib").iterdir(), *store.iterdir()]:
        assert b"wslgpu lab stand-in" in path.read_bytes(), path

    gpus = driver.SCENARIOS[scenario].gpus
    lines = smi(tmp_path, "--query-gpu=name,uuid,memory.total", "--format=csv,noheader,nounits").splitlines()
    assert lines == [f"{gpu.name}, {gpu.uuid}, {gpu.total_mib}" for gpu in gpus]
    assert cuda_names(tmp_path / "lib/libcuda.so.1") == [gpu.name for gpu in gpus]
    assert all("(stand-in)" in gpu.name for gpu in gpus)


def smi(tree: Path, *arguments: str, status: int = 0) -> str:
    done = subprocess.run([tree / "lib/nvidia-smi", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == status, done
    return done.stdout


def cuda_names(path: Path) -> list[str]:
    library = ctypes.CDLL(str(path))
    assert library.cuDeviceGetCount(ctypes.byref(ctypes.c_int())) == 3
    assert library.cuInit(0) == 0
    count = ctypes.c_int()
    assert library.cuDeviceGetCount(ctypes.byref(count)) == 0
    names = []
    for index in range(count.value):
        name = ctypes.create_string_buffer(100)
        assert library.cuDeviceGetName(name, 100, index) == 0
        names.append(name.value.decode())
    version = ctypes.c_int()
    assert library.cuDriverGetVersion(ctypes.byref(version)) == 0
    assert version.value == 13000
    assert library.cuModuleLoadData(ctypes.byref(ctypes.c_void_p()), b"") == 209
    assert library.cuLaunchKernel() == 801
    return names


@needs_gcc
def test_nvidia_smi_says_what_the_genuine_one_says(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="two-gpus", driver_version="582.10", dxg="/dev/null")
    assert re.search(r"NVIDIA-SMI 580\.95\.05 +Driver Version: 582\.10 +CUDA Version: 13\.0", smi(tmp_path))
    assert smi(tmp_path, "-L").splitlines()[1] == (
        "GPU 1: NVIDIA L20 (stand-in) (UUID: GPU-02111111-2222-3333-4444-555555555555)"
    )
    full = smi(tmp_path, "-q")
    assert re.search(r"Driver Model\n +Current +: WDDM", full)
    assert re.search(r"Minor Number +: N/A", full)
    header = smi(tmp_path, "--query-gpu=memory.used,power.draw,utilization.gpu", "--format=csv").splitlines()
    assert header == [
        "memory.used [MiB], power.draw [W], utilization.gpu [%]",
        "512 MiB, 22.50 W, 0 %",
        "384 MiB, 23.50 W, 0 %",
    ]
    assert "is not a valid field" in smi(tmp_path, "--query-gpu=speed", "--format=csv", status=2)
    assert "stand-in" in smi(tmp_path, "--version")
    (tmp_path / "lib/libnvidia-ml.so.1").unlink()
    assert "couldn't find libnvidia-ml.so" in smi(tmp_path, "-L", status=12)


@needs_gcc
def test_without_its_device_the_driver_refuses(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="one-gpu", dxg=str(tmp_path / "no-dxg"))
    assert "GPU access blocked by the operating system" in smi(tmp_path, "-L", status=17)
    assert ctypes.CDLL(str(tmp_path / "lib/libcuda.so.1.1")).cuInit(0) == 100


@needs_gcc
def test_a_driver_update_replaces_the_store(tmp_path: Path) -> None:
    driver.build_driver_tree(tmp_path, scenario="hybrid", store_hash="aaaa")
    driver.build_driver_tree(tmp_path, scenario="hybrid", store_hash="bbbb")
    stores = ["iigd_dch.inf_amd64_bbbb", "nv_dispi.inf_amd64_bbbb"]
    assert sorted(path.name for path in (tmp_path / "drivers").iterdir()) == stores
    assert not (tmp_path / "drivers" / stores[0] / "libcuda.so.1.1").exists()


class QueryRegistry(ctypes.Structure):
    """D3DDDI_QUERYREGISTRY_INFO, with room for the answer."""

    _fields_ = [
        ("query_type", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("value_name", ctypes.c_wchar * 260),
        ("value_type", ctypes.c_uint),
        ("physical_adapter_index", ctypes.c_uint),
        ("output_size", ctypes.c_uint),
        ("status", ctypes.c_int),
        ("output", ctypes.c_wchar * 400),
    ]


class Query(ctypes.Structure):
    """D3DKMT_QUERYADAPTERINFO."""

    _fields_ = [("adapter", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_void_p), ("size", ctypes.c_uint)]


@needs_gcc
def test_dxcore_and_the_toolkit_name_the_same_stores(tmp_path: Path) -> None:
    tree = tmp_path / "usr/lib/wsl"
    driver.build_driver_tree(tree, scenario="hybrid", store_hash="cafe")
    # The adapters decide, not the folders: an old driver's store may still be there.
    (tree / "drivers/nv_dispi.inf_amd64_old").mkdir()
    library = ctypes.CDLL(str(tree / "lib/libdxcore.so"))
    said = []
    for adapter in (0x40000000, 0x40000001):
        version = ctypes.c_uint()
        query = Query(adapter, 13, ctypes.cast(ctypes.byref(version), ctypes.c_void_p), 4)
        assert library.D3DKMTQueryAdapterInfo(ctypes.byref(query)) == 0
        assert version.value >= 2700
        registry = QueryRegistry(query_type=2)
        query = Query(adapter, 48, ctypes.cast(ctypes.byref(registry), ctypes.c_void_p), ctypes.sizeof(registry))
        assert library.D3DKMTQueryAdapterInfo(ctypes.byref(query)) == 0
        assert registry.status == 0
        said.append(registry.output)
    assert said == driver.store_paths("hybrid", "cafe") == cdi.driver_stores(cdi.Node(tmp_path))


def test_without_gcc_the_package_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(driver.StandInError) as caught:
        driver.compile_library("common")
    assert caught.value.next_step == "apt-get install gcc libc6-dev"
    with pytest.raises(driver.StandInError) as caught:
        toolkit.build_debs(tmp_path)
    assert caught.value.next_step == "apt-get install dpkg"


# --- the packages


@needs_dpkg
def test_the_packages_are_four_a_version_and_the_same_each_time(tmp_path: Path) -> None:
    built = toolkit.build_debs(tmp_path / "a")
    assert len(built) == 4 * len(toolkit.VERSIONS)
    again = toolkit.build_debs(tmp_path / "b", ["1.18.1-1"])
    for path in again:
        assert digest(path) == digest(tmp_path / "a" / path.name)
    for version in toolkit.VERSIONS:
        fields = {name: control(tmp_path / "a" / f"{name}_{version}_amd64.deb") for name in toolkit.PACKAGES}
        assert f"{toolkit.BASE} (= {version})" in fields[toolkit.TOOLKIT]["Depends"]
        assert f"{toolkit.TOOLS} (>= {version})" in fields[toolkit.TOOLKIT]["Depends"]
        assert f"{toolkit.LIBRARY} (>= {version})" in fields[toolkit.TOOLS]["Depends"]
        for name, field in fields.items():
            assert (field["Package"], field["Version"], field["Architecture"]) == (name, version, "amd64")
            assert "stand-in" in field["Description"]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def control(path: Path) -> dict[str, str]:
    text = subprocess.run(["dpkg-deb", "--field", path], capture_output=True, text=True, check=True).stdout
    return dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" "))


@needs_dpkg
@pytest.mark.parametrize("version", toolkit.VERSIONS)
def test_every_installed_program_says_its_version_and_what_it_is(tmp_path: Path, version: str) -> None:
    root = tmp_path / "root"
    for package in toolkit.build_debs(tmp_path / "debs", [version]):
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    for path in toolkit.PROGRAMS:
        # The launcher names the place on the node; here the same module is run from the extracted tree.
        text = (
            (root / path)
            .read_text(encoding="utf-8")
            .replace("/usr/lib/nvidia-stand-in", f"{root}/usr/lib/nvidia-stand-in")
        )
        done = subprocess.run(
            [sys.executable, "-ISB", "-c", text, "--version"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": str(tmp_path)},
        )
        assert f" version {version.split('-')[0]}\n" in done.stdout, done
        assert NOTICE in done.stdout
        assert os.access(root / path, os.X_OK)


@pytest.mark.parametrize(
    ("version", "folder", "accepts_wsl"),
    [
        ("1.18.1-1", "etc/systemd/system", False),
        ("1.19.0-1", "etc/systemd/system", False),
        ("1.19.1-1", "etc/systemd/system", True),
        ("1.20.0-1", "lib/systemd/system", True),
    ],
)
def test_the_refresh_unit_runs_on_wsl_from_1_19_1(version: str, folder: str, accepts_wsl: bool) -> None:
    units = toolkit.refresh_units(version)
    service = units["nvidia-cdi-refresh.service"]
    assert toolkit.units_folder(version) == folder
    assert ("ConditionPathExists=|/usr/lib/wsl/lib/nvidia-smi" in service) is accepts_wsl
    assert ("/dev/dxg" in service.split("ExecCondition=")[1]) is accepts_wsl
    assert "modules.dep" in service
    assert "/usr/lib/wsl" not in units["nvidia-cdi-refresh.path"]


def test_what_runs_on_a_node_imports_nothing_of_ours() -> None:
    for path in toolkit.NODE_SOURCES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) (wslgpu|ctypes|shutil|tempfile|yaml)\b", text, re.MULTILINE), path


def test_no_users_run_reaches_a_stand_in() -> None:
    project = Path(__file__).parents[2]
    folders = [project / name for name in ("wslgpu", "tasks", "inventory", "group_data")]
    sources = [*project.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    assert project / "wslgpu/errors.py" in sources
    users = [path for path in sources if "stand_ins" in path.read_text(encoding="utf-8")]
    outside = [path for path in users if not path.is_relative_to(project / "wslgpu/lab")]
    # A test may ask a lab's persona for its list of stand-ins; the code itself is only imported by the lab.
    assert [path for path in outside if re.search(r"import.*stand_ins|stand_ins.*import", path.read_text())] == []


# --- the Windows side


def test_the_windows_side(tmp_path: Path) -> None:
    windows.build_windows_tree(tmp_path)
    text = (tmp_path / "mnt/c/Users/lab/.wslconfig").read_text(encoding="utf-8")
    assert text.splitlines()[:2] == ["[ws12]", "networkingMode-bridged"]

    def run(program: str, *arguments: str) -> str:
        command = ["sh", str(tmp_path / "usr/bin" / program), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert run("wslinfo", "--networking-mode") == "nat\n"
    assert run("wslinfo", "-n", "--wsl-version") == "2.6.3.0"
    assert run("wslpath", "-w", "/mnt/c/Users/lab") == "C:\\Users\\lab\n"
    assert run("wslpath", "-w", "/home/lab") == "\\\\wsl.localhost\\Lab\\home\\lab\n"
    assert run("wslpath", "C:\\Users\\lab") == "/mnt/c/Users/lab\n"
    for program in ("wslinfo", "wslpath"):
        assert "stand-in" in run(program, "--version")
        assert os.access(tmp_path / "usr/bin" / program, os.X_OK)
