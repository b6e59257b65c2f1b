"""How far something is that was applied, by what the API server says of it and its pods."""

from __future__ import annotations

from typing import Any

import pytest

from wslgpu.kubernetes.pods import PodState, read_pod
from wslgpu.kubernetes.wait_judge import Progress, stand


def thing(kind: str, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": "web", "namespace": "ai", "generation": 2},
        "spec": spec or {},
        "status": {"observedGeneration": 2, **status},
    }


def waiting(reason: str, message: str = "words", restarts: int = 0) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return pod(containerStatuses=[{"restartCount": restarts, "state": state}])


def pod(phase: str = "Pending", **status: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": "web-1", "namespace": "ai"}, "status": {"phase": phase, **status}}


UNSCHEDULABLE = pod(
    conditions=[
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
        }
    ]
)


@pytest.mark.parametrize(
    ("item", "progress"),
    [
        (
            thing("Deployment", {"replicas": 2}, updatedReplicas=2, readyReplicas=2, availableReplicas=2),
            Progress.READY,
        ),
        (
            thing("Deployment", {"replicas": 2}, updatedReplicas=1, readyReplicas=2, availableReplicas=2),
            Progress.WAITING,
        ),
        (thing("Deployment", {"replicas": 0}), Progress.READY),
        (
            thing("Deployment", {}, observedGeneration=1, updatedReplicas=1, readyReplicas=1, availableReplicas=1),
            Progress.WAITING,
        ),
        (
            thing("DaemonSet", desiredNumberScheduled=1, updatedNumberScheduled=1, numberReady=1, numberAvailable=1),
            Progress.READY,
        ),
        (thing("DaemonSet", desiredNumberScheduled=1, updatedNumberScheduled=0, numberReady=1), Progress.WAITING),
        (thing("DaemonSet", desiredNumberScheduled=0), Progress.WAITING),
        (thing("Job", conditions=[{"type": "Complete", "status": "True"}]), Progress.READY),
        (thing("Job", active=1), Progress.WAITING),
        (thing("Job", conditions=[{"type": "Failed", "status": "True", "message": "backoff"}]), Progress.FAILED),
        (
            thing("Deployment", conditions=[{"type": "Progressing", "status": "False", "message": "deadline"}]),
            Progress.FAILED,
        ),
        (thing("Pod", phase="Succeeded"), Progress.READY),
        (thing("Pod", conditions=[{"type": "Ready", "status": "True"}]), Progress.READY),
        (thing("Pod", phase="Failed"), Progress.FAILED),
        (thing("StatefulSet", {"replicas": 1}, updatedReplicas=1, readyReplicas=1), Progress.READY),
    ],
)
def test_objects(item: dict[str, Any], progress: Progress) -> None:
    found = stand(item, [])
    assert found.progress is progress, found
    assert "web" in found.what


@pytest.mark.parametrize(
    ("row", "progress", "words"),
    [
        (waiting("ImagePullBackOff", "manifest unknown"), Progress.FAILED, "cannot pull its image: manifest unknown"),
        (waiting("ErrImagePull"), Progress.WAITING, "0 of 1 ready"),
        (waiting("CreateContainerConfigError", 'secret "key" not found'), Progress.FAILED, 'secret "key" not found'),
        (waiting("CrashLoopBackOff", restarts=1), Progress.WAITING, "0 of 1"),
        (waiting("CrashLoopBackOff", restarts=2), Progress.FAILED, "again and again (2 restarts)"),
        (waiting("ContainerCreating"), Progress.WAITING, "0 of 1"),
        (UNSCHEDULABLE, Progress.WAITING, "0 of 1"),
    ],
)
def test_pods_of_it(row: dict[str, Any], progress: Progress, words: str) -> None:
    found = stand(thing("Deployment", {"replicas": 1}, updatedReplicas=1), [read_pod(row)])
    assert found.progress is progress, found
    assert words in found.what
    assert found.next_step


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 1, "updatedReplicas": 1},
        {"updatedReplicas": 0},
        {"observedGeneration": 1, "conditions": [{"type": "Progressing", "status": "False", "message": "deadline"}]},
    ],
)
def test_the_end_of_what_was_there_before_is_not_that_of_what_was_applied(status: dict[str, Any]) -> None:
    old = read_pod(waiting("CrashLoopBackOff", restarts=9))
    found = stand(thing("Deployment", {"replicas": 1}, **status), [old])
    assert found.progress is Progress.WAITING, found


def test_the_schedulers_words_are_kept() -> None:
    state = read_pod(UNSCHEDULABLE)
    assert (state.reason, state.message) == (
        "Unschedulable",
        "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
    )
    assert str(state) == f"ai/web-1: Pending, Unschedulable: {state.message}"


def test_a_pod_that_is_well_is_not_shown() -> None:
    well = pod("Running", conditions=[{"type": "Ready", "status": "True"}])
    assert stand(thing("Deployment", {"replicas": 2}), [read_pod(well)]).pods == ()


@pytest.mark.parametrize("row", [{}, {"status": 3}, {"status": {"containerStatuses": "x"}}, {"metadata": []}])
def test_garbage_is_no_traceback(row: dict[str, Any]) -> None:
    assert isinstance(read_pod(row), PodState)


def test_an_init_containers_end_is_seen() -> None:
    ended = {"state": {"terminated": {"exitCode": 3, "reason": "Error", "message": "sees 0 GPUs"}}, "restartCount": 1}
    state = read_pod(pod(initContainerStatuses=[ended]))
    assert (state.reason, state.message, state.restarts) == ("Error", "sees 0 GPUs", 1)
