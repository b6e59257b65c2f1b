"""Several nodes at once, and one of them not there."""

from __future__ import annotations

import time

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import apply, refused, started
from tests.lab.support.end_state import differences, end_state
from tests.lab.support.nodes import wait_until
from wslgpu.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def fleet(lab_factory: LabFactory) -> Lab:
    return lab_factory(nodes=3)


def test_three_nodes_of_which_one_does_not_answer(fleet: Lab) -> None:
    first, second, third = fleet.nodes
    second.kill()
    outcome = apply(fleet)
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.told, outcome
    outcomes = {name: host["outcome"] for name, host in outcome.document["hosts"].items()}
    assert outcomes == {"node1": "changed", "node2": "unknown", "node3": "changed"}
    refused(outcome, "network", "no connection", "sshd", retryable=True, node="node2")
    # the others are whole, and alike
    assert differences(end_state(third), end_state(first)) == []
    assert apply(fleet, "--limit", "node1", "--limit", "node3").code == 0
    second.start()
    again = apply(fleet)
    assert again.code == 0, again
    outcomes = {name: host["outcome"] for name, host in again.document["hosts"].items()}
    assert outcomes == {"node1": "unchanged", "node2": "changed", "node3": "unchanged"}
    assert differences(end_state(second), end_state(first)) == []


@pytest.mark.parametrize("moment_s", [0.0, 0.1, 0.2])
def test_fault_34_others_go_on_when_one_connection_drops(fleet: Lab, moment_s: float) -> None:
    """Whatever is under way at that moment: a command, a fact, or nothing."""
    second = fleet.node("node2")
    for node in fleet.nodes:
        node.nsenter("sed -i '/systemd/d' /etc/wsl.conf; rm -f /run/wslgpu/lock")
    with started(fleet) as run:
        run.wait_for("| Hold the node's lock")
        wait_until(second, "test -e /run/wslgpu/lock")
        time.sleep(moment_s)
        second.nsenter("read -r run carrier rest </run/wslgpu/lock && kill -9 $carrier")
        outcome = run.wait()
    assert outcome.code == 2, outcome
    outcomes = {name: host["outcome"] for name, host in outcome.document["hosts"].items()}
    assert outcomes == {"node1": "changed", "node2": "unknown", "node3": "changed"}
    refused(outcome, "network", "connection was lost at", "run it again", retryable=True, node="node2")
    assert apply(fleet).code == 0


def test_wrong_on_one_node_is_worse_than_unreachable(fleet: Lab) -> None:
    first, second, _ = fleet.nodes
    second.link_down()
    first.put("/var/lib/dpkg/updates/0001", "garbage")
    try:
        outcome = apply(fleet)
    finally:
        second.link_up()
        first.nsenter("rm /var/lib/dpkg/updates/0001")
    outcomes = {name: host["outcome"] for name, host in outcome.document["hosts"].items()}
    assert outcomes == {"node1": "failed", "node2": "unknown", "node3": "unchanged"}
    assert outcome.code == 1, outcome
    assert apply(fleet).code == 0


def test_limit_that_matches_nothing(fleet: Lab) -> None:
    outcome = apply(fleet, "--limit", "node9")
    assert outcome.code == 2, outcome
    assert outcome.document["error"]["class"] == "usage", outcome
    assert "node9" in outcome.document["error"]["what"], outcome
