"""Which link of the chain from CDI spec to pod is the first that does not hold, and why. Pure.

Each link is judged by itself; then the first broken one is the finding, and later ones that do not hold are because of
it: one cause, one red line. Sources: kubernetes.io (device plugins, RuntimeClass), cncf-tags/container-device-interface
SPEC.md, NVIDIA/k8s-device-plugin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from wslgpu.cdi import KIND, OUR_PATH, REFRESH_PATH
from wslgpu.kubernetes.chain_facts import RESOURCE, ChainFacts, Spec
from wslgpu.kubernetes.chain_model import Chain, Link, LinkState
from wslgpu.kubernetes.chain_plugin import Cause, of_pods, of_refused_events
from wslgpu.verdict.seen import NotSeenError

LABEL = "nvidia.com/gpu.present"
HANDLER = "nvidia"
_SHOWN = 6


def judge(facts: ChainFacts) -> Chain:
    """All links of one node. Never raises for anything that a node said."""
    makers: dict[str, Callable[[ChainFacts], Link]] = {
        "cdi-spec": cdi_spec,
        "runtime-handler": runtime_handler,
        "runtime-class": runtime_class,
        "registration": registration,
        "allocatable": allocatable,
        "label": label,
        "pod": pod,
    }
    links = [_made(link_id, make, facts) for link_id, make in makers.items()]
    first = next((link for link in links if link.state is LinkState.BROKEN), None)
    if first is not None:
        after = links.index(first) + 1
        links[after:] = [_because(link, first) for link in links[after:]]
    return Chain(facts.node_name(), tuple(links), facts.stand_in)


def _made(link_id: str, make: Callable[[ChainFacts], Link], facts: ChainFacts) -> Link:
    try:
        return make(facts)
    except NotSeenError as error:
        return Link(link_id, LinkState.UNKNOWN, "could not be looked at", (str(error),))


def _because(link: Link, first: Link) -> Link:
    if link.state is not LinkState.BROKEN:
        return link
    return replace(link, state=LinkState.BECAUSE, because=first.id, remedy="", cause="")


def _broken(link_id: str, cause: Cause, notes: tuple[str, ...] = ()) -> Link:
    return Link(link_id, LinkState.BROKEN, cause.what, cause.evidence, cause.remedy, cause.id, notes=notes)


def cdi_spec(facts: ChainFacts) -> Link:
    """A spec gives ``nvidia.com/gpu=all``, no other claims the same device, and all that it names is there."""
    specs = facts.specs()
    named = [spec for spec in specs if spec.kind == KIND]
    where = tuple(f"{spec.file}: {', '.join(spec.names[:_SHOWN])}" for spec in specs)
    if not named:
        there = f"; there are {', '.join(sorted({spec.kind for spec in specs}))}" if specs else ""
        return _broken(
            "cdi-spec",
            Cause(
                "no-spec",
                f"no CDI spec of kind {KIND} is on the node{there}",
                where or ("/etc/cdi and /var/run/cdi hold none",),
                "wslgpu apply --only container_toolkit (by hand: nvidia-ctk cdi generate --mode=wsl).",
            ),
        )
    if cause := _stale(specs) or _claimed_twice(specs):
        return _broken("cdi-spec", cause)
    devices = sorted({name for spec in specs for name in spec.names})
    return Link("cdi-spec", LinkState.HOLDS, f"gives {', '.join(devices[:_SHOWN])}", where)


def _stale(specs: tuple[Spec, ...]) -> Cause | None:
    stale = [spec for spec in specs if spec.missing]
    if not stale:
        return None
    return Cause(
        "spec-stale",
        f"{' and '.join(spec.file for spec in stale)} names files that are gone: the driver changed since",
        tuple(f"{spec.file}: {path} is gone" for spec in stale for path in spec.missing[:_SHOWN]),
        "wslgpu apply --only container_toolkit and --only video_cdi write them anew; pods that run keep what they have,"
        " new ones start again afterwards.",
    )


def _claimed_twice(specs: tuple[Spec, ...]) -> Cause | None:
    """The same device in two files; ours beside that of NVIDIA's refresh unit is how it is meant to be."""
    count = Counter(name for spec in specs for name in spec.names)
    for device in sorted(name for name, times in count.items() if times > 1):
        files = [spec.file for spec in specs if device in spec.names]
        if set(files) == {OUR_PATH, REFRESH_PATH}:
            continue
        folders = {file.rpartition("/")[0] for file in files}
        effect = (
            "both are in one folder, so the engine can give out neither"
            if len(folders) == 1
            else "the one in the folder that is read last counts"
        )
        return Cause(
            "device-claimed-twice",
            f"{len(files)} CDI specs claim the device {device}: {' and '.join(files)}",
            (effect,),
            "Keep one of them. wslgpu apply removes only what wslgpu wrote itself.",
        )
    return None


