"""Why a device plugin does not tell the kubelet of a GPU: recognised by its pod's state and its own words. Pure.

Sources of the words: NVIDIA/k8s-device-plugin (cmd/nvidia-device-plugin/factory.go, internal/rm/health.go) and its
issues 207, 332 and 646.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wslgpu.kubernetes.chain_facts import ChainFacts
from wslgpu.kubernetes.pods import IMAGE_REASONS, PodState
from wslgpu.verdict.seen import NotSeenError

NO_NVML = ("ERROR_LIBRARY_NOT_FOUND", "Failed to initialize NVML", "Incompatible strategy detected")
NO_DEVICES = ("No devices found. Waiting indefinitely",)
REFUSED_EVENTS = ("is too old to support healthchecking", "Marking device")
SYMBOL = "symbol lookup error"


@dataclass(frozen=True)
class Cause:
    """A recognised cause: identifier, one sentence, what showed it, what to do."""

    id: str
    what: str
    evidence: tuple[str, ...]
    remedy: str


def of_pods(facts: ChainFacts, pods: Sequence[PodState]) -> Cause:
    """Why the plugin has not registered, by its pods on this node."""
    if not pods:
        return Cause(
            "plugin-pod-missing",
            "the device plugin's DaemonSet has no pod on this node",
            (),
            "kubectl -n NAMESPACE describe daemonset: its events say why no pod was made.",
        )
    pod = pods[0]
    said = _first(pod.log, (*NO_NVML, *NO_DEVICES))
    if said:
        return _without_nvml(facts, pod, said)
    if words := _first(pod.log, (SYMBOL,)):
        return Cause(
            "plugin-symbol-missing",
            "the plugin ended because the driver's libnvidia-ml.so.1 lacks a function that it calls",
            (f"{pod.name}: {words}",),
            "The driver is older than this version of the plugin expects: update the driver on Windows, or take an"
            " older device_plugin_version.",
        )
    if pod.reason:
        return _waiting(pod)
    return Cause(
        "plugin-not-registered",
        "the plugin runs and the kubelet does not know it",
        (f"{pod.name} is {pod.phase}", *pod.log[-3:]),
        f"Its log may say why: kubectl -n {pod.name.replace('/', ' logs ')}. Deleting the pod starts it anew.",
    )


def of_refused_events(pods: Sequence[PodState]) -> Cause | None:
    """The plugin called every GPU unhealthy since NVML registers no events for it; None where its words do not say so.

    Versions up to 0.17.1 run their health check on WSL2, where a driver may answer NOT_SUPPORTED.
    """
    for pod in pods:
        lines = tuple(line for line in pod.log if any(word in line for word in REFUSED_EVENTS))
        if lines:
            return Cause(
                "gpus-marked-unhealthy",
                "the plugin called every GPU unhealthy: NVML refuses to register for events of it",
                tuple(f"{pod.name}: {line}" for line in lines[:3]),
                "Deploy a version that skips such GPUs (device_plugin_version: 0.19.0 or newer), or switch its health"
                " checks off (device_plugin_health_checks: off, which sets DP_DISABLE_HEALTHCHECKS=all); then:"
                " wslgpu workload apply device-plugin",
            )
    return None


def _without_nvml(facts: ChainFacts, pod: PodState, said: str) -> Cause:
    """NVML was not there for the plugin: because it runs without the nvidia runtime, or because it came too early."""
    evidence = [f"{pod.name}: {said}"]
    under = pod.runtime_class or "the default runtime"
    try:
        engine = facts.engine()
        classes = facts.runtime_classes()
        handler = classes.get(pod.runtime_class, "") if pod.runtime_class else engine.default
        evidence.append(f"{pod.name} runs under {under}, which is the handler {handler or '(none)'}")
    except NotSeenError:
        handler = pod.runtime_class
        evidence.append(f"{pod.name} runs under {under}")
    if "nvidia" not in handler:
        return Cause(
            "plugin-without-runtime",
            "the plugin does not run under the nvidia runtime, so it has neither libnvidia-ml.so.1 nor /dev/dxg",
            tuple(evidence),
            "Give its pods runtimeClassName: nvidia, or make nvidia containerd's default runtime"
            " (container_toolkit_default_runtime: true); `wslgpu workload apply device-plugin` deploys it so.",
        )
    gpus = facts.driver_gpus()
    if gpus:
        return Cause(
            "plugin-before-driver",
            "the plugin started before the driver was there, and does not look again",
            (*evidence, f"now the node's driver shows {gpus} GPU(s)"),
            f"Start it anew: kubectl -n {pod.name.replace('/', ' delete pod ')} (its DaemonSet makes another).",
        )
    return Cause(
        "no-driver",
        "the plugin finds no GPU, and the node's driver shows none either",
        (*evidence, "the driver on the node shows no GPU" if gpus == 0 else "nobody could ask the node's driver"),
        "Mend the node first: wslgpu check says what is missing.",
    )


def _waiting(pod: PodState) -> Cause:
    evidence = [f"{pod.name}: {pod.reason}{': ' + pod.message if pod.message else ''}", *pod.log[-3:]]
    if pod.reason in IMAGE_REASONS:
        what, remedy = "the plugin's image cannot be pulled", "Check the digest and the way to its registry."
    elif pod.reason == "CrashLoopBackOff" or pod.phase == "Failed":
        what = f"the plugin ends again and again ({pod.restarts} restarts)"
        remedy = "Its log says why; the last lines are above."
    elif pod.reason == "Unschedulable":
        what, remedy = "the plugin's pod cannot be scheduled on this node", "The scheduler's words are above."
    else:
        what = f"the plugin's pod does not run: {pod.reason}"
        remedy = f"kubectl -n {pod.name.replace('/', ' describe pod ')}"
    return Cause("plugin-pod-" + pod.reason.lower()[:40], what, tuple(evidence), remedy)


def _first(lines: Sequence[str], words: Sequence[str]) -> str:
    return next((line for line in lines if any(word in line for word in words)), "")
