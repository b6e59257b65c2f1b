"""Is what was applied ready, does it still come, or has it failed? Pure.

Source: kubernetes.io/docs/concepts/workloads/controllers (status of Deployments, DaemonSets and Jobs).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wslgpu.kubernetes.pods import CONFIG_REASONS, IMAGE_REASONS, PodState, rows, table
from wslgpu.report.plain import clean
from wslgpu.workloads.manifest import Identity, identity

KINDS = ("Deployment", "DaemonSet", "StatefulSet", "Job", "Pod")
"""What has a state to wait for."""


class Progress(str, enum.Enum):
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"


@dataclass(frozen=True)
class Stand:
    """How far one object is.

    :param what: one sentence without a full stop
    :param pods: those that are not well
    """

    who: Identity
    progress: Progress
    what: str
    pods: tuple[PodState, ...] = ()
    next_step: str = ""


def stand(item: Mapping[str, Any], pods: Sequence[PodState]) -> Stand:
    """One object as the server has it, with its pods."""
    who, status = identity(item), table(item.get("status"))
    unwell = tuple(pod for pod in pods if pod.reason and not pod.ready)
    if _ready(item, status):
        return Stand(who, Progress.READY, f"{who} is {'done' if who.kind == 'Job' else 'ready'}")
    failed = "" if _not_seen_yet(item, status) else _failed(item, status)
    if failed:
        return Stand(who, Progress.FAILED, f"{who} failed: {failed}", unwell, "The last lines of its pods say why.")
    for pod in () if _rolls_out(item, status) else unwell:
        if what := _hopeless(pod):
            return Stand(who, Progress.FAILED, f"{who}: {pod.name} {what[0]}", unwell, what[1])
    return Stand(who, Progress.WAITING, f"{who}: {_so_far(item, status)}", unwell, _meanwhile(item, status, unwell))


def _ready(item: Mapping[str, Any], status: dict[str, Any]) -> bool:
    kind, spec = item.get("kind"), table(item.get("spec"))
    if kind == "Pod":
        ready = any(
            row.get("type") == "Ready" and row.get("status") == "True" for row in rows(status.get("conditions"))
        )
        return ready or status.get("phase") == "Succeeded"
    if kind == "Job":
        return _condition(status, "Complete")
    if _not_seen_yet(item, status):
        return False
    if kind == "DaemonSet":
        wanted = int(status.get("desiredNumberScheduled") or 0)
        counts = (status.get("updatedNumberScheduled"), status.get("numberReady"), status.get("numberAvailable"))
        return wanted > 0 and all(int(count or 0) >= wanted for count in counts)
    wanted = int(spec.get("replicas", 1))
    keys = ("updatedReplicas", "readyReplicas") + (("availableReplicas",) if kind == "Deployment" else ())
    return all(int(status.get(key) or 0) >= wanted for key in keys)


def _not_seen_yet(item: Mapping[str, Any], status: dict[str, Any]) -> bool:
    """Its controller has not looked at what was applied: its status is of what was there before."""
    generation = table(item.get("metadata")).get("generation") or 0
    return item.get("kind") not in ("Job", "Pod") and int(status.get("observedGeneration") or 0) < int(generation)


def _rolls_out(item: Mapping[str, Any], status: dict[str, Any]) -> bool:
    """Pods of what was there before are still among its pods, and how they end says nothing of what was applied."""
    if item.get("kind") in ("Job", "Pod"):
        return False
    if item.get("kind") == "DaemonSet":
        wanted, new = status.get("desiredNumberScheduled"), status.get("updatedNumberScheduled")
    else:
        wanted, new = table(item.get("spec")).get("replicas", 1), status.get("updatedReplicas")
    return _not_seen_yet(item, status) or int(new or 0) < int(wanted or 0)


def _failed(item: Mapping[str, Any], status: dict[str, Any]) -> str:
    for kind, name in (("Job", "Failed"), ("Deployment", "Progressing")):
        for row in rows(status.get("conditions")):
            bad = row.get("status") == ("True" if kind == "Job" else "False")
            if item.get("kind") == kind and row.get("type") == name and bad:
                return clean(str(row.get("message") or row.get("reason") or "it says no more"), 300)
    if item.get("kind") == "Pod" and status.get("phase") == "Failed":
        return clean(str(status.get("message") or status.get("reason") or "its containers ended badly"), 300)
    return ""


def _condition(status: dict[str, Any], name: str) -> bool:
    return any(row.get("type") == name and row.get("status") == "True" for row in rows(status.get("conditions")))


def _hopeless(pod: PodState) -> tuple[str, str] | None:
    """What no waiting mends, with what to do; None for what may still come."""
    if pod.reason in IMAGE_REASONS and pod.reason != "ErrImagePull":
        return f"cannot pull its image: {pod.message}", "Check the digest, the mirror and the way to the registry."
    if pod.reason in CONFIG_REASONS:
        return f"cannot be made: {pod.message}", "What it names (a Secret, a path, a runtime) must be there first."
    if pod.reason == "CrashLoopBackOff" and pod.restarts > 1:
        return f"ends again and again ({pod.restarts} restarts)", "Its last lines say why."
    return None


def _so_far(item: Mapping[str, Any], status: dict[str, Any]) -> str:
    if item.get("kind") == "DaemonSet":
        return f"{status.get('numberReady') or 0} of {status.get('desiredNumberScheduled') or 0} ready"
    if item.get("kind") in ("Deployment", "StatefulSet"):
        return f"{status.get('readyReplicas') or 0} of {table(item.get('spec')).get('replicas', 1)} ready"
    if item.get("kind") == "Job":
        return "running" if status.get("active") else "not started"
    return str(status.get("phase") or "not there yet")


def _meanwhile(item: Mapping[str, Any], status: dict[str, Any], unwell: tuple[PodState, ...]) -> str:
    """What to do should it stay so."""
    if item.get("kind") == "DaemonSet" and not status.get("desiredNumberScheduled"):
        return "No node fits its nodeSelector and tolerations: kubectl get nodes --show-labels."
    if any(pod.reason == "Unschedulable" for pod in unwell):
        return "The scheduler's words are above; `wslgpu workload check` says what does not fit."
    if any(pod.reason == "CrashLoopBackOff" for pod in unwell):
        return "Its last lines say why."
    return "kubectl describe of its pods, or more time with --wait."
