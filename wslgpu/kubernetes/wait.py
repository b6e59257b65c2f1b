"""Waits until what was applied is ready, says how far it is, and in whose words it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.kubernetes.cluster_facts import read_node
from wslgpu.kubernetes.kubectl import Kubectl, Request
from wslgpu.kubernetes.pods import PodState, read_pod, table
from wslgpu.kubernetes.wait_judge import Progress, Stand, stand
from wslgpu.report.plain import clean
from wslgpu.workloads.manifest import GPU_RESOURCE, Identity

POLL_S = 1.0
LOG_LINES = 15


class NotReadyError(WslgpuError):
    """What was applied does not run, or not in time; it stays on the cluster."""


@dataclass(frozen=True)
class Waited:
    """What came of waiting.

    :param seconds: it took
    """

    stands: tuple[Stand, ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 1),
            "objects": [
                {"object": str(one.who), "progress": one.progress.value, "what": one.what} for one in self.stands
            ],
        }


def wait_for(kubectl: Kubectl, wanted: Sequence[Identity], limit_s: float, say: Callable[[str], None]) -> Waited:
    """Until all are ready.

    :raises NotReadyError: one failed (class platform), or the time is over (class timeout); both say what is there
    """
    began = time.monotonic()
    told: set[str] = set()
    while True:
        try:
            stands = look(kubectl, wanted)
        except WslgpuError as error:
            # an API server that starts anew answers again
            if not error.retryable or time.monotonic() - began > limit_s:
                raise
            say(f"{error.what}; asking again")
            time.sleep(POLL_S)
            continue
        for line in [line for one in stands for line in (one.what, *(f"  {pod}" for pod in one.pods))]:
            if line not in told:
                told.add(line)
                say(line)
        failed = next((one for one in stands if one.progress is Progress.FAILED), None)
        if failed is not None:
            raise _failure(kubectl, failed)
        if all(one.progress is Progress.READY for one in stands):
            return Waited(stands, time.monotonic() - began)
        if time.monotonic() - began > limit_s:
            raise _late(kubectl, [one for one in stands if one.progress is not Progress.READY], limit_s)
        time.sleep(POLL_S)


def wait_for_gpus(kubectl: Kubectl, limit_s: float, say: Callable[[str], None]) -> None:
    """Until some node offers a GPU: a plugin's pod is ready before the kubelet has reported what it was told.

    :raises NotReadyError: none does in time
    """
    began = time.monotonic()
    while True:
        answer = kubectl.run("get", "nodes", "--output=json")
        if answer.ok or not answer.error().retryable:
            gpus = {node.name: node.gpus for node in map(read_node, answer.items()) if node.gpus}
            if gpus:
                say("; ".join(f"{name} offers {count} {GPU_RESOURCE}" for name, count in gpus.items()))
                return
        if time.monotonic() - began > limit_s:
            raise NotReadyError(
                f"the device plugin runs, and no node offers a {GPU_RESOURCE} after {limit_s:.0f} s",
                "on the cluster, and left there",
                "`wslgpu workload chain` shows which link is missing.",
                ErrorClass.TIMEOUT,
            )
        time.sleep(POLL_S)


def look(kubectl: Kubectl, wanted: Sequence[Identity]) -> tuple[Stand, ...]:
    """All objects with their pods, in one session.

    :raises KubectlError: they cannot be asked for
    """
    questions = [Request(_words("get", who.kind.lower(), who.name, who)) for who in wanted]
    first = kubectl.ask(*questions)
    items = [answer.document() for answer in first]
    pods = kubectl.ask(*(Request(_pods_of(item, who)) for item, who in zip(items, wanted, strict=True)))
    return tuple(
        stand(
            item, [read_pod(row) for row in answer.items() if not table(row.get("metadata")).get("deletionTimestamp")]
        )
        for item, answer in zip(items, pods, strict=True)
    )


def _words(verb: str, resource: str, name: str, who: Identity) -> tuple[str, ...]:
    space = (f"--namespace={who.namespace}",) if who.namespace else ()
    return (verb, resource, name, *space, "--output=json")


def _pods_of(item: dict[str, Any], who: Identity) -> tuple[str, ...]:
    space = (f"--namespace={who.namespace}",) if who.namespace else ()
    if who.kind == "Pod":
        return ("get", "pod", who.name, *space, "--output=json")
    labels = table(table(table(item.get("spec")).get("selector")).get("matchLabels"))
    chosen = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return ("get", "pods", *space, f"--selector={chosen}", "--output=json")


def _failure(kubectl: Kubectl, failed: Stand) -> NotReadyError:
    lines = _last_words(kubectl, failed.pods[0]) if failed.pods else ()
    said = f"; its last lines: {' | '.join(lines)}" if lines else ""
    return NotReadyError(f"{failed.what}{said}", "on the cluster, and left there", failed.next_step)


def _last_words(kubectl: Kubectl, pod: PodState) -> tuple[str, ...]:
    """Of a container that ended: of its last run, else of this one."""
    namespace, _, name = pod.name.partition("/")
    words = ("logs", name, f"--namespace={namespace}", "--all-containers", f"--tail={LOG_LINES}")
    previous, now = kubectl.ask(Request((*words, "--previous")), Request(words))
    text = previous.out if previous.ok and previous.out.strip() else now.out if now.ok else ""
    return tuple(clean(line, 300).strip() for line in text.splitlines() if line.strip())[-LOG_LINES:]


def _late(kubectl: Kubectl, stands: Sequence[Stand], limit_s: float) -> NotReadyError:
    pods = list(dict.fromkeys(pod for one in stands for pod in one.pods))
    said = "; ".join([*(one.what for one in stands), *map(str, pods), *_events(kubectl, pods[:2])])
    steps = " ".join(dict.fromkeys(one.next_step for one in stands if one.next_step))
    return NotReadyError(
        f"not ready after {limit_s:g} s: {said.rstrip('. ')}",
        "on the cluster, and left there",
        steps,
        ErrorClass.TIMEOUT,
    )


def _events(kubectl: Kubectl, pods: Sequence[PodState]) -> list[str]:
    """The last warning about each: what keeps a pod from being made stands nowhere else."""
    questions = []
    for pod in pods:
        namespace, _, name = pod.name.partition("/")
        chosen = f"--field-selector=involvedObject.name={name},type=Warning"
        questions.append(Request(("get", "events", f"--namespace={namespace}", chosen, "--output=json")))
    found = []
    for answer in kubectl.ask(*questions) if questions else ():
        rows = answer.items() if answer.ok else []
        if rows:
            last = max(rows, key=lambda row: str(row.get("lastTimestamp") or row.get("eventTime") or ""))
            found.append(clean(f"{last.get('reason')}: {last.get('message')}", 300))
    return found
