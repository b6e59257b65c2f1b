"""A node made ready for Kubernetes, brought into a cluster, and taken out again."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Literal

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.file_state import FileState, FileStates
from wslgpu.facts.kubernetes_node import KubernetesNode, KubernetesNodeState
from wslgpu.kubernetes import kubelet_config, node_shape
from wslgpu.kubernetes.bootstrap import Cluster
from wslgpu.kubernetes.kubelet_config import AUTHORITY, BOOTSTRAP, CONFIG, KUBECONFIG, Kubelet
from wslgpu.kubernetes.node_shape import Problem
from wslgpu.operations import base_state
from wslgpu.operations.notes import tell
from wslgpu.operations.script import as_stdin, script, sha256_of
from wslgpu.templates import render

UNIT = "/etc/systemd/system/kubelet.service"
DROP_IN = "/etc/systemd/system/kubelet.service.d/50-wslgpu.conf"
PREPARED = (node_shape.MODULES_FILE, node_shape.SYSCTL_FILE, node_shape.FEATURE_FILE)
"""What every role but ``none`` has."""
FILES = (*PREPARED, CONFIG, AUTHORITY, BOOTSTRAP, UNIT, DROP_IN)

Swap = Literal["auto", "off", "keep"]


def read(kubelet: str) -> KubernetesNodeState:
    """The node's state, asked once for all operations of the task."""
    return bound.read(KubernetesNode, kubelet=kubelet, modules=node_shape.MODULES, sysctls=tuple(node_shape.SYSCTLS))


def refusal(problem: Problem) -> StringCommand:
    return script("fail", "platform", problem.what, problem.next_step)


@operation()
def prepared(
    kubelet: str,
    swap: Swap,
    *,
    systemd_cgroup: bool | Literal["auto"],
    admit_cgroup_v1: bool,
    wslconfig_swap: str,
    features: str,
) -> Generator[StringCommand, None, None]:
    """Load kernel modules, set sysctls and turn swap off, each where the node lets us; say what it does not.

    :param kubelet: its program; it need not be there
    :param systemd_cgroup: as containerd has it
    :param wslconfig_swap: what the data say of swap in .wslconfig; empty: nothing
    :param features: text of the file by which node feature discovery labels the node, so that the labels survive it
    """
    state = read(kubelet)
    if problem := node_shape.cgroup_problem(state, admit_cgroup_v1=admit_cgroup_v1):
        yield refusal(problem)
        return
    for lack in node_shape.lacking(state):
        tell(f"{lack.what}. {lack.next_step}", warning=True)
    _tell_of_swap(state, swap, wslconfig_swap)
    systemd = state.cgroup_v2 if systemd_cgroup == "auto" else systemd_cgroup
    wanted = "systemd" if systemd else "cgroupfs"
    if state.kubelet_cgroup_driver and not state.kubelet_config_ours and state.kubelet_cgroup_driver != wanted:
        tell(
            f"the kubelet's cgroupDriver is {state.kubelet_cgroup_driver} in {CONFIG}, and containerd's is {wanted}:"
            " pods will end without a reason that one can see. Set one of the two as the other"
            " (containerd_systemd_cgroup).",
            warning=True,
        )
    contents = {
        node_shape.MODULES_FILE: node_shape.modules_text(state),
        node_shape.SYSCTL_FILE: node_shape.sysctl_text(),
        node_shape.FEATURE_FILE: features,
    }
    for path, content in contents.items():
        yield from base_state.text_file._inner(path=path, content=content, watched=FILES)
    modules, sysctls = node_shape.to_load(state), node_shape.to_set(state)
    swap_off = swap == "off" and state.swaps > 0
    if modules or sysctls or swap_off:
        pairs = [f"{key}={value}" for key, value in (sysctls or ())]
        if "br_netfilter" in modules:
            # its keys come with it
            pairs = [f"{key}={value}" for key, value in node_shape.SYSCTLS.items()]
        yield script("kubernetes_kernel", swap_off, *modules, "--", *pairs)


