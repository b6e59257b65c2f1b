"""A deploy cut off anywhere, and run again: the node ends as one that nobody disturbed.

All cases share a lab, a node each. Every node but the first is disturbed in its first deploy; then one apply brings
all of them, the first for the first time, to the end, and their end states are compared with the first one's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import Outcome, Started, apply, converge, started
from tests.lab.support.end_state import differences, end_state
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab

AT_A_TIME = 3
"""Disturbed deploys at a time."""

APT_UPDATE = "pgrep -x apt-get >/dev/null"
DPKG = "pgrep -x dpkg >/dev/null"
PULL = "pgrep -x ctr >/dev/null"
STAGED = "test -d /etc/containerd/.wslgpu-stage"
PLACED = "test -d /var/lib/wslgpu/containerd-last-good"
MOMENTS = {APT_UPDATE: "in apt-get", DPKG: "in dpkg", PULL: "in ctr", STAGED: "staged", PLACED: "placed"}


def killed(run: Started, _node: Node) -> None:
    """The controller is killed; what it started on the node goes on."""
    run.kill()


def power_lost(run: Started, node: Node) -> Outcome:
    """Everything on the node ends at once, as with `wsl --terminate`, and it is started again."""
    node.kill()
    node.start()
    return run.wait()


def rebooted(run: Started, node: Node) -> Outcome:
    node.reboot()
    return run.wait()


def ssh_dropped(run: Started, node: Node) -> Outcome:
    """sshd's child for this connection dies; the command that it started is left."""
    node.nsenter("read -r run carrier rest </run/wslgpu/lock && kill -9 $carrier")
    return run.wait()


def interrupted(run: Started, _node: Node) -> Outcome:
    run.interrupt()
    return run.wait()


@dataclass(frozen=True)
class Case:
    """One way to cut a deploy off.

    :param operation: it happens in this operation
    :param moment: a command that succeeds on the node when the moment has come; empty: at once
    :param fast: run by `make test` too
    """

    row: int
    how: Callable[[Started, Node], Outcome | None]
    operation: str
    moment: str = ""
    fast: bool = False

    def __str__(self) -> str:
        words = f"{self.row} {self.how.__name__} {self.operation} {MOMENTS.get(self.moment, '')}"
        return "-".join("".join(c if c.isalnum() else " " for c in words).lower().split())


PACKAGES = "Install and hold the toolkit's four packages"
RUNTIME = "Give containerd the nvidia runtime"
CASES = [
    # the ten points at which the controller is killed
    Case(24, killed, "Set our keys in /etc/wsl.conf"),
    Case(24, killed, "Make the data directory", fast=True),
    Case(24, killed, "Install containerd", APT_UPDATE),
    Case(24, killed, "Install containerd", DPKG),
    Case(24, killed, "Configure containerd and keep it running", STAGED),
    Case(24, killed, "Let apt know NVIDIA's repository by its key"),
    Case(24, killed, PACKAGES, DPKG, fast=True),
    Case(24, killed, RUNTIME, PLACED),
    Case(24, killed, "Keep the CDI spec in step with the driver"),
    Case(24, killed, "Pull the runtime image by digest", PULL, fast=True),
    Case(35, power_lost, "Install containerd", DPKG, fast=True),
    Case(35, power_lost, PACKAGES, DPKG),
    Case(35, power_lost, RUNTIME, PLACED),
    Case(35, power_lost, "Pull the base image by digest", PULL),
    Case(25, rebooted, PACKAGES, APT_UPDATE, fast=True),
    Case(34, ssh_dropped, "Install containerd", DPKG, fast=True),
    Case(36, interrupted, PACKAGES, DPKG, fast=True),
]


@dataclass(frozen=True)
class Disturbed:
    """What became of all nodes.

    :param first: how each case's disturbed deploy ended, None for a killed one, or the error in disturbing it
    :param again: the deploy after it, of all nodes
    :param third: one more
    :param states: end state of each case's node
    """

    first: dict[Case, Future[Outcome | None]]
    again: Outcome
    third: Outcome
    nodes: dict[Case, Node]
    states: dict[Case, dict[str, Any]]
    undisturbed: dict[str, Any]


def disturb(lab: Lab, node: Node, case: Case) -> Outcome | None:
    with started(lab, "--limit", node.name) as run:
        run.wait_for(f"| {case.operation}")
        deadline = time.monotonic() + 120
        while case.moment and not node.nsenter(case.moment, check=False).ok:
            later = run.told().rpartition(f"| {case.operation}")[2]
            assert "\n[" not in later, f"{case.moment} was never true during {case.operation}"
            assert time.monotonic() < deadline, f"{case.moment} did not become true during {case.operation}"
        assert run.process.poll() is None, f"it had ended before: {run.told()}"
        return case.how(run, node)


@pytest.fixture(scope="module")
def disturbed(lab_factory: LabFactory, request: pytest.FixtureRequest) -> Disturbed:
    """Only the cases that this session selected have a node."""
    chosen = {
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    }
    cases = [case for case in CASES if case in chosen]
    lab = lab_factory(nodes=len(cases) + 1)
    undisturbed, *others = lab.nodes
    nodes = dict(zip(cases, others, strict=True))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        first = {case: pool.submit(disturb, lab, node, case) for case, node in nodes.items()}
    again = converge(lab)
    third = apply(lab)
    states = {case: end_state(node) for case, node in nodes.items()}
    return Disturbed(first, again, third, nodes, states, end_state(undisturbed))


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=str(case), marks=() if case.fast else pytest.mark.long) for case in CASES]
)
def test_run_again_after(disturbed: Disturbed, case: Case) -> None:
    name = disturbed.nodes[case].name
    first = disturbed.first[case].result()
    if first is not None:
        assert "Traceback" not in first.told, first
    if case.how in (power_lost, rebooted, ssh_dropped):
        assert first is not None
        assert first.code == 2, first
        assert first.host(name)["outcome"] == "unknown", first
        [error] = first.errors(name)
        assert (error["class"], error["retryable"], error["where"]) == ("network", True, name), first
        assert case.operation in error["what"], first
    if case.how is interrupted:
        assert first is not None
        assert first.code == 130, first
        assert "Run it again" in first.told, first
    assert disturbed.again.host(name)["errors"] == [], disturbed.again
    assert disturbed.third.host(name)["outcome"] == "unchanged", disturbed.third
    state = disturbed.states[case]
    assert state["left over"] == []
    assert differences(state, disturbed.undisturbed) == []


def test_the_end_state_is_worth_comparing(disturbed: Disturbed) -> None:
    state = disturbed.undisturbed
    assert disturbed.again.host("node1")["outcome"] == "changed", disturbed.again
    assert any(line.startswith("nvidia-container-toolkit 1.20.0-1 hi") for line in state["packages"])
    assert {"containerd.service", "nvidia-cdi-refresh.path"} <= set(state["enabled"])
    assert "containerd.service" in state["active"]
    assert [line.split()[3] for line in state["images"]] == ["complete"] * len(state["images"]) != []
    assert any("bin_dir" in line or "runtimes.nvidia" in line for line in state["containerd"])
    assert "/etc/wsl.conf" in state["files"]
    other = {**state, "files": {**state["files"], "/etc/wsl.conf": "600 root:root 0"}, "enabled": []}
    assert len(differences(other, state)) == 2
