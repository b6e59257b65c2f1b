"""Mesa and FFmpeg as they are really built, on nodes of every base that can be had, verified from the node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import apply, site
from tests.lab.support.artifacts import links
from tests.lab.support.real_builds import MESA, REDUCED, RealBuilds
from wslgpu.lab import Lab
from wslgpu.report.record import Check, Outcome, Record
from wslgpu.settings import PROJECT_ROOT
from wslgpu.verify import VerifyRequest, verify

pytestmark = pytest.mark.lab

TASKS = ("--only", "mesa_dozen", "--only", "ffmpeg")
STAND_IN = frozenset({"mesa_dozen.device", "ffmpeg.gpu.encode", "ffmpeg.gpu.decode"})
"""What cannot be judged where the driver is the lab's."""


@pytest.fixture(scope="module")
def stored(real_builds: RealBuilds) -> Iterator[RealBuilds]:
    for build in (MESA, REDUCED):
        real_builds.have(build)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSLGPU_STORE_DIR", str(real_builds.store))
        yield real_builds


@pytest.fixture(params=["trixie", "bookworm"])
def lab(request: pytest.FixtureRequest, new_lab: LabFactory) -> Lab:
    return new_lab(base=request.param, servers=False)


def judge(lab: Lab) -> Record:
    inventory = PROJECT_ROOT / "inventory" / "lab.py"
    environment = (("WSLGPU_LAB", lab.name),)
    return verify(VerifyRequest(inventory, suites=("mesa_dozen", "ffmpeg"), environment=environment))


def of(record: Record, outcome: Outcome) -> dict[str, Check]:
    assert [host.unknown for host in record.hosts] == [""]
    return {check.id: check for check in record.checks(outcome)}


def test_one_artifact_for_every_base(lab: Lab, stored: RealBuilds) -> None:
    """Installed, unchanged the second time, green from the node; FFmpeg and Dozen say of the stand-in what it is."""
    with site(lab, **yaml.safe_load(stored.site.read_text())):
        outcome = apply(lab, *TASKS)
        assert outcome.code == 0, outcome
        assert apply(lab, *TASKS).host()["outcome"] == "unchanged"
        record = judge(lab)
    assert of(record, Outcome.FAIL) == {}
    assert set(of(record, Outcome.UNKNOWN)) == STAND_IN
    passed = of(record, Outcome.PASS)
    assert {"mesa_dozen.loads", "mesa_dozen.files", "ffmpeg.transcode", "ffmpeg.parts.encoders"} <= set(passed)
    assert any("finds no adapter" in notice for notice in passed["mesa_dozen.loads"].notices)
    assert set(links(lab.node(), "ffmpeg")) == {"current"}


def test_without_a_gpu_the_reason_is_known(new_lab: LabFactory, stored: RealBuilds) -> None:
    """No driver: FFmpeg's words are recognised, and Dozen loads and misses Windows' libraries."""
    lab = new_lab(persona="no-gpu", servers=False)
    with site(lab, wsl_required=False, **yaml.safe_load(stored.site.read_text())):
        outcome = apply(lab, *TASKS)
        assert outcome.code == 0, outcome
        record = judge(lab)
    assert of(record, Outcome.FAIL) == {}
    passed = of(record, Outcome.PASS)
    for check_id in ("ffmpeg.gpu.encode", "ffmpeg.gpu.decode"):
        assert any("libcuda.so.1" in notice for notice in passed[check_id].notices), passed[check_id]
    unknown = of(record, Outcome.UNKNOWN)
    assert "libraries of /usr/lib/wsl/lib are missing" in unknown["mesa_dozen.loads"].reason


@pytest.mark.long
def test_llvmpipe_keeps_working_beside_it(new_lab: LabFactory, stored: RealBuilds) -> None:
    lab = new_lab(servers=False)
    node = lab.node()
    node.nsenter(
        "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends"
        " mesa-vulkan-drivers vulkan-tools",
        timeout=300,
    )
    with site(lab, mesa_dozen_offer="system", **yaml.safe_load(stored.site.read_text())):
        assert apply(lab, *TASKS).code == 0
        record = judge(lab)
        assert "mesa_dozen.others" in of(record, Outcome.PASS)
        assert "mesa_dozen.offer" in of(record, Outcome.PASS)
        shadowing = "/etc/vulkan/icd.d/lvp_icd.json"
        node.nsenter(
            f"echo '{{}}' >{shadowing}; mv /usr/share/vulkan/icd.d/lvp_icd*.json /root/; "
            f"touch /usr/share/vulkan/icd.d/lvp_icd.x86_64.json"
        )
        assert "mesa_dozen.others" in of(judge(lab), Outcome.FAIL)
