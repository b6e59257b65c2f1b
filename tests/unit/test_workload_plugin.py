"""The device plugin by version: its table, its manifests, NVIDIA's chart, labels, and what a pod has to ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.rendered_workloads import ONES, plugin_versions, settings
from wslgpu.errors import DataError, UsageError
from wslgpu.settings import DEVICE_PLUGINS_FILE, load
from wslgpu.workloads.gpu_request import GpuRequest, gpu_request
from wslgpu.workloads.manifest import identity, pod_spec
from wslgpu.workloads.model import NodeTruth, Rendered
from wslgpu.workloads.plugin import FEATURE_FILE, GPU_PRESENT, feature_file_text
from wslgpu.workloads.plugin_pins import load_device_plugins
from wslgpu.workloads.render import names, render

CHART_VALUES = frozenset(
    "affinity allowDefaultNamespace cdi compatWithCPUManager config deviceDiscoveryStrategy deviceIDStrategy"
    " deviceListStrategy failOnInitError fullnameOverride gfd image imagePullSecrets migStrategy mps nameOverride"
    " namespaceOverride nfd nodeSelector nvidiaDriverRoot podAnnotations podSecurityContext priorityClassName resources"
    " runtimeClassName securityContext selectorLabelsOverride tolerations updateStrategy".split()
)
"""Names in NVIDIA/k8s-device-plugin, deployments/helm/nvidia-device-plugin/values.yaml, read 2026-11."""
CHART_AFFINITY = ("feature.node.kubernetes.io/pci-10de.present", "nvidia.com/gpu.present")
"""Two of the labels of which the same file asks for one."""


def daemonset(rendered: Rendered) -> dict[str, Any]:
    return next(dict(item) for item in rendered.documents if item["kind"] == "DaemonSet")


def container(rendered: Rendered) -> dict[str, Any]:
    spec = pod_spec(daemonset(rendered))
    assert spec is not None
    found: dict[str, Any] = spec["containers"][0]
    return found


def environment(rendered: Rendered) -> dict[str, str]:
    return {row["name"]: row["value"] for row in container(rendered)["env"]}


# -- the table ---------------------------------------------------------------------------------------------------------


def test_the_table_has_every_supported_version() -> None:
    assert plugin_versions() == ("0.17.1", "0.18.0", "0.18.2", "0.19.0", "0.19.1", "0.19.3", "0.20.0")
    assert load(Path("/dev/null")).device_plugin_version == "0.20.0"


def test_what_changed_with_which_version() -> None:
    table = load(Path("/dev/null")).device_plugins
    assert [name for name, row in table.items() if row.advertises == "single-all"] == ["0.19.1", "0.19.3", "0.20.0"]
    assert [name for name, row in table.items() if row.gpu_feature_discovery == "crashes"] == ["0.17.1"]
    assert [name for name, row in table.items() if row.refused_events == "unhealthy"] == ["0.17.1", "0.18.0", "0.18.2"]
    for name, row in table.items():
        assert row.tag == f"v{name}"
        assert row.digest == "unresolved" or row.seen, f"{name}: where was the digest seen?"


def test_a_version_without_a_row_names_the_others_and_the_way(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text("profile: current\ndevice_plugin_version: 0.21.0\n")
    with pytest.raises(DataError, match=r"0\.21\.0 is not in the table.*0\.17\.1, .*0\.20\.0") as error:
        load(site)
    assert error.value.where == f"{site}:2"
    assert "under device_plugins in site.yml" in str(error.value)


def test_a_site_adds_a_row(tmp_path: Path) -> None:
    row = yaml.safe_load(DEVICE_PLUGINS_FILE.read_text())["device_plugins"]["0.20.0"]
    site = tmp_path / "site.yml"
    site.write_text(
        yaml.safe_dump(
            {
                "device_plugin_version": "0.21.0",
                "device_plugins": {"0.21.0": {**row, "tag": "v0.21.0", "digest": ONES}},
            }
        )
    )
    image = container(render("device-plugin", load(site), NodeTruth()))["image"]
    assert image == f"nvcr.io/nvidia/k8s-device-plugin@{ONES}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("advertises: single-all", "advertises: some", "advertises"),
        ("verified: false", "verifed: false", "verifed: is not a key"),
        ("digest: unresolved", "digest: sha256:12", "must be sha256: and 64 hexadecimal digits"),
        ("  0.17.1:", "  v0.17:", "v0.17"),
    ],
)
def test_a_wrong_table_is_told_by_file_and_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = DEVICE_PLUGINS_FILE.read_text()
    assert old in text
    path = tmp_path / "device_plugins.yml"
    path.write_text(text.replace(old, new, 1))
    line = next(number for number, each in enumerate(path.read_text().splitlines(), 1) if each.strip() == new.strip())
    with pytest.raises(DataError, match=said) as error:
        load_device_plugins(path)
    assert error.value.where == f"{path}:{line}"


# -- manifests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["device-plugin", "gpu-feature-discovery"])
def test_an_image_without_a_digest_is_refused_with_what_to_do(name: str) -> None:
    rows = {**load(Path("/dev/null")).as_data()["device_plugins"]}
    rows["0.20.0"]["digest"] = "unresolved"
    chosen = load(Path("/dev/null")).model_validate({**load(Path("/dev/null")).as_data(), "device_plugins": rows})
    with pytest.raises(
        DataError, match=r"digest of nvcr\.io/nvidia/k8s-device-plugin:v0\.20\.0 is unresolved"
    ) as error:
        render(name, chosen, NodeTruth())
    assert "wslgpu pins resolve" in error.value.next_step
    assert error.value.exit_code == 2


@pytest.mark.parametrize("version", plugin_versions())
def test_the_plugin_runs_where_and_as_it_can(version: str) -> None:
    rendered = render("device-plugin", settings(device_plugin_version=version), NodeTruth())
    assert [identity(item).kind for item in rendered.documents] == ["Namespace", "NetworkPolicy", "DaemonSet"]
    spec = pod_spec(daemonset(rendered))
    assert spec is not None
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["nodeSelector"][GPU_PRESENT[0]] == "true"
    assert spec["priorityClassName"] == "system-node-critical"
    assert spec["automountServiceAccountToken"] is False
    assert [volume["hostPath"]["path"] for volume in spec["volumes"]] == ["/var/lib/kubelet/device-plugins"]
    assert {mount["mountPath"] for mount in container(rendered)["volumeMounts"]} == {"/var/lib/kubelet/device-plugins"}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
    context = container(rendered)["securityContext"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["privileged"] is False
    assert environment(rendered)["FAIL_ON_INIT_ERROR"] == "true"


@pytest.mark.parametrize(
    ("version", "setting", "off"),
    [
        ("0.17.1", "auto", True),
        ("0.18.2", "auto", True),
        ("0.19.0", "auto", False),
        ("0.20.0", "auto", False),
        ("0.17.1", "on", False),
        ("0.20.0", "off", True),
    ],
)
def test_health_checks_are_off_where_they_would_leave_nothing(version: str, setting: str, off: bool) -> None:
    chosen = settings(device_plugin_version=version, device_plugin_health_checks=setting)
    rendered = render("device-plugin", chosen, NodeTruth())
    assert (environment(rendered).get("DP_DISABLE_HEALTHCHECKS") == "all") is off
    reason = "for a broken one" if setting == "auto" else "device_plugin_health_checks is off"
    assert (reason in rendered.files["daemonset.yaml"]) is off


def test_the_namespace_is_the_sites() -> None:
    rendered = render("device-plugin", settings(device_plugin_namespace="gpus"), NodeTruth())
    assert {str(identity(item)) for item in rendered.documents} == {
        "Namespace gpus",
        "NetworkPolicy gpus/no-network",
        "DaemonSet gpus/nvidia-device-plugin",
    }


def test_what_a_version_advertises_is_told() -> None:
    for version, words in (("0.19.0", "for each GPU"), ("0.19.1", "stands for all GPUs")):
        notes = render("device-plugin", settings(device_plugin_version=version), NodeTruth()).notes
        assert any(words in note for note in notes), version


def test_feature_discovery_that_would_crash_is_refused_with_what_does_not() -> None:
    with pytest.raises(DataError, match=r"GPU Feature Discovery 0\.17\.1 ends with an error on WSL2") as error:
        render("gpu-feature-discovery", settings(device_plugin_version="0.17.1"), NodeTruth())
    assert "0.18.0" in error.value.next_step
    assert FEATURE_FILE in error.value.next_step


def test_feature_discovery_writes_a_file_and_needs_no_rights() -> None:
    rendered = render("gpu-feature-discovery", settings(), NodeTruth())
    assert [identity(item).kind for item in rendered.documents] == ["DaemonSet"]
    assert environment(rendered)["GFD_USE_NODE_FEATURE_API"] == "false"
    spec = pod_spec(daemonset(rendered))
    assert spec is not None
    assert spec["automountServiceAccountToken"] is False
    assert spec["volumes"][0]["hostPath"]["path"] == str(Path(FEATURE_FILE).parent)
    assert names().index("device-plugin") < names().index("gpu-feature-discovery"), "its namespace comes first"


# -- Node Feature Discovery and NVIDIA's chart -------------------------------------------------------------------------


def test_the_feature_file_has_the_label_and_comments() -> None:
    lines = feature_file_text(settings()).splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["nvidia.com/gpu.present=true"]
    assert not any(line.startswith("# +") for line in lines), "that is a directive"


@pytest.mark.parametrize("version", plugin_versions())
def test_the_charts_pods_run_under_the_runtime_class_on_a_wsl2_node(version: str) -> None:
    rendered = render("device-plugin", settings(device_plugin_version=version), NodeTruth(), "helm")
    values = yaml.safe_load(rendered.files["values.yaml"])
    assert set(values) <= CHART_VALUES
    assert values["runtimeClassName"] == "nvidia"
    assert CHART_AFFINITY[1] in values["nodeSelector"]
    assert "affinity" not in values, "the chart's own is met by the label"
    assert CHART_AFFINITY[0] not in rendered.files["values.yaml"], "no WSL2 node has it"
    assert f"{values['image']['repository']}:{values['image']['tag']}" == (
        f"nvcr.io/nvidia/k8s-device-plugin:v{version}@{ONES}"
    )
    assert values["migStrategy"] == "none"
    assert values["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert values["podSecurityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert values["gfd"]["enabled"] is (version != "0.17.1")
    assert values["gfd"]["securityContext"].get("privileged") is None
    assert f"--version {version}" in rendered.notes[0]
    assert rendered.documents == ()


def test_what_the_chart_cannot_do_is_told() -> None:
    def told(version: str) -> bool:
        rendered = render("device-plugin", settings(device_plugin_version=version), NodeTruth(), "helm")
        return any("no value that switches health checks off" in note for note in rendered.notes)

    assert told("0.17.1")
    assert not told("0.20.0")


# -- what a pod asks for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "advertised", "gpus", "wanted", "ask", "sees"),
    [
        ("0.20.0", None, None, 4, 1, None),
        ("0.20.0", 1, 4, 4, 1, 4),
        ("0.20.0", 1, 1, 1, 1, 1),
        ("0.20.0", 1, None, 2, 1, None),
        ("0.20.0", 0, 4, 4, 1, 4),
        ("0.20.0", 8, 4, 2, 1, 4),  # time-slicing multiplies the one
        ("0.20.0", 4, 4, 4, 4, 4),  # the cluster runs an older plugin still
        ("0.17.1", None, None, 4, 4, None),
        ("0.17.1", 4, 4, 4, 4, 4),
        ("0.17.1", 4, 4, 1, 1, 4),
        ("0.17.1", 0, 4, 4, 4, 4),
        ("0.17.1", 1, 4, 4, 1, 4),  # the cluster runs a newer plugin already
        ("0.19.0", 1, 1, 1, 1, 1),
    ],
)
def test_what_a_pod_asks_for_on_this_node(
    version: str, advertised: int | None, gpus: int | None, wanted: int, ask: int, sees: int | None
) -> None:
    truth = NodeTruth(advertised=advertised, gpus=gpus)
    found = gpu_request(settings(device_plugin_version=version), truth, wanted)
    assert (found.ask, found.sees) == (ask, sees)


def test_asking_for_one_and_getting_four_is_said() -> None:
    truth = NodeTruth(advertised=1, gpus=4)
    assert gpu_request(settings(), truth, 4).note == (
        "The pod asks for 1 nvidia.com/gpu and sees all 4:"
        " device plugin 0.20.0 advertises one that stands for all GPUs."
    )
    one = gpu_request(settings(device_plugin_version="0.17.1"), NodeTruth(advertised=4, gpus=4), 1)
    assert one.note == "WSL2 does not keep GPUs apart: the pod asks for 1 and sees all 4 of the node."
    assert gpu_request(settings(), NodeTruth(gpus=1), 1) == GpuRequest(1, 1, "")


@pytest.mark.parametrize(
    ("truth", "wanted", "said"),
    [
        (NodeTruth(gpus=2), 4, "wants 4 GPUs, and the node has 2"),
        (NodeTruth(gpus=0), 1, "wants 1 GPU, and the node has 0"),
        (NodeTruth(advertised=2), 4, "wants 4 GPUs, and the cluster advertises 2"),
        (NodeTruth(), 0, "0 GPUs cannot be asked for"),
    ],
)
def test_what_cannot_be_had_is_refused(truth: NodeTruth, wanted: int, said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        gpu_request(settings(device_plugin_version="0.17.1"), truth, wanted)
    assert error.value.next_step
