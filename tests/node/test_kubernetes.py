"""Kubernetes on the node: what its role needs, the kubelet or k3s that runs, and what the cluster says of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.node.support import containerd, cri
from tests.node.support import kubernetes as k8s
from tests.node.support.checks import APPLY, check, not_applicable, unknown
from tests.node.support.node import Node
from wslgpu.settings import Settings

ROLES = ("prepare", "join", "k3s")
CLUSTER = ("join", "k3s")
FORWARDING = "/proc/sys/net/ipv4/ip_forward"
BRIDGE = "/proc/sys/net/bridge"
NODE_RULES = "Set it by hand: another file of /etc/sysctl.d may say otherwise (`systemd-analyze cat-config sysctl.d`)."
LOG = "`journalctl -u kubelet` (or k3s) says why; then apply again."
FROM_THE_CLUSTER = "`kubectl describe node` says what it lacks; most often the pods' network (CNI)."

FOR_NETWORKS = (
    "Install a network for pods (CNI) in the cluster; where its plugins are in /opt/cni/bin and containerd looks"
    " elsewhere, name that as bin_dir in /etc/containerd/config.toml. k3s: apply again."
)


@pytest.fixture(scope="module")
def running(node: Node, settings: Settings) -> None:
    """End the check where there is no kubelet to ask."""
    k8s.require_role(settings, *CLUSTER)
    name = k8s.service(settings)
    if not node.run("systemctl", "is-active", "--quiet", name).ok:
        unknown(f"{name} does not run (kubernetes.service.active)")


@pytest.fixture(scope="module")
def registered(node: Node, settings: Settings, running: None) -> dict[str, Any]:
    """The cluster's object of this node."""
    code, found = k8s.node_object(node, settings)
    if code != "200":
        unknown("the cluster does not have this node (kubernetes.node.registered)")
    return found


@check("kubernetes.none.traces")
def test_nothing_is_left(node: Node, settings: Settings) -> None:
    """Where the data gives the node no role, nothing that a role had needed is left."""
    k8s.require_role(settings, "none")
    assert node.exists("/etc/sysctl.d"), "/etc/sysctl.d is not there"
    left = [path for path in k8s.OURS if node.exists(path)]
    mark = 'for path; do head -n 1 "$path" 2>/dev/null | grep -q "^# Made by wslgpu" && echo "$path"; done; :'
    left += node.shell(mark, *k8s.MARKED).lines
    assert not left, f"still there: {', '.join(left)}"


@check("kubernetes.kernel.forwarding", NODE_RULES)
def test_packets_are_forwarded(node: Node, settings: Settings) -> None:
    """The kernel forwards packets of pods."""
    k8s.require_role(settings, *ROLES)
    assert node.read(FORWARDING).strip() == "1", "net.ipv4.ip_forward is not 1"


@check("kubernetes.kernel.bridge", "modprobe br_netfilter, then apply again; on WSL2, wsl --update.")
def test_packets_on_bridges_pass_the_rules(node: Node, settings: Settings) -> None:
    """Packets between pods of one bridge pass the packet rules."""
    k8s.require_role(settings, *ROLES)
    if not node.exists(BRIDGE):
        unknown("this kernel has no br_netfilter; whether the pods' network needs it is not known here")
    keys = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")
    wrong = [key for key in keys if node.read(f"{BRIDGE}/{key}").strip() != "1"]
    assert not wrong, f"not 1: {', '.join(wrong)}"


@check("kubernetes.kernel.kept")
def test_sysctls_come_back(node: Node, settings: Settings) -> None:
    """The next start of the node sets forwarding again."""
    k8s.require_role(settings, *ROLES)
    answer = node.run("systemd-analyze", "cat-config", "--no-pager", "sysctl.d")
    assert answer.said, f"systemd-analyze {answer}"
    said = [line.replace(" ", "").lstrip("-") for line in answer.lines]
    values = [line.partition("=")[2] for line in said if line.startswith("net.ipv4.ip_forward=")]
    assert values, "no file of /etc/sysctl.d says net.ipv4.ip_forward"
    assert values[-1] == "1", f"the last file of sysctl.d that says so sets it to {values[-1]}"


@check("kubernetes.kernel.modules", "`systemctl status systemd-modules-load` names the module.")
def test_modules_load(node: Node, settings: Settings) -> None:
    """Each module that is to be loaded at the start is one that this kernel has."""
    k8s.require_role(settings, *ROLES)
    path = k8s.OURS[0]
    if not node.exists(path):
        not_applicable("the kernel has all that is needed built in, or loads it by itself")
    names = [line for line in node.read(path).splitlines() if line and not line.startswith("#")]
    unknown_ones = [name for name in names if not node.run("modprobe", "--dry-run", "--quiet", name).ok]
    assert not unknown_ones, f"{path} names what this kernel does not have: {', '.join(unknown_ones)}"


