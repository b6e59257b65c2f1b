"""What a node lacks for a kubelet, and which of it stands in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wslgpu.facts.kubernetes_node import Module, Sysctl, Unit, parse_kubernetes_node
from wslgpu.kubernetes import node_shape

FINE = replace(
    parse_kubernetes_node([]),
    kubelet="v1.34.1",
    cgroup_v2=True,
    modules={"overlay": Module(False, True), "br_netfilter": Module(True, True)},
    sysctls={key: Sysctl("1", True) for key in node_shape.SYSCTLS},
)
UNIT = Unit("/etc/systemd/system/k3s.service", ours=False, active=True, enabled=True)


def test_a_node_that_has_all() -> None:
    assert node_shape.to_load(FINE) == ()
    assert node_shape.to_set(FINE) == ()
    assert node_shape.lacking(FINE) == []
    assert node_shape.kubelet_problem(FINE, "/usr/bin/kubelet", admit_cgroup_v1=False) is None
    assert node_shape.foreign_cluster(FINE, own="kubelet") is None


def test_only_modules_that_are_files_are_listed() -> None:
    assert [line for line in node_shape.modules_text(FINE).splitlines() if not line.startswith("#")] == ["br_netfilter"]
    assert node_shape.modules_text(replace(FINE, modules={"overlay": Module(False, True)})) == ""


def test_a_key_that_comes_with_a_module_is_no_complaint() -> None:
    bridge = {key: Sysctl("", False) for key in node_shape.SYSCTLS if "bridge" in key}
    loaded = replace(FINE, modules={"br_netfilter": Module(True, False)}, sysctls={**FINE.sysctls, **bridge})
    assert node_shape.to_load(loaded) == ("br_netfilter",)
    assert node_shape.lacking(loaded) == []
    absent = replace(loaded, modules={"br_netfilter": Module(False, False)})
    (lack,) = node_shape.lacking(absent)
    assert "no br_netfilter" in lack.what
    assert not lack.fatal


def test_a_key_that_may_not_be_written_is_said_and_not_set() -> None:
    key = "net.ipv4.ip_forward"
    kept = replace(FINE, sysctls={**FINE.sysctls, key: Sysctl("0", False)})
    assert node_shape.to_set(kept) == ()
    (lack,) = node_shape.lacking(kept)
    assert f"{key} cannot be set to 1" in lack.what
    assert "it is 0" in lack.what
    free = replace(FINE, sysctls={**FINE.sysctls, key: Sysctl("0", True)})
    assert node_shape.to_set(free) == ((key, "1"),)
    assert node_shape.lacking(free) == []


@pytest.mark.parametrize(
    ("version", "words"),
    [("", "no kubelet at /x"), ("unreadable", "says no version"), ("v1.19.9", "older than 1.20")],
)
def test_a_kubelet_that_cannot_be_used(version: str, words: str) -> None:
    problem = node_shape.kubelet_problem(replace(FINE, kubelet=version), "/x", admit_cgroup_v1=False)
    assert problem is not None
    assert words in problem.what
    assert problem.next_step


@pytest.mark.parametrize(
    ("version", "v2", "admitted", "refused"),
    [
        ("v1.20.2", False, False, False),
        ("v1.34.9", False, False, False),
        ("v1.35.0", False, False, True),
        ("v1.35.0", True, False, False),
        ("v1.37.1", False, True, False),
        ("", False, False, False),
    ],
)
def test_control_groups_version_1_is_judged_by_the_kubelet_53(
    version: str, v2: bool, admitted: bool, refused: bool
) -> None:
    state = replace(FINE, kubelet=version, cgroup_v2=v2)
    problem = node_shape.cgroup_problem(state, admit_cgroup_v1=admitted)
    assert (problem is not None) is refused
    if problem:
        assert version in problem.what
        assert "kubernetes_admit_cgroup_v1" in problem.next_step


def test_a_cluster_of_somebody_else() -> None:
    foreign = replace(FINE, units={"k3s": UNIT})
    for own in ("kubelet", "k3s"):
        problem = node_shape.foreign_cluster(foreign, own=own)
        assert problem is not None
        assert UNIT.fragment in problem.what
    assert node_shape.foreign_cluster(replace(FINE, units={"k3s": replace(UNIT, ours=True)}), own="k3s") is None
    assert node_shape.foreign_cluster(replace(FINE, units={"k3s": replace(UNIT, active=False)}), own="k3s") is None
    kubelet = replace(FINE, units={"kubelet": UNIT})
    assert node_shape.foreign_cluster(kubelet, own="kubelet") is None
    assert node_shape.foreign_cluster(kubelet, own="k3s") is not None


def test_a_cluster_that_has_moved_is_said() -> None:
    """The kubelet goes on with the address that it joined at, whatever the data name by now."""
    joined = replace(FINE, joined=("identity", "https://192.0.2.1:6443/"))
    assert node_shape.other_address(FINE, "https://192.0.2.1:6443") is None
    assert node_shape.other_address(joined, "https://192.0.2.1:6443") is None
    problem = node_shape.other_address(joined, "https://192.0.2.2:6443")
    assert problem is not None
    assert "at https://192.0.2.1:6443" in problem.what
    assert "names https://192.0.2.2:6443" in problem.what
    assert not problem.fatal


def test_a_network_of_the_clusters_needs_containerd_to_look_for_it() -> None:
    debians = replace(FINE, cni_bin="/usr/lib/cni")
    problem = node_shape.plugins_elsewhere(debians)
    assert problem is not None
    assert "in /usr/lib/cni" in problem.what
    assert "/opt/cni/bin" in problem.next_step
    for fine in (replace(debians, cni_configs=1), replace(FINE, cni_bin="/opt/cni/bin"), FINE):
        assert node_shape.plugins_elsewhere(fine) is None
