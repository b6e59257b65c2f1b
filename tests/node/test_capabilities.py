"""What the node can do, held against the catalogue: one test per capability.

It passes where a capability is as its platform is expected to have it, "cannot" included, fails where it is broken
here, is skipped where nobody could look or something else is at fault, and is xfailed where the site waives it.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.node.support.capabilities import NoAnswerError, catalogue_of, judgement_of
from tests.node.support.checks import check, not_applicable, unknown
from tests.node.support.node import Node
from wslgpu.probe.document import Level
from wslgpu.report.capabilities.words import state_words
from wslgpu.verdict.model import NodeJudgement, State

_AS_IT_IS = (State.CANNOT, State.LIMITED, State.BETTER, State.RECORDED)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each entry of the catalogue, under its id."""
    if "capability" in metafunc.fixturenames:
        metafunc.parametrize("capability", list(catalogue_of(metafunc.config).capabilities))


@pytest.fixture(scope="module")
def judgement(node: Node, host: Any, pytestconfig: pytest.Config) -> NodeJudgement:
    """The node, probed once; where it does not answer nothing is known of it."""
    level = Level(pytestconfig.getoption("--capability-level"))
    try:
        return judgement_of(node, host.backend.get_hostname(), level, catalogue_of(pytestconfig))
    except NoAnswerError as error:
        unknown(str(error))


@check("capabilities.{capability}")
def test_capability(capability: str, judgement: NodeJudgement, notice: Any, request: pytest.FixtureRequest) -> None:
    """A capability is as its platform is expected to have it."""
    found = judgement.capability(capability)
    # the first marker counts: this one has the entry's own remedy
    request.node.add_marker(check("capabilities.{capability}", remedy=found.remedy), append=False)
    if found.waiver_expired and found.waiver is not None:
        words = state_words(found.state, judgement.platform)
        pytest.fail(f"its waiver ran out on {found.waiver.expires}; {words}: {found.reason}")
    if found.state is State.NOT_APPLICABLE:
        not_applicable(found.reason)
    if found.state is State.NOT_TESTED:
        unknown(found.reason)
    if found.waiver is not None and not found.state.usable:
        waiver = found.waiver
        pytest.xfail(f"{capability}: {waiver.person} waives it until {waiver.expires}: {waiver.reason}")
    if found.state is State.BLOCKED:
        unknown(found.reason)
    if found.state in _AS_IT_IS:
        notice(f"{capability}: {state_words(found.state, judgement.platform)}: {found.reason}")
    if found.state is State.BROKEN:
        seen = [f"{row.observation}: {row.status.value} {row.value!r:.300} ({row.command})" for row in found.evidence]
        pytest.fail("\n".join([f"{found.title}: {found.reason}", *seen]))