@check("kubernetes.features.file")
def test_feature_discovery_is_told(node: Node, settings: Settings) -> None:
    """Node feature discovery, which finds no NVIDIA GPU on WSL2 by itself, is told of it by a file of root's."""
    k8s.require_role(settings, *ROLES)
    assert "nvidia.com/gpu.present=true" in node.read(k8s.FEATURE_FILE).splitlines(), (
        f"{k8s.FEATURE_FILE} says something else"
    )
    assert node.mode_and_owner(k8s.FEATURE_FILE) == "644 root:root regular file", node.mode_and_owner(k8s.FEATURE_FILE)


@check("kubernetes.swap.policy", "`swapoff -a`, and swap=0 under [wsl2] in .wslconfig; or kubernetes_swap: auto.")
def test_swap(node: Node, settings: Settings) -> None:
    """There is no swap where the data turns it off, and a kubelet that starts with it where there is."""
    k8s.require_role(settings, *ROLES)
    swaps = node.read("/proc/swaps").splitlines()[1:]
    if settings.kubernetes_swap == "off":
        assert not swaps, f"the node swaps to {swaps[0].split()[0]}"
    elif settings.kubernetes_role == "join" and node.exists(k8s.CONFIG):
        assert k8s.kubelet_config(node).get("failSwapOn") is False, "the kubelet will not start once the node has swap"


@check("kubernetes.cgroup.driver", "Set cgroupDriver of the kubelet, or containerd_systemd_cgroup; then apply again.")
def test_cgroup_drivers_agree(node: Node, settings: Settings) -> None:
    """The kubelet and the running containerd make control groups in the same way."""
    k8s.require_role(settings, "prepare", "join")
    if not node.exists(k8s.CONFIG):
        not_applicable("the node's kubelet is not configured yet")
    containerd.require_active(node)
    systemd = bool(cri.status(node).runtime_option("runc", "SystemdCgroup"))
    found = k8s.kubelet_config(node).get("cgroupDriver")
    assert found == ("systemd" if systemd else "cgroupfs"), f"the kubelet's is {found}; containerd: {systemd=}"


@check("kubernetes.network.plugins", FOR_NETWORKS)
def test_pods_have_a_network(node: Node, settings: Settings) -> None:
    """containerd finds a configuration of the pods' network, and the plugins that it names."""
    k8s.require_role(settings, *CLUSTER)
    section = containerd.cri_section(containerd.merged_config(node)).get("cni", {})
    folders = section.get("bin_dirs") or [section.get("bin_dir")]
    conf = section.get("conf_dir") or "/etc/cni/net.d"
    configs = [path for path in node.listing(conf) if path.endswith((".conf", ".conflist", ".json"))]
    assert configs, f"{conf} holds no configuration of a network"
    types = set(node.shell('sed -nE \'s/.*"type": *"([^"]+)".*/\\1/p\' "$1"', sorted(configs)[0]).lines)
    missing = [
        name for name in sorted(types) if not any(node.exists(f"{folder}/{name}") for folder in folders if folder)
    ]
    assert not missing, f"{sorted(configs)[0]} needs {', '.join(missing)}, which are not in {folders}"


@check("kubernetes.service.enabled")
def test_service_is_enabled(node: Node, settings: Settings) -> None:
    """The kubelet or k3s starts with the node."""
    k8s.require_role(settings, *CLUSTER)
    answer = node.run("systemctl", "is-enabled", k8s.service(settings))
    assert answer.out.strip() == "enabled", f"{k8s.service(settings)} is {answer.out.strip() or answer.err.strip()}"


@check("kubernetes.service.active", LOG)
def test_service_is_active(node: Node, settings: Settings) -> None:
    """The kubelet or k3s runs."""
    k8s.require_role(settings, *CLUSTER)
    answer = node.run("systemctl", "is-active", k8s.service(settings))
    assert answer.out.strip() == "active", f"{k8s.service(settings)} is {answer.out.strip()}"