def runtime_handler(facts: ChainFacts) -> Link:
    """The containerd that runs now has the handler ``nvidia``."""
    engine = facts.engine()
    shown = (f"handlers: {', '.join(sorted(engine.handlers)) or 'none'}; default: {engine.default or 'none'}",)
    if HANDLER in engine.handlers:
        program = engine.handlers[HANDLER]
        what = f"{HANDLER} starts {program}" if program else HANDLER
        return Link("runtime-handler", LinkState.HOLDS, what, shown)
    filed = facts.filed_runtimes()
    if filed is not None and HANDLER in filed:
        cause = Cause(
            "engine-older-than-files",
            "the running containerd does not know the handler nvidia, though its files name it: it started before them",
            (*shown, f"its files: {', '.join(filed)}"),
            "wslgpu apply --only containerd (by hand: systemctl restart containerd; running pods go on).",
        )
    else:
        cause = Cause(
            "no-handler",
            "the running containerd has no handler nvidia",
            shown,
            "wslgpu apply --only container_toolkit (by hand: nvidia-ctk runtime configure, restart containerd).",
        )
    return _broken("runtime-handler", cause)


def runtime_class(facts: ChainFacts) -> Link:
    """A RuntimeClass names that handler, or it is containerd's default and none is needed."""
    classes = facts.runtime_classes()
    shown = tuple(f"{name} -> {handler}" for name, handler in sorted(classes.items())[:_SHOWN])
    fitting = sorted(name for name, handler in classes.items() if handler == HANDLER)
    if fitting:
        return Link("runtime-class", LinkState.HOLDS, f"{', '.join(fitting)} -> {HANDLER}", shown)
    try:
        default = facts.engine().default
    except NotSeenError:
        default = ""
    if default == HANDLER:
        what = "none, and none is needed: nvidia is the default"
        note = "Pods that name a runtime class are refused until there is one: wslgpu workload apply runtime-class"
        return Link("runtime-class", LinkState.HOLDS, what, shown, notes=(note,))
    return _broken(
        "runtime-class",
        Cause(
            "no-runtime-class",
            f"no RuntimeClass has the handler {HANDLER}",
            shown or ("the cluster has none at all",),
            "wslgpu workload apply runtime-class",
        ),
    )


def registration(facts: ChainFacts) -> Link:
    """The kubelet has written down the resource that a plugin told it of."""
    if facts.kubelet_active() is None:
        raise NotSeenError("there is no kubelet on this node")
    if not facts.kubelet_active():
        cause = Cause(
            "kubelet-down", "the kubelet does not run", (), "systemctl status kubelet k3s; journalctl -u kubelet"
        )
        return _broken("registration", cause)
    registered = facts.registered()
    notes = _version_notes(facts)
    if RESOURCE in registered:
        healthy = registered[RESOURCE]
        what = f"{RESOURCE} with {len(healthy)} healthy: {', '.join(healthy[:_SHOWN]) or 'none'}"
        return Link("registration", LinkState.HOLDS, what, facts.kubelet_log()[-2:], notes=notes)
    return _broken("registration", _unregistered(facts), notes)


def _unregistered(facts: ChainFacts) -> Cause:
    plugin = facts.plugin()
    pods = facts.plugin_pods()
    if plugin is None and not pods:
        return Cause(
            "no-plugin",
            "the cluster has no NVIDIA device plugin",
            ("no DaemonSet has an image k8s-device-plugin",),
            "wslgpu workload apply device-plugin",
        )
    if plugin is not None and not pods:
        labels = facts.node().labels
        lacks = f"the node lacks the label {LABEL}=true" if labels.get(LABEL) != "true" else "the node has its label"
        return Cause(
            "plugin-not-scheduled",
            "the device plugin's DaemonSet has no pod on this node",
            (f"it wants {plugin.desired} pod(s) in the cluster, {plugin.ready} ready", lacks),
            f"kubectl label node {facts.node_name()} {LABEL}=true (wslgpu apply --only kubernetes keeps it), or look at"
            " the DaemonSet's nodeSelector, affinity and tolerations.",
        )
    return of_pods(facts, pods)


