"""The stand-in of NVIDIA's toolkit against what the genuine one was seen to print and write (fixtures/captures)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.captures import CAPTURES, capture, captured_store
from wslgpu.lab.stand_ins.node import cdi, cdi_hook, config, ctk, engines, runtime, toml_text, yaml_text
from wslgpu.lab.stand_ins.node.log import Logger

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


# --- qualified names, as internal/info and internal/modifier/cdi.go of the genuine program treat them

VIDEO = "nvidia.com/gpu=all,wslgpu.dev/gpu=video"


@pytest.fixture
def two_specs(node: cdi.Node) -> cdi.Node:
    """A node with a spec of nvidia.com/gpu in /var/run/cdi and one of the video device in /etc/cdi."""
    for folder, kind, device in (("var/run/cdi", cdi.KIND, "all"), ("etc/cdi", "wslgpu.dev/gpu", "video")):
        edits = {"mounts": [{"hostPath": f"/{device}", "containerPath": f"/{device}"}]}
        spec = {"kind": kind, "devices": [{"name": device, "containerEdits": edits}]}
        (node.root / folder).mkdir(parents=True)
        (node.root / folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    return node


@pytest.mark.parametrize("mode", ["auto", "cdi", "jit-cdi"])
def test_qualified_names_alone_come_from_the_spec_folders(two_specs: cdi.Node, mode: str) -> None:
    edits = runtime.requested_edits(oci_spec(NVIDIA_VISIBLE_DEVICES=VIDEO), settings(mode), two_specs, QUIET)
    assert edits is not None
    assert [mount["hostPath"] for mount in edits["mounts"]] == ["/all", "/video"]


@pytest.mark.parametrize("mode", ["auto", "jit-cdi"])
@pytest.mark.parametrize("value", ["all,wslgpu.dev/gpu=video", "0,wslgpu.dev/gpu=video"])
def test_a_name_of_the_other_sort_beside_a_qualified_one_is_refused(two_specs: cdi.Node, mode: str, value: str) -> None:
    with pytest.raises(runtime.InjectError, match="not supported when requesting other CDI devices"):
        runtime.requested_edits(oci_spec(NVIDIA_VISIBLE_DEVICES=value), settings(mode), two_specs, QUIET)


def test_in_mode_cdi_a_plain_name_is_of_the_default_kind(two_specs: cdi.Node) -> None:
    spec = oci_spec(NVIDIA_VISIBLE_DEVICES="all,wslgpu.dev/gpu=video")
    edits = runtime.requested_edits(spec, settings("cdi"), two_specs, QUIET)
    assert edits is not None
    assert [mount["hostPath"] for mount in edits["mounts"]] == ["/all", "/video"]


def test_the_legacy_mode_refuses(two_specs: cdi.Node) -> None:
    with pytest.raises(runtime.InjectError, match="legacy"):
        runtime.requested_edits(oci_spec(NVIDIA_VISIBLE_DEVICES=VIDEO), settings("legacy"), two_specs, QUIET)


def test_the_hooks_of_two_specs_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The genuine hook writes a file of its own for each call, so that no call takes another's folders away."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/ld.so.cache").touch()
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0))
    for folder in ("/store", "/usr/lib/wsl/lib"):
        cdi_hook.update_ldcache(tmp_path, [folder], "/sbin/ldconfig")
    files = list((tmp_path / "etc/ld.so.conf.d").iterdir())
    assert {path.read_text(encoding="utf-8") for path in files} == {"/store\n", "/usr/lib/wsl/lib\n"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
