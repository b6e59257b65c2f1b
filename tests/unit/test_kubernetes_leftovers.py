"""What earlier data left of a workload: known by its labels, and not what its pods still need."""

from __future__ import annotations

from typing import Any

from wslgpu.kubernetes.leftovers import Leftover, leftovers
from wslgpu.workloads.manifest import Identity


def row(kind: str, name: str, by: str = "wslgpu", **metadata: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": by}
    return {"kind": kind, "metadata": {"name": name, "namespace": "ai", "labels": labels, **metadata}}


def test_what_is_rendered_needed_leaving_or_of_others_is_none() -> None:
    found = [
        row("ConfigMap", "rendered"),
        row("Secret", "needed"),
        row("ConfigMap", "leaving", deletionTimestamp="now"),
        row("ConfigMap", "owned", ownerReferences=[{"kind": "X"}]),
        row("ConfigMap", "mine", by="me"),
        row("ConfigMap", "old"),
    ]
    rendered = {Identity("ConfigMap", "ai", "rendered")}
    left = leftovers(found, rendered, {("ai", "secret", "needed")})
    assert left == (Leftover(Identity("ConfigMap", "ai", "old")),)


def test_what_stays_has_its_reason() -> None:
    kinds = ("PersistentVolume", "PersistentVolumeClaim", "Namespace", "Job", "Deployment")
    stays = {one.who.kind: bool(one.stays) for one in leftovers([row(kind, "x") for kind in kinds], (), ())}
    assert stays == {
        "PersistentVolume": True,
        "PersistentVolumeClaim": True,
        "Namespace": True,
        "Job": False,
        "Deployment": False,
    }