@check("kubernetes.kubelet.running")
def test_running_kubelet_reads_our_configuration(node: Node, settings: Settings, running: None) -> None:
    """The running kubelet is the program of the data, and was started with the configuration that is there."""
    k8s.require_role(settings, "join")
    pid = node.run("systemctl", "show", "kubelet", "--property=MainPID", "--value").out.strip()
    words = node.read(f"/proc/{pid}/cmdline").split("\0")
    assert words[0] == settings.kubernetes_kubelet, f"what runs is {words[0]}"
    assert f"--config={k8s.CONFIG}" in words, f"it was not started with {k8s.CONFIG}"
    # times below /proc are those of the first look at it
    asked = ("--property=ExecMainStartTimestamp", "--value", "--timestamp=us+utc")
    started = node.run("systemctl", "show", "kubelet", *asked).out.strip()
    newer = node.run("find", k8s.CONFIG, "-newermt", started)
    assert newer.ok, f"{k8s.CONFIG} cannot be compared with the kubelet's start, {started!r}: {newer}"
    assert not newer.lines, f"{k8s.CONFIG} changed after the kubelet had started"


@check("kubernetes.kubelet.stranger")
def test_kubelet_answers_no_stranger(node: Node, settings: Settings, running: None) -> None:
    """Who asks the kubelet for its pods without a certificate or a token is refused."""
    k8s.require_role(settings, "join")
    ask = ("curl", "-sk", "--noproxy", "*", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}")
    code = node.run(*ask, "https://127.0.0.1:10250/pods").out.strip()
    assert code in ("401", "403"), f"the kubelet answers {code} to who has no credentials"
    listening = node.run("ss", "-Htln", "sport", "=", "10255")
    assert listening.ok, f"ss {listening}"
    assert not listening.lines, "the kubelet's read-only port is open"


@check("kubernetes.credentials.modes", "chmod 600 it, and look who has read it since.")
def test_credentials_are_roots(node: Node, settings: Settings) -> None:
    """Nobody but root reads the node's credentials, and the token with which it joined is gone."""
    k8s.require_role(settings, *CLUSTER)
    if settings.kubernetes_role == "k3s":
        assert node.mode_and_owner(k8s.K3S_KUBECONFIG) == "600 root:root regular file"
        return
    assert not node.exists(k8s.BOOTSTRAP), f"{k8s.BOOTSTRAP} is still there, with the token that lets machines join"
    real = node.run("readlink", "-f", k8s.CERTIFICATE).out.strip()
    for path in (k8s.KUBECONFIG, real):
        assert node.mode_and_owner(path) == "600 root:root regular file", node.mode_and_owner(path)


@check("kubernetes.node.registered", LOG)
def test_cluster_has_the_node(node: Node, settings: Settings, running: None) -> None:
    """The cluster has this node, and takes its credentials."""
    code, _ = k8s.node_object(node, settings)
    assert code == "200", f"who asks the cluster for this node with its own credentials hears {code}"


@check("kubernetes.node.ready", FROM_THE_CLUSTER)
def test_node_is_ready(registered: dict[str, Any]) -> None:
    """The cluster calls the node Ready."""
    conditions = registered.get("status", {}).get("conditions", [])
    ready = [row for row in conditions if row.get("type") == "Ready"]
    assert ready, "the node has no condition Ready"
    assert ready[0]["status"] == "True", f"not Ready: {ready[0].get('message', '')}"


@check("kubernetes.node.labels", "kubectl label node NAME KEY=VALUE: a kubelet gives labels only when it registers.")
def test_node_is_labelled(settings: Settings, registered: dict[str, Any]) -> None:
    """The node has the labels of the data."""
    if not settings.kubernetes_node_labels:
        not_applicable("the data names no label")
    found = registered.get("metadata", {}).get("labels", {})
    wrong = [key for key, value in settings.kubernetes_node_labels.items() if found.get(key) != value]
    assert not wrong, f"not as the data says: {', '.join(wrong)}"


@check("kubernetes.k3s.program", APPLY)
def test_k3s_is_the_pinned_one(node: Node, settings: Settings) -> None:
    """k3s is the program of the data, byte for byte, and the running one is that file."""
    k8s.require_role(settings, "k3s")
    answer = node.run("sha256sum", k8s.K3S)
    assert answer.ok, f"{k8s.K3S} is not there"
    assert answer.words[0] == settings.k3s.sha256, f"{k8s.K3S} has the hash {answer.words[0]}"


@check("kubernetes.k3s.listens", "kubernetes_k3s_listen says where it may; then apply again.")
def test_k3s_listens_where_it_may(node: Node, settings: Settings, running: None) -> None:
    """k3s' API server is reached at the address of the data, on loopback, and nowhere else."""
    k8s.require_role(settings, "k3s")
    answer = node.run("ss", "-Htln", "sport", "=", "6443")
    assert answer.ok, f"ss {answer}"
    if not answer.lines:
        unknown("nothing listens on 6443: this is the lab's stand-in, or k3s is still starting")
    places = {line.split()[3] for line in answer.lines}
    others = sorted(places - k8s.k3s_may_listen(settings.kubernetes_k3s_listen))
    assert not others, f"it listens on {', '.join(others)} too"
