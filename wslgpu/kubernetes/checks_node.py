"""The questions about the node itself: shared memory, paths, ports, and who can reach what listens. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wslgpu.kubernetes.check_model import Judgement, Verdict
from wslgpu.kubernetes.cluster_facts import ClusterFacts
from wslgpu.kubernetes.requests import Asked, Reached, Requests
from wslgpu.settings import Settings
from wslgpu.verdict.seen import NotSeenError
from wslgpu.workloads.quantity import as_quantity
from wslgpu.workloads.shared_memory import least_bytes

ENGINE_DEFAULT_BYTES = 64 << 20
"""What containerd and Docker give at /dev/shm where nothing is mounted there."""
WINDOWS_FILESYSTEMS = ("9p", "v9fs", "drvfs", "virtiofs", "fuse.drvfs")
_WINDOWS_PATH = re.compile(r"/mnt/[A-Za-z](/|$)")


def shared_memory(asked: Requests, facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    """Room at /dev/shm for the ranks, and memory for that room."""
    for one in asked.pods:
        if one.ranks > 1:
            size = ENGINE_DEFAULT_BYTES if one.shared_memory_bytes is None else one.shared_memory_bytes
            least = least_bytes(one.ranks)
            if 0 < size < least:
                yield Judgement(
                    "shared-memory",
                    Verdict.REFUSED,
                    f"{one.who} has {as_quantity(size)} at /dev/shm, and {one.ranks} ranks need {as_quantity(least)}",
                    ("on WSL2 ranks talk through shared memory: there is no peer access",),
                    "Mount an emptyDir with medium Memory and that sizeLimit at /dev/shm (vllm_shared_memory: auto).",
                )
                continue
        if one.shared_memory_bytes:
            yield _memory_for(one, facts)


def _memory_for(one: Asked, facts: ClusterFacts) -> Judgement:
    size = one.shared_memory_bytes or 0
    most = max((node.memory_bytes or 0 for node in facts.nodes()), default=0)
    if most == 0:
        raise NotSeenError("no node tells how much memory it has")
    if size > most:
        return Judgement(
            "shared-memory",
            Verdict.REFUSED,
            f"{one.who} wants {as_quantity(size)} at /dev/shm, and no node has more than {most >> 20} MiB to give",
            (),
            "Give WSL more (memory= in .wslconfig), use fewer ranks, or set vllm_shared_memory.",
        )
    return Judgement("shared-memory", Verdict.FITS, f"{one.who}: {as_quantity(size)} for {one.ranks} rank(s)")


def paths(asked: Requests, facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    """Folders of the node that pods mount: there, of the kind that is asked for, and not on a Windows drive."""
    if not asked.paths:
        return
    seen = facts.paths()
    machine = facts.machine()
    kinds = {path: kind for one in asked.pods for path, kind in one.host_paths}
    for path in asked.paths:
        found = seen.get(path)
        if found is None:
            yield Judgement("paths", Verdict.CANNOT_TELL, f"{path} was not looked at")
        elif on_windows(path, found.filesystem):
            yield Judgement(
                "paths",
                Verdict.WARNING,
                f"{path} is on a Windows drive: reads take many times as long, and files keep no Linux permissions",
                (f"file system {found.filesystem} on {machine}",),
                "Copy it into the Linux file system, such as /srv/models.",
            )
        elif found.kind == "missing":
            what = f"{path} is not there, and pods that mount it do not start"
            yield Judgement("paths", Verdict.REFUSED, what, (f"looked on {machine}",), "Put it there, or name another.")
        elif kinds.get(path) in ("Directory", "DirectoryOrCreate") and found.kind != "directory":
            what = f"{path} is no folder, and pods that mount it do not start"
            yield Judgement("paths", Verdict.REFUSED, what, (f"looked on {machine}",), "Name a folder.")


def on_windows(path: str, filesystem: str) -> bool:
    """By its file system, or by the place where WSL mounts drives."""
    return filesystem in WINDOWS_FILESYSTEMS or bool(_WINDOWS_PATH.match(path))


def ports(asked: Requests, facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    """Ports of the node and of all nodes that somebody else has."""
    node_ports = [(one, port) for one in asked.services for port in one.node_ports if port]
    host_ports = [(one, port) for one in asked.pods for port in one.host_ports]
    if node_ports:
        taken = facts.node_ports()
        for service, port in node_ports:
            holder = taken.get(port)
            if holder is not None and holder != f"{service.who.namespace}/{service.who.name}":
                yield _taken(f"{service.who} wants the NodePort {port}", f"Service {holder} has it")
    if not host_ports:
        return
    holders = {
        port: f"pod {pod.namespace}/{pod.name}"
        for pod in facts.pods()
        for port in pod.host_ports
        if pod.alive and pod.workload not in {one.labels.get("app.kubernetes.io/name") for one, _ in host_ports}
    }
    for pod, port in host_ports:
        if port in holders:
            yield _taken(f"{pod.who} wants the host's port {port}", f"{holders[port]} has it")
    listening = {port: address for address, port in facts.listening()}
    own = {port for one in facts.pods() for port in one.host_ports}
    for pod, port in host_ports:
        if port in listening and port not in own:
            yield _taken(
                f"{pod.who} wants the host's port {port}", f"a process of the node listens at {listening[port]}"
            )


def _taken(wants: str, who: str) -> Judgement:
    return Judgement("ports", Verdict.REFUSED, f"{wants}, and {who}", (), "Choose another port, or end what has it.")


def exposure(asked: Requests, _facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    """What can be reached from outside of the cluster must ask who it is."""
    for service in asked.services:
        behind = [one for one in asked.pods if service.selector and service.selector.items() <= one.labels.items()]
        if service.type in ("NodePort", "LoadBalancer") and not all(one.authenticated for one in behind):
            yield _open(service)
    for one in asked.pods:
        if (one.host_ports or one.host_network) and not one.authenticated:
            how = "the node's own network" if one.host_network else f"port {one.host_ports[0]} of the node"
            yield _warning(f"{one.who} listens on {how}")


def _open(service: Reached) -> Judgement:
    return _warning(f"{service.who} is of type {service.type}: it is reached from outside of the cluster")


def _warning(what: str) -> Judgement:
    return Judgement(
        "exposure",
        Verdict.WARNING,
        f"{what}, and what answers there asks for no key",
        (),
        "Give it a key (vllm_api_key_file), or reach it through kubectl port-forward and a ClusterIP Service.",
    )
