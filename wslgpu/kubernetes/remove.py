"""Takes a workload off a cluster: what carries its labels and ours, and nothing else.

What is found by labels is removed whatever the data say now. Claims and volumes stay unless their removal is asked for;
a namespace stays while anything is in it that is not wslgpu's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wslgpu.kubernetes.drift import is_ours
from wslgpu.kubernetes.kubectl import Kubectl, Request
from wslgpu.kubernetes.kubectl_errors import NotFoundError
from wslgpu.workloads.manifest import Identity, identity

KINDS = (
    "deployments.apps,daemonsets.apps,statefulsets.apps,jobs.batch",
    "services,configmaps,secrets,serviceaccounts,networkpolicies.networking.k8s.io",
    "roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io,clusterrolebindings.rbac.authorization.k8s.io",
    "runtimeclasses.node.k8s.io",
    "persistentvolumeclaims,persistentvolumes",
    "namespaces",
)
"""In the order in which they go: what runs first, what it stands on last."""
DATA_KINDS = ("PersistentVolumeClaim", "PersistentVolume")
_MADE_BY_KUBERNETES = ("kube-root-ca.crt",)
_IN_NAMESPACE = "pods,deployments,daemonsets,statefulsets,jobs,services,configmaps,secrets,persistentvolumeclaims"
DELETE_TIMEOUT_S = 120


@dataclass(frozen=True)
class Removed:
    """The end of one removal.

    :param gone: objects that were removed
    :param kept: those that stay, each with the reason
    """

    gone: tuple[str, ...]
    kept: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {"gone": list(self.gone), "kept": dict(self.kept)}


def remove(kubectl: Kubectl, name: str, say: Callable[[str], None], *, data: bool) -> Removed:
    """Remove one workload.

    :param data: its claims and volumes too
    :raises KubectlError: the cluster cannot be asked, or does not allow it
    """
    found = _find(kubectl, name)
    gone: list[str] = []
    kept: dict[str, str] = {}
    for who in found:
        if who.kind in DATA_KINDS and not data:
            kept[str(who)] = "it holds data: --data removes it"
        elif who.kind == "Namespace" and (others := _others(kubectl, who.name)):
            kept[str(who)] = f"in it there is still {', '.join(others[:5])}"
        else:
            _delete(kubectl, who)
            gone.append(str(who))
            say(f"{who} removed")
    return Removed(tuple(gone), kept)


def _find(kubectl: Kubectl, name: str) -> list[Identity]:
    """Its objects, in the order in which they go."""
    chosen = f"app.kubernetes.io/name={name},app.kubernetes.io/managed-by=wslgpu"
    answers = kubectl.ask(*(Request(("get", kinds, "-A", f"--selector={chosen}", "--output=json")) for kinds in KINDS))
    rows = [row for answer in answers for row in answer.items()]
    # a controller's own objects carry the labels of its template, and go with it
    own = [row for row in rows if is_ours(row) and not (row.get("metadata") or {}).get("ownerReferences")]
    return list(dict.fromkeys(identity(row) for row in own))


def _others(kubectl: Kubectl, namespace: str) -> list[str]:
    """What is in a namespace besides what Kubernetes itself puts there."""
    rows = kubectl.run("get", _IN_NAMESPACE, f"--namespace={namespace}", "--output=json").items()
    found = []
    for row in rows:
        who = identity(row)
        token = row.get("type") == "kubernetes.io/service-account-token"
        leaving = (row.get("metadata") or {}).get("deletionTimestamp")
        if who.name not in _MADE_BY_KUBERNETES and not token and not leaving:
            found.append(f"{who.kind} {who.name}")
    return found


def _delete(kubectl: Kubectl, who: Identity) -> None:
    space = (f"--namespace={who.namespace}",) if who.namespace else ()
    words = ("delete", who.kind.lower(), who.name, *space, "--ignore-not-found", f"--timeout={DELETE_TIMEOUT_S}s")
    answer = kubectl.run(*words, timeout_s=DELETE_TIMEOUT_S + 30.0)
    if not answer.ok and not isinstance(answer.error(), NotFoundError):
        raise answer.error()
