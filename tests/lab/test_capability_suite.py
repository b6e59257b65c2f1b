"""tests/node/test_capabilities.py on a lab node: by pytest as people call it, and as a suite of `wslgpu verify`."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.lab.support.nodes import program
from wslgpu.catalogue.load import load_catalogue
from wslgpu.lab import Lab, Node
from wslgpu.report.record import Outcome
from wslgpu.settings import PROJECT_ROOT
from wslgpu.verify import VerifyRequest, verify

pytestmark = pytest.mark.lab

SUITE = "tests/node/test_capabilities.py"
INVENTORY = PROJECT_ROOT / "inventory" / "lab.py"
WAIVERS = """\
waivers:
  - {capability: gpu.present, reason: known, person: Ada, expires: 2020-01-01}
  - {capability: wsl.path_services, reason: nobody needs it, person: Ada, expires: 2999-01-01}
"""


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    return lab.node()


def suite(lab: Lab, tmp_path: Path, *words: str) -> tuple[int, dict[str, tuple[str, str]], str]:
    """Run the suite: exit code, capability -> outcome and message, and all it said."""
    report = tmp_path / "report.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", SUITE),
            *(f"--hosts=ssh://{lab.node().name}", f"--ssh-config={lab.ssh_config}", "--sudo"),
            *(f"--site={lab.site_file}", f"--junitxml={report}", *words),
        ],
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found: dict[str, tuple[str, str]] = {}
    if report.is_file():
        for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it just now
            name = str(case.get("name")).removeprefix("test_capability[").removesuffix("]")
            ends = [child for child in case if child.tag in ("failure", "skipped", "error")]
            kind = str(ends[0].get("type", ends[0].tag)) if ends else "passed"
            found[name.rpartition("-")[0] or name] = (kind, str(ends[0].get("message", "")) if ends else "")
    return done.returncode, found, done.stdout + done.stderr


def left_behind(node: Node) -> str:
    return node.nsenter("ls -d /tmp/wslgpu-probe.* 2>/dev/null", check=False).stdout


def test_every_capability_has_a_test_under_its_id(lab: Lab, node: Node, tmp_path: Path) -> None:
    code, found, said = suite(lab, tmp_path)
    catalogue = load_catalogue()
    assert {name.split("-")[-1] for name in found} | set(found) >= set(catalogue.capabilities), said
    # a healthy lab node has nothing broken; what it cannot show is skipped, and says why
    assert {kind for kind, _ in found.values()} <= {"passed", "pytest.skip"}, said
    assert code == 0, said
    assert "a bind mount stands where WSL has 9p" in found["wsl.drivers_mount"][1]
    assert left_behind(node) == ""


def test_one_capability_can_be_chosen(lab: Lab, tmp_path: Path) -> None:
    _, found, said = suite(lab, tmp_path, "-k", "wsl.platform")
    assert [(name, kind) for name, (kind, _) in found.items()] == [("wsl.platform", "passed")], said


def test_a_sites_waivers_count(lab: Lab, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yml").write_text(WAIVERS, encoding="utf-8")
    code, found, said = suite(lab, tmp_path, f"--catalogue={site}", "-k", "gpu.present or wsl.path_services")
    assert code == 1
    assert found["gpu.present"][0] == "failure", said
    assert "ran out on 2020-01-01" in said
    kind, why = found["wsl.path_services"]
    assert kind == "pytest.xfail", said
    assert why == "wsl.path_services: Ada waives it until 2999-01-01: nobody needs it"


def test_a_probe_that_does_not_answer_makes_everything_unknown(lab: Lab, node: Node, tmp_path: Path) -> None:
    with program(node, "base64", "#!/bin/sh\necho no such thing >&2; exit 1\n"):
        _, found, said = suite(lab, tmp_path, "-k", "wsl.platform or system.systemd")
    assert {kind for kind, _ in found.values()} == {"pytest.skip"}, said
    assert "the probe did not answer" in found["wsl.platform"][1]
    assert left_behind(node) == ""


def test_verify_runs_it_when_it_is_asked_for(lab: Lab) -> None:
    request = VerifyRequest(INVENTORY, suites=("capabilities",), environment=(("WSLGPU_LAB", lab.name),))
    checks = {check.id: check for check in verify(request).hosts[0].checks}
    assert len(checks) == len(load_catalogue().capabilities)
    platform = checks["capabilities.wsl.platform"]
    assert (platform.outcome, platform.component) == (Outcome.PASS, "capabilities")
    assert "wsl --set-version" in platform.remedy
