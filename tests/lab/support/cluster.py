"""The one cluster of a test session: a lab with Kubernetes, provisioned once, and put back between tests."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.lab.support.apply import apply
from wslgpu.lab import Lab

TIMEOUT_S = 120.0
COMPONENTS = ("base", "containerd", "container_toolkit", "video_cdi", "kubernetes")
"""What a cluster's node needs; pods pull their images by themselves."""
KINDS = (
    "deployments",
    "daemonsets",
    "statefulsets",
    "jobs",
    "pods",
    "services",
    "configmaps",
    "secrets",
    "persistentvolumeclaims",
)
CLUSTER_KINDS = ("namespaces", "runtimeclasses", "persistentvolumes")
OWN_NAMESPACES = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})


def provision(lab: Lab) -> Lab:
    """Let `wslgpu apply` put everything on the node of a lab with Kubernetes, and wait until it is Ready."""
    outcome = apply(lab, *(f"--only={component}" for component in COMPONENTS))
    assert outcome.code == 0, outcome
    lab.kubernetes.wait_for_node()
    return lab


def restore(lab: Lab) -> None:
    """Nothing of a test is left on the cluster: namespaces, runtime classes, what it put into others, a closed node."""
    lab.kubernetes.wait_for_node()
    cluster = lab.kubernetes
    for node in cluster.get("nodes")["items"]:
        if node["spec"].get("unschedulable"):
            cluster.kubectl("uncordon", node["metadata"]["name"], check=True)
    gone: dict[tuple[str, str], list[str]] = {}
    for entry in cluster.get(",".join((*CLUSTER_KINDS, *KINDS)), "--all-namespaces")["items"]:
        if _is_of_a_test(entry):
            place = (entry["metadata"].get("namespace", ""), entry["kind"])
            gone.setdefault(place, []).append(entry["metadata"]["name"])
    for (space, kind), names in gone.items():
        where = [f"--namespace={space}"] if space else []
        words = ["delete", kind, *names, *where, "--ignore-not-found", "--force", "--grace-period=0", "--timeout=90s"]
        cluster.kubectl(*words, timeout_s=TIMEOUT_S, check=True)


def _is_of_a_test(entry: dict[str, Any]) -> bool:
    """Objects in a test's namespace go with that."""
    kind, metadata = entry["kind"], entry["metadata"]
    if kind == "Namespace":
        return metadata["name"] not in OWN_NAMESPACES
    if "namespace" not in metadata:
        return True
    if metadata["namespace"] not in ("default", "kube-system"):
        return False
    ours = metadata.get("labels", {}).get("app.kubernetes.io/part-of") == "wslgpu"
    return ours or (metadata["namespace"] == "default" and kind in ("Pod", "Deployment", "DaemonSet", "Job"))


@contextlib.contextmanager
def namespace(lab: Lab, name: str) -> Iterator[str]:
    """A namespace that is gone at the end of the block, with everything in it."""
    kubectl = lab.kubernetes.kubectl
    kubectl("create", "namespace", name, check=True)
    try:
        # without its account no pod can be made
        wait_until(lambda: kubectl("get", "serviceaccount", "default", f"--namespace={name}").ok, "a service account")
        yield name
    finally:
        # the pods first: while there is one, the namespace's controller waits as long as a pod may take to end
        for what in (["pods", "--all", f"--namespace={name}"], ["namespace", name]):
            kubectl("delete", *what, "--force", "--grace-period=0", "--timeout=90s", timeout_s=TIMEOUT_S)


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Until a condition holds, which must come to hold."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.3)


def pod(lab: Lab, namespace_name: str, name: str) -> dict[str, Any]:
    """A pod as the API has it; empty where there is none."""
    asked = lab.kubernetes.kubectl("get", "pod", name, f"--namespace={namespace_name}", "--output=json")
    found: dict[str, Any] = json.loads(asked.stdout) if asked.ok else {}
    return found


def wait_for_phase(lab: Lab, namespace_name: str, name: str, *phases: str) -> dict[str, Any]:
    """The pod once it is in one of these phases; a failure shows what the cluster says of it."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        found = pod(lab, namespace_name, name)
        if found and found["status"].get("phase") in phases:
            return found
        if time.monotonic() > deadline:
            said = lab.kubernetes.kubectl("describe", "pod", name, f"--namespace={namespace_name}").stdout
            raise AssertionError(f"{name} is in none of {phases}:\n{said}")
        time.sleep(0.3)
