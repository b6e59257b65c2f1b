"""Every row of the drift table: verify names it, and apply repairs it or says why it will not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.lab.drifts import DRIFTS, Drift
from tests.lab.support.apply import site
from tests.lab.support.real_builds import MESA, REDUCED, RealBuilds
from wslgpu.apply import ApplyRequest, ApplyResult, run_apply
from wslgpu.lab import Lab
from wslgpu.report.record import Check, Outcome, Record
from wslgpu.settings import PROJECT_ROOT
from wslgpu.verify import VerifyRequest, verify

pytestmark = pytest.mark.lab

INVENTORY = PROJECT_ROOT / "inventory" / "lab.py"
ROWS = [pytest.param(drift, id=drift.id, marks=() if drift.fast else (pytest.mark.long,)) for drift in DRIFTS]


def apply(lab: Lab, *components: str) -> ApplyResult:
    return run_apply(ApplyRequest(INVENTORY, only=components, environment=(("WSLGPU_LAB", lab.name),)))


def judge(lab: Lab, *suites: str) -> Record:
    return verify(VerifyRequest(INVENTORY, suites=suites, environment=(("WSLGPU_LAB", lab.name),)))


def red(record: Record) -> dict[str, Check]:
    """The red checks by id; the node was judged to the end."""
    assert [host.unknown for host in record.hosts] == [""]
    return {check.id: check for check in record.checks(Outcome.FAIL)}


@pytest.fixture(scope="module")
def provisioned(lab: Lab, real_builds: RealBuilds) -> Iterator[Lab]:
    """A node as the deploy leaves it, with Mesa and FFmpeg really built, and green."""
    for build in (MESA, REDUCED):
        real_builds.have(build)
    builds = yaml.safe_load(real_builds.site.read_text())
    with (
        pytest.MonkeyPatch.context() as patch,
        site(lab, mesa_dozen_offer="system", kubernetes_role="prepare", **builds),
    ):
        patch.setenv("WSLGPU_STORE_DIR", str(real_builds.store))
        yield _provisioned(lab)


def _provisioned(lab: Lab) -> Lab:
    result = apply(lab)
    assert result.exit_code == 0, result.as_json()
    record = judge(lab)
    assert red(record) == {}
    assert record.exit_code == 0
    return lab


def test_table_is_whole() -> None:
    assert len(DRIFTS) >= 25
    assert len({drift.id for drift in DRIFTS}) == len(DRIFTS)
    assert [drift.id for drift in DRIFTS if not drift.red] == []


@pytest.mark.parametrize("drift", ROWS)
def test_drift(provisioned: Lab, drift: Drift) -> None:
    node = provisioned.node()
    suites = drift.suites or (drift.component,)
    if drift.breaks:
        node.run(drift.breaks, check=True)
    else:
        # else the node would make its spec anew by itself
        node.run("systemctl stop wslgpu-cdi-refresh.path", check=True)
        node.replace_driver_store("b0b1b2b3b4b5b6b7", "582.10")
    try:
        named = red(judge(provisioned, *suites))
        assert drift.red <= set(named)
        said = applied(provisioned, drift)
        if drift.refusal:
            assert drift.refusal in said
        if drift.by_hand:
            assert any(drift.by_hand in named[check_id].remedy for check_id in drift.red)
            assert drift.red <= set(red(judge(provisioned, *suites)))
    finally:
        if drift.mends:
            node.run(drift.mends, check=True)
    assert red(judge(provisioned, *suites)) == {}


def applied(lab: Lab, drift: Drift) -> str:
    """Apply the drift's component: it succeeds unless the row says that it refuses. What it said is returned."""
    result = apply(lab, drift.component)
    assert (result.exit_code == 0) == (not drift.refusal), result.as_json()
    return " ".join(str(error) for host in result.hosts for error in host.errors)
