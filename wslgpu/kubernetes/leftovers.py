"""What earlier data left of a workload: objects with its labels and ours that are no longer rendered.

Names that end in a hash of their content change with the data (``ffmpeg-scripts-...``, ``ffmpeg-job-...``), and so do
namespaces and claims that a site renames. They are named, and removed only when that is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wslgpu.kubernetes.drift import is_ours
from wslgpu.kubernetes.kubectl import Request
from wslgpu.kubernetes.pods import rows, table
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


@dataclass(frozen=True)
class Leftover:
    """One object.

    :param stays: why it is not removed with the others; empty: ``apply --prune`` removes it
    """

    who: Identity
    stays: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"object": str(self.who), "stays": self.stays}


def question(name: str, *kinds: str) -> Request:
    """kubectl's words for a workload's objects, wherever they are; of every kind where none is named."""
    chosen = f"app.kubernetes.io/name={name},app.kubernetes.io/managed-by=wslgpu"
    return Request(("get", ",".join(kinds or KINDS), "-A", f"--selector={chosen}", "--output=json"))


def owned(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that are ours; a controller's own objects carry the labels of its template, and go with it."""
    return [row for row in found if is_ours(row) and not table(row.get("metadata")).get("ownerReferences")]


def leftovers(
    found: Iterable[Mapping[str, Any]], rendered: Collection[Identity], needed: Collection[tuple[str, str, str]]
) -> tuple[Leftover, ...]:
    """Those of a workload that are not rendered now.

    :param needed: what its pods name and somebody else brings, as (namespace, kind in small letters, name)
    """
    left = []
    for row in owned(found):
        who = identity(row)
        is_needed = (who.namespace, who.kind.lower(), who.name) in needed
        if who not in rendered and not is_needed and not table(row.get("metadata")).get("deletionTimestamp"):
            left.append(Leftover(who, _stays(row)))
    return tuple(dict.fromkeys(left))


def _stays(row: Mapping[str, Any]) -> str:
    kind = row.get("kind")
    if kind in DATA_KINDS:
        return "it holds data: `wslgpu workload remove --data` removes it"
    if kind == "Namespace":
        return "others may have something in it"
    ended = [one.get("type") for one in rows(table(row.get("status")).get("conditions")) if one.get("status") == "True"]
    if kind == "Job" and {"Complete", "Failed"} & set(ended) and table(row.get("spec")).get("ttlSecondsAfterFinished"):
        return "it has ended, and the cluster removes it with its log in time"
    return ""
