"""A kubelet's configuration and flags, by its version."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from wslgpu.kubernetes.kubelet_config import Kubelet, configuration, flags, parse_version, refuses_cgroup_v1

OLD = Kubelet((1, 20), cgroup_v2=False, systemd_cgroup=False)
NEW = Kubelet((1, 37), cgroup_v2=True, systemd_cgroup=True)
LABELS = (("nvidia.com/gpu.present", "true"), ("site/rack", ""))
MINORS = range(20, 38)


def config(kubelet: Kubelet) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(configuration(kubelet))
    return read


def test_versions() -> None:
    assert parse_version("v1.20.2") == (1, 20)
    assert parse_version("1.36.2+k3s1") == (1, 36)
    assert parse_version("v1.37.0-rc.1") == (1, 37)
    assert parse_version("unreadable") is None
    assert parse_version("") is None


@pytest.mark.parametrize("minor", MINORS)
def test_what_holds_for_every_version(minor: int) -> None:
    read = config(replace(NEW, version=(1, minor)))
    assert read["apiVersion"] == "kubelet.config.k8s.io/v1beta1"
    assert read["kind"] == "KubeletConfiguration"
    assert read["authentication"]["anonymous"] == {"enabled": False}
    assert read["authentication"]["x509"]["clientCAFile"] == "/etc/kubernetes/wslgpu-ca.crt"
    assert read["authorization"] == {"mode": "Webhook"}
    assert read["readOnlyPort"] == 0
    assert read["rotateCertificates"] is True
    assert read["cgroupDriver"] == "systemd"


def test_the_oldest_has_no_field_that_came_later() -> None:
    kubelet = replace(OLD, labels=LABELS, taints=("gpu=yes:NoSchedule",), admit_cgroup_v1=True, swap="keep")
    assert not {"memorySwap", "failCgroupV1", "containerRuntimeEndpoint", "registerWithTaints", "seccompDefault"} & set(
        config(kubelet)
    )
    assert flags(kubelet) == (
        "--container-runtime=remote",
        "--container-runtime-endpoint=unix:///run/containerd/containerd.sock",
        "--node-labels=nvidia.com/gpu.present=true,site/rack=",
        "--register-with-taints=gpu=yes:NoSchedule",
    )


def test_the_newest_has_no_flag_that_went() -> None:
    kubelet = replace(NEW, labels=LABELS, taints=("gpu=yes:NoSchedule", "alone:NoExecute"))
    assert flags(kubelet) == ("--node-labels=nvidia.com/gpu.present=true,site/rack=",)
    read = config(kubelet)
    assert read["containerRuntimeEndpoint"] == "unix:///run/containerd/containerd.sock"
    assert read["seccompDefault"] is True
    assert read["registerWithTaints"] == [
        {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
        {"key": "alone", "value": "", "effect": "NoExecute"},
    ]


@pytest.mark.parametrize("minor", MINORS)
def test_the_runtime_is_named_once(minor: int) -> None:
    kubelet = replace(NEW, version=(1, minor))
    by_flag = any(flag.startswith("--container-runtime-endpoint=") for flag in flags(kubelet))
    assert by_flag is (minor < 27)
    assert ("containerRuntimeEndpoint" in config(kubelet)) is (minor >= 27)
    assert ("--container-runtime=remote" in flags(kubelet)) is (minor < 24)


@pytest.mark.parametrize(
    ("swap", "minor", "v2", "fails", "behavior"),
    [
        ("off", 37, True, True, None),
        ("auto", 37, True, False, {"swapBehavior": "NoSwap"}),
        ("keep", 37, True, False, {"swapBehavior": "LimitedSwap"}),
        ("keep", 34, False, False, {"swapBehavior": "NoSwap"}),
        ("auto", 30, True, False, {"swapBehavior": "NoSwap"}),
        ("auto", 29, True, False, None),
        ("keep", 29, True, False, None),
    ],
)
def test_swap(swap: Any, minor: int, v2: bool, fails: bool, behavior: dict[str, str] | None) -> None:
    read = config(replace(NEW, version=(1, minor), cgroup_v2=v2, swap=swap))
    assert read["failSwapOn"] is fails
    assert read.get("memorySwap") == behavior


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("v2", [False, True])
def test_control_groups_version_1_is_admitted_only_where_it_is_refused_53(minor: int, v2: bool) -> None:
    kubelet = replace(NEW, version=(1, minor), cgroup_v2=v2, admit_cgroup_v1=True)
    assert refuses_cgroup_v1(kubelet.version) is (minor >= 35)
    assert config(kubelet).get("failCgroupV1") == (False if minor >= 35 and not v2 else None)
    assert "failCgroupV1" not in config(replace(kubelet, admit_cgroup_v1=False))


def test_dns_and_resolver() -> None:
    assert not {"clusterDNS", "clusterDomain"} & set(config(OLD))
    kubelet = replace(OLD, cluster_dns=("10.96.0.10", "fd00::a"), cluster_domain="a.example", resolv_conf="/run/x")
    read = config(kubelet)
    assert (read["clusterDNS"], read["clusterDomain"]) == (["10.96.0.10", "fd00::a"], "a.example")
    assert read["resolvConf"] == "/run/x"
