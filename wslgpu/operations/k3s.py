"""k3s as the cluster of one node: the pinned program, its configuration and its service; and all of it away again."""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu import package_names
from wslgpu.facts import bound
from wslgpu.facts.file_state import FileState, FileStates
from wslgpu.facts.kubernetes_node import KubernetesNodeState
from wslgpu.kubernetes import kubelet_config, node_shape
from wslgpu.kubernetes.k3s_pins import K3sPin
from wslgpu.kubernetes.node_shape import Problem
from wslgpu.operations import bundle
from wslgpu.operations.kubernetes_node import Swap, read, refusal
from wslgpu.operations.notes import tell
from wslgpu.operations.script import as_stdin, script, sha256_of
from wslgpu.templates import render

PROGRAM = "/usr/local/bin/k3s"
CONFIG = "/etc/rancher/k3s/config.yaml"
UNIT = "/etc/systemd/system/k3s.service"
NETWORK = "/etc/cni/net.d/10-wslgpu.conflist"
FILES = (CONFIG, UNIT, NETWORK)
PACKAGES = package_names.K3S
PLUGINS = "/usr/lib/cni"
"""Where that package has them, and Debian's containerd looks for them. Ubuntu's and Docker's looks in /opt/cni/bin, as
upstream does (containerd docs/cri/config.md)."""
PODS = "10.42.0.0/16"


@operation()
def running(
    version: str,
    pin: K3sPin,
    kubelet: str,
    *,
    listen: str,
    swap: Swap,
    systemd_cgroup: bool | Literal["auto"],
    admit_cgroup_v1: bool,
    labels: tuple[tuple[str, str], ...],
    taints: tuple[str, ...],
    timeout_s: int,
    download_timeout_s: int,
) -> Generator[StringCommand, None, None]:
    """Have this k3s, compared with its hash, running with our configuration; somebody else's is left alone.

    :param timeout_s: until its API server answers and has the node
    """
    state = read(kubelet)
    present = bound.read(FileStates, paths=FILES)
    if problem := _standing_in_the_way(state, version, present, admit_cgroup_v1=admit_cgroup_v1):
        yield refusal(problem)
        return
    if not pin.verified:
        tell(f"the hash of k3s {version} was seen, and not compared by wslgpu: {pin.seen or 'nobody says where'}")
    loopback = listen.startswith("127.") or listen == "::1"
    if loopback:
        tell(
            "k3s' API server is on loopback only, where no pod reaches it: CoreDNS and volumes made on demand wait for"
            " it. Name the node's own address as kubernetes_k3s_listen where pods need them"
        )
    else:
        tell(f"k3s listens on {listen}:6443, for who has a certificate or a token of the cluster", warning=True)
    systemd = state.cgroup_v2 if systemd_cgroup == "auto" else systemd_cgroup
    config = render(
        CONFIG,
        listen=listen,
        cidr=PODS,
        fail_swap_on=swap == "off",
        cgroup_driver="systemd" if systemd else "cgroupfs",
        admit_cgroup_v1=not state.cgroup_v2 and admit_cgroup_v1,
        labels=labels,
        taints=taints,
    )
    files = {
        CONFIG: (config, "600"),
        UNIT: (render(UNIT, program=PROGRAM), "644"),
        NETWORK: (render(NETWORK, cidr=PODS), "644"),
    }
    differing = [
        path
        for path, (content, mode) in files.items()
        if present.get(path) != FileState("file", mode, "root:root", sha256_of(content))
    ]
    unit = state.units.get("k3s")
    runs = unit is not None and unit.active and unit.enabled and not unit.stale
    record = f"k3s {pin.sha256}"
    elsewhere = state.cni_lacking if state.cni_bin != PLUGINS else ()
    if state.k3s == pin.sha256 and not differing and not elsewhere and runs and state.record == record:
        host.noop(f"k3s {version} runs")
        return
    # first of all the record, so that a run that is cut off is known to be ours
    yield script("kubernetes_record", "k3s -")
    if elsewhere:
        yield script("k3s_network", PLUGINS, state.cni_bin, *elsewhere)
    if state.k3s != pin.sha256:
        # what is larger by half is something else
        received = yield from bundle.file_of_run(pin.url)
        limit = pin.size_bytes * 3 // 2
        yield script("k3s_install", pin.url, pin.sha256, limit, download_timeout_s, version, *received)
    for path in differing:
        content, mode = files[path]
        yield script("put_file", path, mode, "root:root", sha256_of(content), stdin=as_stdin(content))
    restart = bool(differing) or not runs or state.k3s != pin.sha256
    yield script("k3s_start", restart, timeout_s, record, timeout_s=timeout_s + 90)


def _standing_in_the_way(
    state: KubernetesNodeState, version: str, present: dict[str, FileState], *, admit_cgroup_v1: bool
) -> Problem | None:
    own = state.record.startswith("k3s ")
    if state.joined is not None:
        return Problem(
            f"this node belongs to the cluster at {state.joined[1] or 'an unknown address'}",
            "It is left alone. Take the node out of that cluster first (kubeadm reset), or set kubernetes_role: none.",
            fatal=True,
        )
    if problem := node_shape.foreign_cluster(state, own="k3s"):
        return problem
    unit = state.units.get("k3s")
    config_there = present.get(CONFIG, FileState("none", "", "", "")).kind != "none"
    if not own and (state.k3s or config_there or (unit is not None and not unit.ours)):
        found = PROGRAM if state.k3s else CONFIG if config_there else unit.fragment if unit else PROGRAM
        return Problem(
            f"there is a k3s on this node that wslgpu did not bring: {found}",
            "It is left alone. Use it with kubernetes_role: prepare, or remove it (k3s-uninstall.sh).",
            fatal=True,
        )
    kubernetes = kubelet_config.parse_version(version)
    if not state.cgroup_v2 and kubernetes and kubelet_config.refuses_cgroup_v1(kubernetes) and not admit_cgroup_v1:
        return Problem(
            f"k3s {version} refuses control groups version 1, which this node has",
            "Bring the node to version 2 (on WSL2: cgroups=v2 under [automount] in /etc/wsl.conf), choose k3s below"
            " 1.35, or kubernetes_admit_cgroup_v1: true, which Kubernetes no longer maintains.",
            fatal=True,
        )
    return None


@operation()
def absent(kubelet: str) -> Generator[StringCommand, None, None]:
    """Take away the k3s that wslgpu brought; the cluster's data in /var/lib/rancher stays, and containers go on."""
    state = read(kubelet)
    if not state.record.startswith("k3s "):
        host.noop("there is no k3s of wslgpu's")
        return
    tell("k3s goes; the cluster's data stays in /var/lib/rancher/k3s, and containers that run go on")
    yield script("k3s_remove", PLUGINS, state.cni_bin)
