"""Provisioned, and all of it removed: the node is as it was before, also when removing was cut off anywhere.

All cases share a lab, a node each. Every node is provisioned by one apply; the removal of every node but the first is
disturbed; then one more removes what is left of all of them, and their trees are compared with those before.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import Outcome, Started, apply, converge, site, started
from tests.lab.support.nodes import wait_until
from wslgpu.diff.compare import compare
from wslgpu.diff.reasons import load_reasons
from wslgpu.diff.tree import Snapshot, parse, payload
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab

AT_A_TIME = 3
DPKG = "pgrep -x dpkg >/dev/null"
WSL_CONF, OWN_WORDS = "/etc/wsl.conf", "# my own words\n[boot]\nsystemd=true\n"
SERVICE, ACCOUNT = "uuid-runtime", "uuidd"
"""A small package that brings units, and a user and a group of this name."""


def tree_of(node: Node) -> Snapshot:
    """Everything that the node is made of."""
    done = subprocess.run(node.nsenter_argv(["sh", "-s"]), input=payload(), capture_output=True, check=True)
    return parse(done.stdout, node.name)


def killed(run: Started, _node: Node) -> None:
    """The controller is killed; what it started on the node goes on."""
    run.kill()


def power_lost(run: Started, node: Node) -> Outcome:
    node.kill()
    node.start()
    return run.wait()


def interrupted(run: Started, _node: Node) -> Outcome:
    run.interrupt()
    return run.wait()


@dataclass(frozen=True)
class Case:
    """One way to cut a removal off.

    :param component: it happens while this one is removed
    :param moment: a command that succeeds on the node when the moment has come; empty: as soon as it is marked
    :param fast: run by `make test` too
    """

    how: Callable[[Started, Node], Outcome | None]
    component: str
    moment: str = ""
    fast: bool = False

    def __str__(self) -> str:
        return f"{self.how.__name__}-{self.component}{'-in-dpkg' if self.moment == DPKG else ''}".replace("_", "-")


CASES = [
    Case(killed, "vllm"),
    Case(killed, "cuda_images"),
    Case(killed, "video_cdi"),
    Case(killed, "container_toolkit"),
    Case(killed, "container_toolkit", DPKG, fast=True),
    Case(power_lost, "container_toolkit", DPKG),
    Case(interrupted, "containerd", DPKG),
    Case(power_lost, "containerd", fast=True),
    Case(killed, "base", DPKG),
    Case(power_lost, "base"),
    Case(killed, "wsl"),
]


@dataclass(frozen=True)
class Removed:
    """What became of all nodes.

    :param provisioned: the first node when it had everything
    :param first: how each case's disturbed removal ended, None for a killed one, or the error in disturbing it
    :param again: the removal after it, of all nodes
    :param third: one more
    """

    lab: Lab
    nodes: dict[Case, Node]
    before: dict[str, Snapshot]
    provisioned: Snapshot
    first: dict[Case, Future[Outcome | None]]
    again: Outcome
    third: Outcome
    after: dict[str, Snapshot]


def authority(folder: Path) -> Path:
    """A certificate authority of a site's own."""
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    argv += ["-subj", "/CN=a site", "-days", "9", "-keyout", str(folder / "key"), "-out", str(folder / "site.pem")]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / "site.pem"


def disturb(lab: Lab, node: Node, case: Case) -> Outcome | None:
    with started(lab, "--limit", node.name, verb="remove") as run:
        run.wait_for(f"| Remove {case.component}\n")
        if case.moment:
            deadline = time.monotonic() + 120
            while not node.nsenter(case.moment, check=False).ok:
                assert run.process.poll() is None, f"it ended before {case.moment} was true: {run.told()}"
                assert time.monotonic() < deadline, f"{case.moment} did not become true"
        assert run.process.poll() is None, f"it had ended before: {run.told()}"
        return case.how(run, node)


