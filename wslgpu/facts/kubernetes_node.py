"""What Kubernetes finds on a node, and what of it is there already, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class Module:
    """A kernel module.

    :param loadable: it is a file that modprobe would load; what is built in, or has no file, is not
    :param works: what it does is there now
    """

    loadable: bool
    works: bool


@dataclass(frozen=True)
class Sysctl:
    """One key; ``value`` is empty where the kernel has no such key."""

    value: str
    writable: bool


@dataclass(frozen=True)
class Unit:
    """A service of systemd's.

    :param fragment: file of the unit
    :param ours: that file, or a drop-in beside it, is wslgpu's
    :param stale: a file that changed after it had started, or ``unit`` where systemd has not reread it
    """

    fragment: str
    ours: bool
    active: bool
    enabled: bool
    stale: str = ""


@dataclass(frozen=True)
class KubernetesNodeState:
    """What kubernetes_node.sh found.

    :param record: what wslgpu has finished here: ``prepare``, ``join IDENTITY``, ``k3s``; empty: nothing
    :param kubelet: version of the program asked about, ``unreadable`` where it says none, empty where there is none
    :param resolv_conf: file that names the real resolvers
    :param cni_bin: folder in which containerd looks for CNI plugins; empty where containerd does not say
    :param cni_lacking: plugins of a bridge's network that are not in that folder
    :param kubelet_cgroup_driver: of /var/lib/kubelet/config.yaml; empty where that says none
    :param kubelet_config_ours: that file is wslgpu's
    :param units: those of kubelet, k3s, rke2 and microk8s that there are
    :param kubeadm_unit: kubeadm's drop-in starts the kubelet
    :param kubeadm_joined: kubeadm has left its flags here
    :param joined: (identity as :attr:`wslgpu.kubernetes.bootstrap.Cluster.identity`, server) of kubelet.conf
    :param certificate: the kubelet's own: valid, expired, or empty
    :param registered: the API server's answer to who asks for this node with that certificate: 200, 404, …
    :param k3s: sha256 of /usr/local/bin/k3s; empty for none
    """

    record: str
    kubelet: str
    cgroup_v2: bool
    swaps: int
    modules: dict[str, Module]
    sysctls: dict[str, Sysctl]
    resolv_conf: str
    cni_bin: str
    cni_configs: int
    cni_lacking: tuple[str, ...]
    kubelet_config_ours: bool
    kubelet_cgroup_driver: str
    units: dict[str, Unit]
    kubeadm_unit: bool
    kubeadm_joined: bool
    joined: tuple[str, str] | None
    certificate: str
    registered: str
    k3s: str


@dataclass
class _Reading:
    single: dict[str, str] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)
    sysctls: dict[str, Sysctl] = field(default_factory=dict)
    units: dict[str, list[str]] = field(default_factory=dict)
    stale: dict[str, str] = field(default_factory=dict)
    cni_lacking: list[str] = field(default_factory=list)


def parse_kubernetes_node(lines: list[str]) -> KubernetesNodeState:
    """Read kubernetes_node.sh's output."""
    read = _Reading()
    for line in lines:
        key, _, value = line.partition(" ")
        words = value.split(" ")
        if key == "module" and len(words) == 3:
            read.modules[words[0]] = Module(words[1] == "file", words[2] == "yes")
        elif key == "sysctl" and len(words) == 3:
            read.sysctls[words[0]] = Sysctl("" if words[1] == "-" else words[1], words[2] == "yes")
        elif key == "unit" and len(words) >= 4:
            read.units[words[0]] = [*words[1:], "", ""]
        elif key == "stale" and len(words) == 2:
            read.stale[words[0]] = words[1]
        elif key == "cni-lacks":
            read.cni_lacking.append(value)
        else:
            read.single[key] = value
    single = read.single
    ours, _, driver = single.get("kubelet-config", "").partition(" ")
    identity, _, server = single.get("joined", "").partition(" ")
    return KubernetesNodeState(
        record=_given(single.get("record", "")),
        kubelet=single.get("kubelet", ""),
        cgroup_v2=single.get("cgroup") == "cgroup2fs",
        swaps=int(single["swap"]) if single.get("swap", "").isdigit() else 0,
        modules=read.modules,
        sysctls=read.sysctls,
        resolv_conf=single.get("resolv-conf", "/etc/resolv.conf"),
        cni_bin=single.get("cni-bin", ""),
        cni_configs=int(single["cni-configs"]) if single.get("cni-configs", "").isdigit() else 0,
        cni_lacking=tuple(read.cni_lacking),
        kubelet_config_ours=ours == "yes",
        kubelet_cgroup_driver=_given(driver),
        units={name: _unit(words, read.stale.get(name, "")) for name, words in read.units.items()},
        kubeadm_unit=single.get("kubeadm-unit") == "yes",
        kubeadm_joined=single.get("kubeadm-joined") == "yes",
        joined=(_given(identity), _given(server)) if "joined" in single else None,
        certificate=single.get("certificate", ""),
        registered=single.get("registered", ""),
        k3s=single.get("k3s", ""),
    )


def _given(value: str) -> str:
    return "" if value == "-" else value


def _unit(words: list[str], stale: str) -> Unit:
    fragment, ours, active, enabled, reload = words[:5]
    return Unit(
        fragment=fragment,
        ours=ours == "yes",
        active=active in ("active", "activating"),
        enabled=enabled == "enabled",
        stale="unit" if reload == "yes" else stale,
    )


class KubernetesNode(ScriptFact[KubernetesNodeState]):
    """The node's :class:`KubernetesNodeState`."""

    script_name = "kubernetes_node"

    @staticmethod
    def default() -> KubernetesNodeState:
        return parse_kubernetes_node([])

    def command(  # type: ignore[override]
        self, kubelet: str, modules: tuple[str, ...], sysctls: tuple[str, ...]
    ) -> StringCommand:
        """:param kubelet: absolute path of the kubelet's program"""
        return super().command(kubelet, *modules, "--", *sysctls)

    def process(self, output: list[str]) -> KubernetesNodeState:
        return parse_kubernetes_node(output)
