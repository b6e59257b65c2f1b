"""What a node lacks for a kubelet, from what was read of it. Everything here is values in, values out.

Sources: https://kubernetes.io/docs/setup/production-environment/container-runtimes/ for modules and sysctls,
https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/ for swap.
"""

from __future__ import annotations

from dataclasses import dataclass

from wslgpu.facts.kubernetes_node import KubernetesNodeState
from wslgpu.kubernetes import kubelet_config
from wslgpu.templates import render
from wslgpu.workloads.plugin import FEATURE_FILE as FEATURE_FILE

MODULES = ("overlay", "br_netfilter")
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
}
MODULES_FILE = "/etc/modules-load.d/wslgpu-kubernetes.conf"
SYSCTL_FILE = "/etc/sysctl.d/90-wslgpu-kubernetes.conf"
LOST_WITHOUT = {
    "overlay": "containerd's overlay snapshots",
    "br_netfilter": "packet rules for packets between pods on one bridge",
    "net.ipv4.ip_forward": "packets of pods that go outside of the node",
    "net.bridge.bridge-nf-call-iptables": "services between pods of this node",
    "net.bridge.bridge-nf-call-ip6tables": "services between pods of this node, over IPv6",
}


@dataclass(frozen=True)
class Problem:
    """What a node lacks.

    :param fatal: nothing is changed while it is so
    """

    what: str
    next_step: str
    fatal: bool = False


def to_load(state: KubernetesNodeState) -> tuple[str, ...]:
    """Modules that modprobe would load and whose work is not done yet."""
    return tuple(name for name, module in state.modules.items() if module.loadable and not module.works)


def to_set(state: KubernetesNodeState) -> tuple[tuple[str, str], ...]:
    """Keys that have another value and can be set."""
    return tuple(
        (key, value)
        for key, value in SYSCTLS.items()
        if key in state.sysctls and state.sysctls[key].writable and state.sysctls[key].value != value
    )


def modules_text(state: KubernetesNodeState) -> str:
    """The file of modules to load at each start; empty where all is built in or loaded by WSL itself.

    A name without a file would make systemd-modules-load.service fail at each start.
    """
    names = [name for name, module in state.modules.items() if module.loadable]
    return render(MODULES_FILE, modules=names) if names else ""


def sysctl_text() -> str:
    return render(SYSCTL_FILE, sysctls=SYSCTLS)


def lacking(state: KubernetesNodeState) -> list[Problem]:
    """What cannot be put right on this node, in words: the node goes on without it."""
    found = [
        Problem(
            f"the kernel has no {name}, which {LOST_WITHOUT[name]} need",
            "On WSL2, loadDefaultKernelModules under [wsl2] in .wslconfig must not be false, and wsl --update"
            " brings a kernel that has it.",
        )
        for name, module in state.modules.items()
        if not module.works and not module.loadable
    ]
    br_netfilter_comes = "br_netfilter" in to_load(state)
    for key, value in SYSCTLS.items():
        sysctl = state.sysctls.get(key)
        if sysctl is None or sysctl.value == value or sysctl.writable:
            continue
        if not sysctl.value and (br_netfilter_comes or not _works(state, "br_netfilter")):
            continue  # it comes with the module, or its absence was said above
        why = (
            "the kernel has no such key"
            if not sysctl.value
            else f"this node may not write it, and it is {sysctl.value}"
        )
        found.append(Problem(f"{key} cannot be set to {value}: {why}", f"Missing without it: {LOST_WITHOUT[key]}."))
    return found


def _works(state: KubernetesNodeState, module: str) -> bool:
    return module in state.modules and state.modules[module].works


def kubelet_problem(state: KubernetesNodeState, path: str, *, admit_cgroup_v1: bool) -> Problem | None:
    """Why the kubelet on this node cannot be used; None where it can."""
    if not state.kubelet:
        return Problem(
            f"there is no kubelet at {path}, and wslgpu does not install one",
            "Install the package kubelet of pkgs.k8s.io in the cluster's version (kubernetes.io: Installing kubeadm),"
            " or name another place as kubernetes_kubelet.",
            fatal=True,
        )
    version = kubelet_config.parse_version(state.kubelet)
    if version is None:
        return Problem(f"{path} says no version of a kubelet", f"Look at {path} --version by hand.", fatal=True)
    if version < kubelet_config.OLDEST:
        return Problem(
            f"the kubelet {state.kubelet} is older than 1.20",
            "Install a newer one; what wslgpu writes is known from 1.20 on.",
            fatal=True,
        )
    return cgroup_problem(state, admit_cgroup_v1=admit_cgroup_v1)


def cgroup_problem(state: KubernetesNodeState, *, admit_cgroup_v1: bool) -> Problem | None:
    """Fault 53: only a kubelet of 1.35 or newer refuses control groups version 1; for all others there is none."""
    version = kubelet_config.parse_version(state.kubelet)
    if state.cgroup_v2 or admit_cgroup_v1 or version is None or not kubelet_config.refuses_cgroup_v1(version):
        return None
    return Problem(
        f"the kubelet {state.kubelet} refuses control groups version 1, which this node has",
        "On WSL2: cgroups=v2 under [automount] in /etc/wsl.conf, no cgroup_no_v1 or legacy switch in kernelCommandLine,"
        " then wsl --shutdown. Or kubernetes_admit_cgroup_v1: true, which Kubernetes no longer maintains.",
        fatal=True,
    )


CNI_BIN = "/opt/cni/bin"
"""Where networks that a cluster installs by itself put their plugins (containerd docs/cri/config.md: bin_dir)."""


def plugins_elsewhere(state: KubernetesNodeState) -> Problem | None:
    """The cluster is to bring the pods' network, and containerd does not look where it will be."""
    if state.cni_configs or state.cni_bin in ("", CNI_BIN):
        return None
    return Problem(
        f"containerd looks for the plugins of pods' networks in {state.cni_bin}, and Flannel, Calico, Cilium and others"
        f" put theirs in {CNI_BIN}",
        f'Where the cluster has such a network: bin_dir = "{CNI_BIN}" in /etc/containerd/config.toml, which wslgpu'
        " keeps; then systemctl restart containerd.",
    )


def other_address(state: KubernetesNodeState, server: str) -> Problem | None:
    """The kubelet has joined this cluster at another address than the data name: it goes on with its own."""
    if state.joined is None or not state.joined[1] or state.joined[1].rstrip("/") == server:
        return None
    return Problem(
        f"the kubelet reaches its cluster at {state.joined[1]}, and kubernetes_join_kubeconfig_file names {server}",
        f"It is left so. Where the cluster has moved, set server in {kubelet_config.KUBECONFIG}, then systemctl"
        " restart kubelet.",
    )


FOREIGN_UNITS = ("k3s", "k3s-agent", "rke2-server", "rke2-agent", "snap.microk8s.daemon-kubelite")
"""Services that bring a kubelet of their own."""


def foreign_cluster(state: KubernetesNodeState, *, own: str) -> Problem | None:
    """Somebody else's Kubernetes that runs here; two kubelets would fight for port 10250 and for the pods.

    :param own: the service that the role is about: ``kubelet`` or ``k3s``
    """
    names = [name for name in ("kubelet", *FOREIGN_UNITS) if name != own or own == "k3s"]
    for name in names:
        unit = state.units.get(name)
        if unit is not None and unit.active and not unit.ours:
            return Problem(
                f"{name} runs on this node, by {unit.fragment}, which is not wslgpu's",
                "It is left alone. Stop and remove that cluster yourself, or set kubernetes_role to none or prepare.",
                fatal=True,
            )
    return None
