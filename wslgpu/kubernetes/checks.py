"""Does a workload fit, before it is applied? Pure: what is asked for, held against what the cluster says.

A question whose answer nobody gave is `cannot-tell` with the reason, and never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wslgpu.kubernetes.check_model import Judgement, Verdict
from wslgpu.kubernetes.checks_node import exposure, paths, ports, shared_memory
from wslgpu.kubernetes.cluster_facts import ClusterFacts, NodeSeen, PodSeen
from wslgpu.kubernetes.plugin_version import known_versions, version_of
from wslgpu.kubernetes.requests import Asked, Requests
from wslgpu.settings import Settings
from wslgpu.verdict.seen import NotSeenError
from wslgpu.workloads.manifest import GPU_RESOURCE

_CHAIN = "`wslgpu workload chain` shows which link is missing."
Question = Callable[[Requests, ClusterFacts, Settings], Iterable[Judgement]]


def judge(asked: Requests, facts: ClusterFacts, settings: Settings) -> list[Judgement]:
    """Every question, in the order in which people should read the answers."""
    questions: dict[str, Question] = {
        "node": _node,
        "namespace": _namespace,
        "runtime-class": _runtime_class,
        "device-plugin": _device_plugin,
        "gpus": _gpus,
        "resources": _resources,
        "shared-memory": shared_memory,
        "paths": paths,
        "parts": _parts,
        "ports": ports,
        "exposure": exposure,
    }
    found: list[Judgement] = []
    for question, answer in questions.items():
        try:
            found += answer(asked, facts, settings)
        except NotSeenError as error:
            found.append(Judgement(question, Verdict.CANNOT_TELL, f"nobody could look: {error}"))
    return found


def _node(asked: Requests, facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    if not asked.pods:
        return
    nodes = facts.nodes()
    ready = [node.name for node in nodes if node.ready]
    if ready:
        yield Judgement("node", Verdict.FITS, f"ready: {', '.join(ready)}")
        return
    yield Judgement(
        "node",
        Verdict.REFUSED,
        "no node of the cluster is ready",
        tuple(f"{node.name}: {node.why_not}" for node in nodes),
        "kubectl describe node, and the kubelet's log there; `wslgpu workload apply` with --wait waits for one.",
    )


def _namespace(asked: Requests, facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    wanted = asked.namespaces - asked.made_namespaces
    there = facts.namespaces()
    for name in sorted(wanted):
        if name not in there:
            yield Judgement(
                "namespace",
                Verdict.REFUSED,
                f"there is no namespace {name}",
                (),
                f"wslgpu workload apply namespace, or kubectl create namespace {name}.",
            )
    for name in sorted(asked.namespaces):
        if there.get(name) == "Terminating":
            what = f"the namespace {name} is being deleted: nothing new can be made in it"
            yield Judgement("namespace", Verdict.REFUSED, what, (), "Wait until it is gone, then try again.")


def _runtime_class(asked: Requests, facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    wanted = {one.runtime_class for one in asked.pods if one.runtime_class} - asked.made_runtime_classes
    there = facts.runtime_classes() if wanted else {}
    for name in sorted(wanted):
        if name in there:
            yield Judgement("runtime-class", Verdict.FITS, f"{name} -> {there[name]}")
        else:
            what = f"there is no RuntimeClass {name}, so the API server takes none of the pods"
            has = (f"there are: {', '.join(sorted(there)) or 'none'}",)
            yield Judgement("runtime-class", Verdict.REFUSED, what, has, "wslgpu workload apply runtime-class")


def _device_plugin(asked: Requests, facts: ClusterFacts, settings: Settings) -> Iterator[Judgement]:
    if not any(one.gpus for one in asked.pods):
        return
    plugins = facts.plugins()
    versions = known_versions(settings)
    for name, image in plugins.items():
        version = version_of(image, versions)
        if version not in settings.device_plugins:
            known = ", ".join(settings.device_plugins)
            yield Judgement(
                "device-plugin",
                Verdict.WARNING,
                f"the device plugin {name} has a version that is not in the table ({version or image}): how many GPUs"
                " it advertises on WSL2 is not known here",
                (f"image {image}", f"the table has {known}"),
                "Deploy one of the table (wslgpu workload apply device-plugin), or add a row under device_plugins in"
                " site.yml.",
            )
    if not plugins and not asked.brings_plugin and not any(node.gpus for node in facts.nodes()):
        what = "no device plugin tells the cluster of a GPU"
        yield Judgement("device-plugin", Verdict.REFUSED, what, (), "wslgpu workload apply device-plugin")


def _gpus(asked: Requests, facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    wanting = [one for one in asked.pods if one.gpus]
    if not wanting:
        return
    ready = [node for node in facts.nodes() if node.ready]
    pods = facts.pods()
    for one in wanting:
        if asked.brings_plugin and not any(node.gpus for node in ready):
            what = f"{one.who} asks for {one.gpus} {GPU_RESOURCE}, of which the device plugin has yet to tell"
            yield Judgement("gpus", Verdict.NOTE, what, (), "`apply` waits for it, and judges this then.")
        else:
            yield _gpus_of(one, [node for node in ready if _selects(one, node)], pods, asked.beside)


def _gpus_of(one: Asked, nodes: list[NodeSeen], pods: tuple[PodSeen, ...], beside: tuple[Asked, ...]) -> Judgement:
    most = max((node.gpus for node in nodes), default=0)
    shown = tuple(f"{node.name} advertises {node.gpus}" for node in nodes) or ("no ready node fits its nodeSelector",)
    if most == 0:
        what = f"{one.who} asks for {one.gpus} {GPU_RESOURCE}, and no node that it may run on advertises any"
        return Judgement("gpus", Verdict.REFUSED, what, shown, _CHAIN)
    if one.gpus > most:
        remedy = (
            "Ask for 1: on WSL2 this plugin advertises one that stands for all GPUs, and the pod sees them all."
            if most == 1
            else f"Ask for {most} or fewer: on WSL2 every pod sees all GPUs of its node, whatever it asks for."
        )
        what = f"{one.who} asks for {one.gpus} {GPU_RESOURCE} where {most} is advertised: its pod would stay Pending"
        return Judgement("gpus", Verdict.REFUSED, what, shown, remedy)
    others = [
        pod for pod in pods if pod.alive and pod.gpus and pod.workload != one.labels.get("app.kubernetes.io/name")
    ]
    free = {node.name: node.gpus - sum(pod.gpus for pod in others if pod.node == node.name) for node in nodes}
    # those that run already are among the pods
    there = {pod.workload for pod in pods if pod.alive and pod.gpus}
    first = [other for other in beside if other.gpus and other.labels.get("app.kubernetes.io/name") not in there]
    taken = sum(other.gpus * max(1, other.pods) for other in first)
    if one.gpus * max(1, one.pods) > sum(max(0, count) for count in free.values()) - taken:
        holders = tuple(f"{pod.namespace}/{pod.name} has {pod.gpus} on {pod.node or 'no node yet'}" for pod in others)
        holders += tuple(f"{other.who} of the same call asks for {other.gpus}" for other in first)
        what = f"{one.who} asks for {one.gpus} {GPU_RESOURCE} and others have them: its pod waits until they end"
        return Judgement("gpus", Verdict.WARNING, what, (*shown, *holders), "End one of them, or apply with --force.")
    return Judgement("gpus", Verdict.FITS, f"{one.who} asks for {one.gpus} of {most}", shown)


def _resources(asked: Requests, facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    """Processors and memory that the scheduler sets aside: a node of two processors has less than two to give."""
    wanting = [one for one in asked.pods if one.cpus or one.memory_bytes]
    if not wanting:
        return
    ready = [node for node in facts.nodes() if node.ready and node.cpus is not None and node.memory_bytes is not None]
    pods = [pod for pod in facts.pods() if pod.alive]
    for one in wanting:
        nodes = [node for node in ready if _selects(one, node)]
        others = [pod for pod in pods if pod.workload != one.labels.get("app.kubernetes.io/name")]
        if nodes and not any(_has_room(one, node, [pod for pod in others if pod.node == node.name]) for node in nodes):
            alone = any(_has_room(one, node, []) for node in nodes)
            wants = f"{one.who} asks for {one.cpus.normalize():f} CPU and {one.memory_bytes >> 20} MiB"
            yield Judgement(
                "resources",
                Verdict.WARNING if alone else Verdict.REFUSED,
                f"{wants}, which no node has{' left beside the others' if alone else ''}: its pod would stay Pending",
                tuple(_room(node, [pod for pod in others if pod.node == node.name]) for node in nodes),
                "Ask for less, give WSL more (processors= and memory= in .wslconfig), or end what has it.",
            )


def _has_room(one: Asked, node: NodeSeen, others: list[PodSeen]) -> bool:
    cpus = (node.cpus or 0) - sum(pod.cpus for pod in others)
    memory = (node.memory_bytes or 0) - sum(pod.memory_bytes for pod in others)
    return one.cpus <= cpus and one.memory_bytes <= memory


def _room(node: NodeSeen, others: list[PodSeen]) -> str:
    taken, memory = sum(pod.cpus for pod in others), sum(pod.memory_bytes for pod in others)
    return (
        f"{node.name} has {node.cpus} CPU and {(node.memory_bytes or 0) >> 20} MiB; others have {taken} CPU and"
        f" {memory >> 20} MiB of it"
    )


def _selects(one: Asked, node: NodeSeen) -> bool:
    return all(node.labels.get(key) == value for key, value in one.selector.items())


def _parts(asked: Requests, facts: ClusterFacts, _settings: Settings) -> Iterator[Judgement]:
    for space, resource, name in asked.missing_parts:
        if not facts.present(part_label(space, resource, name)):
            yield Judgement(
                "parts",
                Verdict.REFUSED,
                f"there is no {resource} {name}{f' in the namespace {space}' if space else ''}, and pods do not start"
                " without it",
                (),
                "The workload's notes say how it is made: wslgpu workload render NAME >/dev/null",
            )


def part_label(space: str, resource: str, name: str) -> str:
    """The label under which that object was asked for."""
    safe = "".join(character if character.isalnum() else "-" for character in f"{space}-{resource}-{name}".lower())
    return f"part-{safe}"
