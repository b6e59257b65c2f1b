"""Duplicates over several nodes."""

from __future__ import annotations

from typing import Any

from tests.observation_documents import document, healthy
from wslgpu.probe.document import Identity, Observations, View
from wslgpu.verdict.fleet import fleet_findings


def node(hostname: str = "", machine_id: str = "", keys: tuple[str, ...] = (), **fields: Any) -> Observations:
    return document(identity=Identity(hostname=hostname, machine_id=machine_id, ssh_host_keys=keys), **fields)


def test_clones_are_found() -> None:
    clone = node("tower", "aaaa", ("SHA256:k1", "SHA256:k2"))
    other = node("shelf", "bbbb", ("SHA256:k3",))
    findings = fleet_findings([("n1", clone), ("n2", other), ("n3", clone)])
    assert [(row.id, row.nodes, row.fails) for row in findings] == [
        ("fleet.duplicate.machine_id", ("n1", "n3"), True),
        ("fleet.duplicate.ssh_host_key", ("n1", "n3"), True),
        ("fleet.duplicate.host_name", ("n1", "n3"), False),
    ]
    assert all(row.remedy for row in findings)


def test_each_thing_is_told_by_itself() -> None:
    findings = fleet_findings([("n1", node("A", "1")), ("n2", node("a", "2")), ("n3", node("b", "1"))])
    assert [(row.id, row.nodes) for row in findings] == [
        ("fleet.duplicate.machine_id", ("n1", "n3")),
        ("fleet.duplicate.host_name", ("n1", "n2")),
    ]


def test_different_nodes_and_empty_identities_are_no_duplicates() -> None:
    assert fleet_findings([("n1", node()), ("n2", node()), ("n3", node("localhost")), ("n4", node("localhost"))]) == ()
    assert fleet_findings([("n1", healthy())]) == ()


def test_a_container_on_a_node_is_that_node() -> None:
    probe = healthy().probe.model_copy(update={"view": View.CONTAINER})
    assert fleet_findings([("n1", node("a", "1")), ("pod", node("a", "1", probe=probe))]) == ()