def _tell_of_swap(state: KubernetesNodeState, swap: Swap, wslconfig_swap: str) -> None:
    if swap == "off":
        if wslconfig_swap != "0":
            tell(
                "swap is turned off now, and on WSL2 comes back with the next start of WSL: set swap: '0' under"
                " wslconfig: wsl2: in site.yml, which is then rendered for .wslconfig"
            )
    elif state.swaps:
        tell("the node has swap and keeps it: a kubelet that is not configured by wslgpu needs failSwapOn: false")


@operation()
def joined(
    cluster: Cluster,
    kubelet: str,
    *,
    swap: Swap,
    systemd_cgroup: bool | Literal["auto"],
    admit_cgroup_v1: bool,
    labels: tuple[tuple[str, str], ...],
    taints: tuple[str, ...],
    cluster_dns: tuple[str, ...],
    cluster_domain: str,
    timeout_s: int,
) -> Generator[StringCommand, None, None]:
    """Bring this node's kubelet into a cluster, and keep it there; a node of another cluster is left as it is.

    The bootstrap token is on the node only until the kubelet has a certificate of its own, which it renews by itself:
    whoever reads it could bring other machines into the cluster. kubeadm removes it then, too.

    :param labels: given to the node when it registers; later changes are the cluster's business
    :param timeout_s: until the cluster has the node
    """
    state = read(kubelet)
    present = bound.read(FileStates, paths=FILES)
    if problem := _standing_in_the_way(state, present, cluster, kubelet, admit_cgroup_v1=admit_cgroup_v1):
        yield refusal(problem)
        return
    if state.kubeadm_joined:
        host.noop("kubeadm has joined this node to the cluster, and its kubelet is left to it")
        return
    wanted = Kubelet(
        version=kubelet_config.parse_version(state.kubelet) or kubelet_config.OLDEST,
        cgroup_v2=state.cgroup_v2,
        systemd_cgroup=state.cgroup_v2 if systemd_cgroup == "auto" else systemd_cgroup,
        swap=swap,
        admit_cgroup_v1=admit_cgroup_v1,
        resolv_conf=state.resolv_conf,
        labels=labels,
        taints=taints,
        cluster_dns=cluster_dns,
        cluster_domain=cluster_domain,
    )
    if wanted.version > kubelet_config.NEWEST_KNOWN:
        tell(f"the kubelet {state.kubelet} is newer than what wslgpu knows; it is configured as 1.37 is", warning=True)
    files = _files(state, kubelet, wanted, cluster)
    has_certificate = state.joined is not None and state.certificate == "valid"
    said = (
        node_shape.other_address(state, cluster.server) if has_certificate else None,
        node_shape.plugins_elsewhere(state),
    )
    for problem in filter(None, said):
        tell(f"{problem.what}. {problem.next_step}", warning=True)
    if not has_certificate:
        files[BOOTSTRAP] = (cluster.kubeconfig, "600")
    differing = [
        path
        for path, (content, mode) in files.items()
        if present.get(path) != FileState("file", mode, "root:root", sha256_of(content))
    ]
    unit = state.units.get("kubelet")
    runs = unit is not None and unit.active and unit.enabled and not unit.stale
    gone = state.registered == "404"
    record = f"join {cluster.identity}"
    token_left = _is_there(present, BOOTSTRAP)
    if has_certificate and not differing and runs and not gone and not token_left and state.record == record:
        host.noop(f"the node has joined {cluster.server}")
        return
    for path in differing:
        content, mode = files[path]
        yield script("put_file", path, mode, "root:root", sha256_of(content), stdin=as_stdin(content))
    restart = bool(differing) or not runs or gone
    # the deadline of the command leaves the script time for its own words
    yield script("kubernetes_join", cluster.server, restart, timeout_s, record, timeout_s=timeout_s + 60)


