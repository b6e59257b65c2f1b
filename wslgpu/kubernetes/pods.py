"""Pods as the API server has them: whether one runs, and in whose words it does not. Pure.

Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wslgpu.report.plain import clean

IMAGE_REASONS = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull")
CONFIG_REASONS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


@dataclass(frozen=True)
class PodState:
    """One pod.

    :param name: ``namespace/name``
    :param reason: why a container waits or ended, such as CrashLoopBackOff, or why no node takes the pod
        (Unschedulable); empty while all is well
    :param ready: its containers run and their probes succeed
    :param log: last lines, those of an earlier run of the container before them
    """

    name: str
    phase: str
    reason: str
    message: str
    restarts: int
    runtime_class: str
    ready: bool = False
    log: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.name}: {self.phase}"
        if self.reason:
            text += f", {self.reason}"
        return f"{text}: {self.message}" if self.message else text


def read_pod(row: Mapping[str, Any], log: tuple[str, ...] = ()) -> PodState:
    """One Pod object; everything in it is text from a cluster that nobody vouches for."""
    metadata, spec, status = (table(row.get(key)) for key in ("metadata", "spec", "status"))
    reason, message, restarts = "", "", 0
    statuses = [*rows(status.get("initContainerStatuses")), *rows(status.get("containerStatuses"))]
    for one in statuses:
        restarts += int(one.get("restartCount") or 0)
        state = table(one.get("state"))
        waiting, ended = table(state.get("waiting")), table(state.get("terminated"))
        if waiting and waiting.get("reason") not in ("PodInitializing", None):
            reason, message = str(waiting["reason"]), str(waiting.get("message") or "")
        elif ended and ended.get("exitCode"):
            reason = str(ended.get("reason") or "Error")
            message = str(ended.get("message") or f"exit status {ended['exitCode']}")
    conditions = rows(status.get("conditions"))
    scheduled = next((one for one in conditions if one.get("type") == "PodScheduled"), {})
    if scheduled.get("status") == "False":
        reason, message = str(scheduled.get("reason") or "Unschedulable"), str(scheduled.get("message") or "")
    if not reason and status.get("reason"):  # Evicted, UnexpectedAdmissionError and their like
        reason, message = str(status["reason"]), str(status.get("message") or "")
    return PodState(
        name=f"{clean(str(metadata.get('namespace')), 100)}/{clean(str(metadata.get('name')), 100)}",
        phase=clean(str(status.get("phase") or ""), 40),
        reason=clean(reason, 100),
        message=clean(message, 400).replace("\n", " "),
        restarts=restarts,
        runtime_class=clean(str(spec.get("runtimeClassName") or ""), 100),
        ready=any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions),
        log=log,
    )


def table(value: Any) -> dict[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[dict[str, Any]]:
    """The objects of a list, else none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
