"""Takes a workload off a cluster: what carries its labels and ours, and nothing else.

What is found by labels is removed whatever the data say now. Claims and volumes stay unless their removal is asked for;
a namespace stays while anything is in it that is not wslgpu's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wslgpu.kubernetes.kubectl import Kubectl
from wslgpu.kubernetes.kubectl_errors import KubectlError, NotFoundError
from wslgpu.kubernetes.leftovers import DATA_KINDS, KINDS, owned, question
from wslgpu.workloads.manifest import Identity, identity

_MADE_BY_KUBERNETES = (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"))
_MADE_FOR_OTHERS = ("events", "endpoints", "endpointslices")
"""Kinds that the cluster makes itself, of what others do."""
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
            delete(kubectl, who)
            gone.append(str(who))
            say(f"{who} removed")
    return Removed(tuple(gone), kept)


def _find(kubectl: Kubectl, name: str) -> list[Identity]:
    """Its objects, in the order in which they go."""
    answers = kubectl.ask(*(question(name, kinds) for kinds in KINDS))
    return list(dict.fromkeys(identity(row) for row in owned(row for answer in answers for row in answer.items())))


def _others(kubectl: Kubectl, namespace: str) -> list[str]:
    """What is in a namespace besides what Kubernetes itself puts there, whatever kinds the cluster knows."""
    try:
        words = ("--namespaced", "--verbs=list,delete", "--output=name")
        kinds = kubectl.run("api-resources", *words).text().split()
        asked = ",".join(kind for kind in kinds if kind.partition(".")[0] not in _MADE_FOR_OTHERS)
        rows = kubectl.run("get", asked, f"--namespace={namespace}", "--output=json").items()
    except KubectlError as error:
        return [f"what nobody could list ({error.what})"]
    found = []
    for row in rows:
        who = identity(row)
        token = row.get("type") == "kubernetes.io/service-account-token"
        metadata = row.get("metadata") or {}
        # what has an owner goes with it, and the owner counts
        leaving = metadata.get("deletionTimestamp") or metadata.get("ownerReferences")
        if (who.kind, who.name) not in _MADE_BY_KUBERNETES and not token and not leaving:
            found.append(f"{who.kind} {who.name}")
    return list(dict.fromkeys(found))


def delete(kubectl: Kubectl, who: Identity) -> None:
    """Remove one object, and wait until it is gone.

    :raises KubectlError: it cannot be removed, or not in time; that it is not there is no error
    """
    space = (f"--namespace={who.namespace}",) if who.namespace else ()
    words = ("delete", who.kind.lower(), who.name, *space, "--ignore-not-found", f"--timeout={DELETE_TIMEOUT_S}s")
    answer = kubectl.run(*words, timeout_s=DELETE_TIMEOUT_S + 30.0)
    if not answer.ok and not isinstance(answer.error(), NotFoundError):
        raise answer.error()