@pytest.fixture(scope="module")
def removed(
    lab_factory: LabFactory, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Removed:
    """Only the cases that this session selected have a node."""
    chosen = {
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    }
    cases = [case for case in CASES if case in chosen]
    lab = lab_factory(nodes=len(cases) + 1)
    nodes = dict(zip(cases, lab.nodes[1:], strict=True))
    for node in lab.nodes:
        node.put(WSL_CONF, OWN_WORDS, 0o600)
    before = {node.name: tree_of(node) for node in lab.nodes}
    packages = ["ca-certificates", "curl", "gnupg", "iproute2", "kmod", "procps", SERVICE]
    authorities = str(authority(tmp_path_factory.mktemp("authority")))
    with site(lab, base_packages=packages, ca_file=authorities, wsl_conf={"interop": {"appendWindowsPath": False}}):
        outcome = apply(lab, timeout_s=600)
        assert outcome.code == 0, outcome
        provisioned = tree_of(lab.nodes[0])
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            first = {case: pool.submit(disturb, lab, node, case) for case, node in nodes.items()}
        again = converge(lab, verb="remove")
        third = apply(lab, verb="remove")
    after = {node.name: tree_of(node) for node in lab.nodes}
    return Removed(lab, nodes, before, provisioned, first, again, third, after)


def unlike_before(removed: Removed, name: str) -> list[str]:
    """In what a node is not as it was before it was provisioned, but for what has a reason."""
    compared = compare(removed.before[name], removed.after[name], load_reasons("removal"))
    return [str(one) for one in compared.differences]


def test_the_node_is_as_before(removed: Removed) -> None:
    assert removed.again.host("node1")["errors"] == [], removed.again
    assert unlike_before(removed, "node1") == []


def test_what_was_provisioned_is_worth_removing(removed: Removed) -> None:
    """The comparison sees all that was there: files, packages, units, accounts, images, what stood there before."""
    there, before, after = removed.provisioned, removed.before["node1"], removed.after["node1"]
    assert {"containerd", "nvidia-container-toolkit", SERVICE} <= there.packages.keys() - before.packages.keys()
    assert ACCOUNT in there.users.keys() - before.users.keys()
    assert {"containerd.service", "wslgpu-cdi-refresh.path"} <= there.units.keys() - before.units.keys()
    assert there.images
    assert not before.images
    new = there.paths.keys() - before.paths.keys()
    assert {"/etc/containerd/config.toml", "/etc/ssl/certs/wslgpu-site.pem", "/var/lib/wslgpu/manifest.json"} <= new
    assert there.paths[WSL_CONF] != before.paths[WSL_CONF]
    assert (after.paths[WSL_CONF].sha256, after.paths[WSL_CONF].mode) == (before.paths[WSL_CONF].sha256, "600")
    assert len(compare(before, there, load_reasons("removal")).differences) > 100


def test_there_is_nothing_to_remove_any_more(removed: Removed) -> None:
    assert removed.third.code == 0, removed.third
    assert removed.third.host("node1")["outcome"] == "unchanged", removed.third
    assert "nothing of wslgpu's is on this node" in removed.third.told


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=str(case), marks=() if case.fast else pytest.mark.long) for case in CASES]
)
def test_cut_off_and_run_again(removed: Removed, case: Case) -> None:
    name = removed.nodes[case].name
    first = removed.first[case].result()
    if first is not None:
        assert "Traceback" not in first.told, first
        assert first.code == (130 if case.how is interrupted else 2), first
    assert removed.again.host(name)["errors"] == [], removed.again
    assert removed.again.host(name)["outcome"] == "changed", removed.again
    assert unlike_before(removed, name) == []


def test_an_apply_that_was_cut_off_is_removed_too(removed: Removed) -> None:
    """What had come by then goes; what was left of the first time is not taken for what stood there before.

    What somebody has installed between the two is theirs, and stays with all that came with it.
    """
    lab, node = removed.lab, removed.lab.nodes[0]
    with started(lab, "--limit", "node1") as run:
        run.wait_for("| Install containerd\n")
        wait_until(node, DPKG, timeout_s=120)
        run.kill()
    wait_until(node, "! pgrep -x 'apt-get|dpkg' >/dev/null", timeout_s=120)
    node.nsenter(f"dpkg --configure -a >/dev/null 2>&1; apt-get -o DPkg::Lock::Timeout=120 install -qy {SERVICE} 2>&1")
    outcome = converge(lab, "--limit", "node1", verb="remove")
    assert outcome.host("node1")["errors"] == [], outcome
    assert outcome.host("node1")["outcome"] == "changed", outcome
    assert "containerd" not in node.nsenter("dpkg-query -W -f '${Package}\\n'").stdout.split()
    assert node.nsenter(f"systemctl is-enabled {ACCOUNT}.socket; id -un {ACCOUNT}").stdout == f"enabled\n{ACCOUNT}\n"
    node.nsenter(f"apt-get purge -qy {SERVICE} >/dev/null 2>&1; userdel {ACCOUNT}; groupdel {ACCOUNT}", check=False)
    node.nsenter("rmdir /var/lib/libuuid")  # which the package leaves to its account
    compared = compare(removed.before["node1"], tree_of(node), load_reasons("removal"))
    assert [str(one) for one in compared.differences] == []