def _standing_in_the_way(
    state: KubernetesNodeState,
    present: Mapping[str, FileState],
    cluster: Cluster,
    kubelet: str,
    *,
    admit_cgroup_v1: bool,
) -> Problem | None:
    if problem := node_shape.kubelet_problem(state, kubelet, admit_cgroup_v1=admit_cgroup_v1):
        return problem
    if state.joined is not None and state.joined[0] != cluster.identity:
        return Problem(
            f"this node belongs to the cluster at {state.joined[1] or 'an unknown address'} ({KUBECONFIG}), whose"
            f" authority is another than that of {cluster.server}",
            "It is left alone. Take the node out of that cluster first: kubernetes_role: none where wslgpu had joined"
            " it, else kubeadm reset.",
            fatal=True,
        )
    if problem := node_shape.foreign_cluster(state, own="kubelet"):
        return problem
    unit = state.units.get("kubelet")
    if unit is not None and not unit.ours and not unit.fragment.startswith(("/usr/lib/", "/lib/")):
        return Problem(
            f"{unit.fragment} is a unit for the kubelet that neither a package nor wslgpu brought",
            "It is left alone. Remove it, or run that kubelet yourself with kubernetes_role: prepare.",
            fatal=True,
        )
    ours = state.kubelet_config_ours or state.record.startswith("join ")
    if _is_there(present, CONFIG) and not ours and not state.kubeadm_joined:
        return Problem(
            f"{CONFIG} is somebody's configuration of a kubelet, and not wslgpu's",
            "It is left alone. Move it away where no kubelet needs it, or run that kubelet yourself with"
            " kubernetes_role: prepare.",
            fatal=True,
        )
    return None


def _is_there(present: Mapping[str, FileState], path: str) -> bool:
    return present.get(path, FileState("none", "", "", "")).kind != "none"


def _files(state: KubernetesNodeState, kubelet: str, wanted: Kubelet, cluster: Cluster) -> dict[str, tuple[str, str]]:
    """Content and mode of the files that the kubelet starts with, by path.

    First the one by which :func:`left` knows that it has to begin, wherever a run is cut off.
    """
    flags = kubelet_config.flags(wanted)
    command = " ".join((kubelet, *kubelet_config.PLACES, *flags))
    unit = state.units.get("kubelet")
    files = {
        AUTHORITY: (cluster.authority, "644"),
        CONFIG: (kubelet_config.configuration(wanted), "644"),
    }
    if unit is not None and unit.fragment.startswith(("/usr/lib/", "/lib/")):
        text = render(DROP_IN, kubeadm=state.kubeadm_unit, command=command, flags=" ".join(flags))
        files[DROP_IN] = (text, "644")
    else:
        files[UNIT] = (render(UNIT, command=command), "644")
    return files


@operation()
def left(role: Literal["none", "prepare", "join", "k3s"], kubelet: str) -> Generator[StringCommand, None, None]:
    """Take away what another role has put here; what is somebody else's stays.

    Taken away are files with wslgpu's mark, the kubelet's certificate and kubeconfig where wslgpu had joined the node,
    and services that are wslgpu's. Containers that run go on; the cluster keeps its object for the node. Where kubeadm
    has joined the node since, its kubelet runs on, with credentials that are not ours.
    """
    state = read(kubelet)
    present = bound.read(FileStates, paths=FILES)
    there = {path for path in FILES if _is_there(present, path)}
    # the authority comes first and goes last; a token without it is that of a kubeadm join which is running
    had_joined = state.record.startswith("join ") or AUTHORITY in there
    leave_cluster = role != "join" and had_joined
    surplus = [] if role != "none" else [path for path in PREPARED if path in there]
    if not leave_cluster and not surplus:
        host.noop("nothing of another role is here")
        return
    if leave_cluster:
        if state.kubeadm_joined:
            tell("kubeadm has joined this node since, and its kubelet is left to it; only wslgpu's own files go")
        else:
            tell(
                f"this node leaves its cluster; there, kubectl delete node {host.name} forgets it, and pods that run"
                " go on"
            )
        yield script("kubernetes_leave", state.kubeadm_joined)
    if surplus:
        yield script("kubernetes_unprepare", *surplus)
