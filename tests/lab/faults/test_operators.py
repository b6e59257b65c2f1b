"""People: two at once, one without the right to be root, one whose machine is another architecture."""

from __future__ import annotations

import getpass
import os
import socket
from pathlib import Path

import pytest

from tests.lab.support.apply import apply, descendants, refused, started
from tests.lab.support.end_state import differences, end_state
from tests.lab.support.nodes import file_replaced, lock_held, program, wait_until
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab


def test_fault_33_second_operator_is_told_who_holds_the_node(lab: Lab, node_without_toolkit: Node) -> None:
    with lock_held(node_without_toolkit), started(lab, "--only", "container_toolkit") as first:
        first.wait_for("| Install and hold the toolkit's four packages")
        me = f"{getpass.getuser()}@{socket.gethostname()}"
        second = apply(lab, "--only", "wsl")
        refused(second, "timeout", "another run holds this node", me, retryable=True, step="Hold the node's lock")
        refused(apply(lab), "timeout", "another run holds this node", me, retryable=True, step="Preflight")
        node_without_toolkit.nsenter("systemctl stop lock-holder")
        outcome = first.wait()
    assert outcome.code == 0, outcome
    assert apply(lab, "--only", "wsl").code == 0


def test_fault_36_lock_is_free_when_the_interrupted_command_has_ended(lab: Lab, node_without_toolkit: Node) -> None:
    node = node_without_toolkit
    with lock_held(node), started(lab, "--only", "container_toolkit") as first:
        first.wait_for("| Install and hold the toolkit's four packages")
        wait_until(node, "pgrep -ax apt-get | grep -q ' install '")
        first.interrupt()
        outcome = first.wait()
        assert outcome.code == 130, outcome
        assert "Run it again" in outcome.told, outcome
        # what it started on the node still waits for dpkg's lock
        refused(apply(lab, "--only", "wsl"), "timeout", "another run holds this node", retryable=True)
    node.nsenter("for i in $(seq 600); do pgrep -x apt-get || exit 0; sleep 0.1; done; exit 1", timeout=90)
    outcome = apply(lab, "--only", "container_toolkit")
    assert outcome.code == 0, outcome


def test_fault_43_other_architecture_is_named_before_any_change(lab: Lab, node_without_toolkit: Node) -> None:
    node = node_without_toolkit
    shim = '#!/bin/sh\n[ "$1" != --print-architecture ] || { echo arm64; exit; }\nexec /usr/bin/dpkg "$@"\n'
    before = end_state(node)
    with program(node, "dpkg", shim):
        refused(apply(lab), "usage", "arm64", "amd64", step="Preflight")
    assert differences(end_state(node), before) == []
    assert apply(lab).code == 0


INVENTORY = """\
import runpy

gpu_nodes = [
    (name, {{**data, "ssh_user": "lab"}}) for name, data in runpy.run_path({lab!r})["gpu_nodes"]
]
"""


def test_fault_60_sudo_asks_for_a_password(lab: Lab, node: Node, tmp_path: Path) -> None:
    inventory = tmp_path / "nodes.py"
    inventory.write_text(INVENTORY.format(lab=str(Path(__file__).resolve().parents[3] / "inventory/lab.py")))
    environment = {"WSLGPU_LAB": lab.name}
    with file_replaced(node, "/etc/sudoers.d/lab", "lab ALL=(ALL) ALL\n"):
        outcome = apply(lab, "--only", "wsl", inventory=inventory, environment=environment)
        refused(outcome, "usage", "sudo", "password")
    outcome = apply(lab, "--only", "wsl", inventory=inventory, environment=environment)
    assert outcome.host()["outcome"] == "unchanged", outcome


def test_fault_60_password_given_in_the_terminal_counts_for_the_whole_run(lab: Lab) -> None:
    """sudo keeps it for one session of one terminal: what runs the commands must be of the session of its caller."""
    with started(lab, "--dry") as run:
        run.wait_for("Connecting to")
        [child] = descendants(run.process.pid)
        assert os.getsid(child) == os.getsid(run.process.pid)
        assert os.getpgid(child) != os.getpgid(run.process.pid), "Ctrl-C would reach it twice"
        assert run.wait().code == 0