def _version_notes(facts: ChainFacts) -> tuple[str, ...]:
    try:
        plugin = facts.plugin()
    except NotSeenError:
        return ()
    if plugin is None or plugin.version in facts.versions.values():
        return ()
    named = f"version {plugin.version}" if plugin.version else f"the image {plugin.image}, which names no version,"
    return (
        f"The device plugin's {named} is not in the table: how many GPUs it advertises on WSL2 is not known here."
        " Deploy one of the table, or add a row under device_plugins in site.yml.",
    )


def allocatable(facts: ChainFacts) -> Link:
    """The node offers at least one ``nvidia.com/gpu``."""
    node = facts.node()
    shown = (f"capacity {node.capacity}, allocatable {node.allocatable}",)
    if not node.ready:
        cause = Cause("node-not-ready", "the cluster does not call the node ready", shown, _NOT_READY)
        return _broken("allocatable", cause)
    if node.allocatable > 0:
        note = _count_note(facts, node.allocatable)
        return Link("allocatable", LinkState.HOLDS, f"{node.allocatable}", shown, notes=(note,) if note else ())
    pods = facts.plugin_pods()
    known = of_refused_events(pods) or (of_pods(facts, pods) if any(one.reason for one in pods) else None)
    if known is not None:
        return _broken("allocatable", replace(known, evidence=(*shown, *known.evidence)))
    healthy = facts.registered().get(RESOURCE, ())
    if healthy:
        cause = Cause(
            "not-reported-yet",
            f"the kubelet knows {len(healthy)} {RESOURCE}, and the node's status does not say so yet",
            shown,
            "Look again: the kubelet reports within 10 s of a plugin's registration. When it stays so: journalctl -u"
            " kubelet.",
        )
        return _broken("allocatable", cause)
    cause = Cause(
        "nothing-allocatable",
        f"the node offers no {RESOURCE}",
        (*shown, *facts.kubelet_log()[-3:]),
        "The plugin told the kubelet of no healthy GPU: its log says why.",
    )
    return _broken("allocatable", cause)


_NOT_READY = "kubectl describe node, and the kubelet's log: most often the CNI plugin, containerd or swap."


def _count_note(facts: ChainFacts, advertised: int) -> str:
    gpus = facts.driver_gpus()
    if gpus is None or gpus == advertised:
        return ""
    if advertised == 1:
        return (
            f"One stands for all {gpus} GPUs: this version of the plugin reports WSL2 so. Pods ask for 1, and see all."
        )
    return f"{advertised} are advertised where the driver shows {gpus}: the plugin shares or hides some."


def label(facts: ChainFacts) -> Link:
    """The node carries the label by which the plugin and workloads choose it."""
    labels = facts.node().labels
    shown = tuple(f"{key}={value}" for key, value in list(labels.items())[:_SHOWN])
    if labels.get(LABEL) == "true":
        return Link("label", LinkState.HOLDS, f"{LABEL}=true", shown)
    cause = Cause(
        "no-label",
        f"the node has no label {LABEL}=true",
        shown or ("it has none of nvidia.com and feature.node.kubernetes.io",),
        f"wslgpu apply --only kubernetes (by hand: kubectl label node {facts.node_name() or 'NAME'} {LABEL}=true). Node"
        " feature discovery cannot find it on WSL2: there is no PCI device of NVIDIA's.",
    )
    return _broken("label", cause)


def pod(facts: ChainFacts) -> Link:
    """A pod that asked for one GPU ran, with the device and the driver's libraries in it."""
    view = facts.pod
    if view is None:
        return Link("pod", LinkState.NOT_ASKED, "no pod was started: --pod does that")
    if not view.ran:
        cause = Cause(
            "pod-did-not-run", f"a pod that asks for one GPU does not run: {view.reason}", view.lines, _POD_REMEDY
        )
        return _broken("pod", cause)
    lacks = [name for name in ("device", "library") if not view.values(name)]
    if lacks:
        names = {"device": "/dev/dxg", "library": "the driver's libraries"}
        cause = Cause(
            "pod-without-gpu",
            f"a pod that asks for one GPU runs without {' and '.join(names[name] for name in lacks)}",
            view.lines,
            "The runtime did not bring them: look at the links before this one, and at mode in"
            " /etc/nvidia-container-runtime/config.toml.",
        )
        return _broken("pod", cause)
    return Link("pod", LinkState.HOLDS, "it sees the GPU's device and the driver's libraries", view.lines)


_POD_REMEDY = "kubectl describe pod of one that asks for a GPU, and the events of its namespace."
