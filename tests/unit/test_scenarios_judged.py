"""Every scenario of the stand-in driver through the probe, the judgement and every report: the table's rows."""

from __future__ import annotations

import datetime
import functools
import io
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema  # type: ignore[import-untyped]
import pytest
from rich.console import Console

from tests.observation_documents import healthy
from tests.unit.scenario_verdicts import (
    FIELD_CAPABILITIES,
    FIELD_VERDICTS,
    LINUX,
    LINUX_VERDICTS,
    ROWS,
    WSL2,
    WSL2_VERDICTS,
    bare_metal,
)
from tests.unit.test_scenarios import NOT_SEEN_AT_STANDARD, looked_at
from wslgpu.catalogue.load import load_catalogue
from wslgpu.catalogue.model import Expected, Platform
from wslgpu.lab.stand_ins import driver, scenarios
from wslgpu.probe.document import Observation, Observations, Status
from wslgpu.report.capabilities.document import schema
from wslgpu.report.capabilities.html import as_html
from wslgpu.report.capabilities.json_document import as_json, from_json
from wslgpu.report.capabilities.junit import as_junit
from wslgpu.report.capabilities.markdown import as_markdown
from wslgpu.report.capabilities.terminal import write_terminal
from wslgpu.verdict.judge import judge_node
from wslgpu.verdict.model import Judgement, NodeJudgement, State, Verdict

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine"),
]

TODAY = datetime.date(2026, 11, 21)
FIELDS = {f"nvml-without-{field.replace('_', '-')}": field for field in scenarios.NVML_FIELDS}
TOPICS = ["smi", "cuda", "nvml", "codec", "dxcore"]
LIBRARIES = {"wsl2": "/usr/lib/wsl/lib", "linux": "/usr/lib/x86_64-linux-gnu"}
#: What a field that is refused comes to, by what the platform is expected to give.
REFUSED = {Expected.WORKS: State.BROKEN, Expected.CANNOT: State.CANNOT, Expected.VARIES: State.RECORDED}

Seen = dict[str, dict[str, Any]]


def observed(folder: Path, names: list[str], topics: list[str]) -> dict[str, Seen]:
    """The scenarios, all of one tree, by name. The tree's place reads as the one that a real machine has."""
    driver.build_driver_tree(folder, scenario=names[0], dxg="/dev/null")
    shared = {"tree": str(folder), "write": len(names) > 1, "level": "standard", "topics": topics, "timeout_s": 120.0}
    looked = looked_at(folder, [{**shared, "name": name} for name in names])
    place = LIBRARIES[scenarios.SCENARIOS[names[0]].platform]
    text = json.dumps(looked).replace(str(folder / "lib"), place)
    return dict(zip(names, json.loads(text), strict=True))


def document(name: str, seen: Seen) -> Observations:
    """A node that is healthy but for what the probe saw of the scenario, and what comes with it elsewhere."""
    scenario = scenarios.SCENARIOS[name]
    gpus = len(driver.SCENARIOS[scenario.hardware].gpus)
    around = dict(ROWS[name].around) if name in ROWS else {}
    node = bare_metal(gpus) if scenario.platform == "linux" else {}
    found = {key: Observation(**{**one, "status": Status(one["status"])}) for key, one in seen.items()}
    return healthy({**node, **around, **found}, stand_in=True)


def judged(name: str, seen: Seen) -> NodeJudgement:
    return judge_node(name, document(name, seen), load_catalogue(), required_workloads=["cuda"], today=TODAY)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], NodeJudgement]:
    """The judgement of a scenario, made once."""

    @functools.cache
    def one(name: str) -> NodeJudgement:
        return judged(name, observed(tmp_path_factory.mktemp("tree"), [name], TOPICS)[name])

    return one


def report(*nodes: NodeJudgement) -> Judgement:
    return Judgement(nodes=nodes, catalogue_digest="5f" * 32, tool_version="0", started="2026-11-21T10:00:00+00:00")


def terminal(judgement: Judgement, *, verbose: bool) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    write_terminal(judgement, console, verbose=verbose)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def of_nothing_that_failed(node: NodeJudgement) -> Iterable[str]:
    """Capabilities that count as there although the look at them crashed or hung."""
    for capability in node.capabilities:
        if capability.state in (State.WORKS, State.BETTER):
            ends = {evidence.status for evidence in capability.evidence}
            if ends and ends <= {Status.CRASH, Status.HANG}:
                yield capability.id


def test_every_scenario_has_a_row() -> None:
    assert set(ROWS) | set(FIELDS) | NOT_SEEN_AT_STANDARD == set(scenarios.SCENARIOS)
    assert {name for name in ROWS if scenarios.SCENARIOS[name].platform == "linux"} == set(LINUX)


@pytest.mark.parametrize("name", ROWS)
def test_a_scenario_is_judged(name: str, judge: Callable[[str], NodeJudgement]) -> None:
    node, row = judge(name), ROWS[name]
    assert node.platform is (Platform.LINUX if name in LINUX else Platform.WSL2)
    assert node.stand_in
    assert {key: node.capability(key).state for key in row.states} == row.states
    assert {key: node.capability(key).cause for key in row.blocked} == row.blocked
    healthy_verdicts = WSL2_VERDICTS if name in WSL2 else LINUX_VERDICTS
    wanted = {**healthy_verdicts, **row.verdicts}
    verdicts = {workload.id: workload.verdict for workload in node.workloads}
    assert {key: verdicts[key] for key in wanted} == wanted
    assert list(of_nothing_that_failed(node)) == []


@pytest.mark.parametrize("name", ROWS)
def test_the_cause_is_named_and_not_what_follows_from_it(name: str, judge: Callable[[str], NodeJudgement]) -> None:
    node, row = judge(name), ROWS[name]
    broken = {key for key, state in row.states.items() if state is State.BROKEN}
    causes = {cause.id for cause in node.causes}
    assert broken <= causes <= broken | set(row.beside)
    program = next(workload for workload in node.workloads if workload.id == "cuda")
    if program.verdict is Verdict.NO_GO:
        assert len(program.reasons) == 1, program.reasons
        assert program.reasons[0].capability in causes


@pytest.mark.parametrize("name", ROWS)
def test_every_report_names_what_decides(name: str, judge: Callable[[str], NodeJudgement]) -> None:
    node, decisive = judge(name), ROWS[name].decisive
    judgement = report(node)
    text = as_json(judgement)
    data = json.loads(text)
    jsonschema.Draft202012Validator(schema()).validate(data)
    assert from_json(text) == judgement
    said = next(one for one in data["nodes"][0]["capabilities"] if one["id"] == decisive)
    capability = node.capability(decisive)
    assert (said["state"], said["reason"]) == (capability.state.value, capability.reason)
    assert decisive in terminal(judgement, verbose=capability.state is not State.BROKEN)
    assert decisive in as_html(judgement)
    assert decisive in as_markdown(judgement) or capability.state is not State.BROKEN
    suite = ElementTree.fromstring(as_junit(judgement))  # noqa: S314 - our own
    case = next(one for one in suite.iter("testcase") if decisive in (one.get("name"), one.get("classname")))
    failed = case.find("failure") is not None or case.find("error") is not None
    assert failed is (capability.state is State.BROKEN)


@pytest.mark.parametrize(
    ("name", "capability", "status"),
    [
        ("cuinit-hang", "cuda.init", Status.HANG),
        ("cuinit-segfault", "cuda.init", Status.CRASH),
        ("nvmlinit-hang", "nvml.init", Status.HANG),
        ("smi-hang", "nvml.smi.runs", Status.HANG),
        ("smi-segfault", "nvml.smi.runs", Status.CRASH),
        ("one-gpu", "cuda.managed.touch_concurrent", Status.CRASH),
        ("managed-touch-crashes-idle", "cuda.managed.touch", Status.CRASH),
        ("graph-crashes", "cuda.graph", Status.CRASH),
    ],
)
def test_a_crash_or_a_hang_is_the_evidence(
    name: str, capability: str, status: Status, judge: Callable[[str], NodeJudgement]
) -> None:
    judgement = judge(name).capability(capability)
    assert status in {evidence.status for evidence in judgement.evidence}
    assert {Status.HANG: "hung", Status.CRASH: "crashed"}[status] in judgement.reason
    assert judgement.reason.split(":")[0] in as_html(report(judge(name)))


def test_each_nvml_field_alone_is_judged(tmp_path: Path) -> None:
    """What NVML refuses is broken where WSL2 is known to give it, else only told; one workload hangs on one field."""
    single = [name for name, field in FIELDS.items() if field != "topology"]
    seen = {
        **observed(tmp_path / "one", single, ["nvml"]),
        **observed(tmp_path / "two", ["nvml-without-topology"], TOPICS),
    }
    nodes = {name: judged(name, seen[name]) for name in FIELDS}
    for name, field in FIELDS.items():
        node, capability_id = nodes[name], FIELD_CAPABILITIES.get(field, f"nvml.{field}")
        verdicts = {workload.id: workload.verdict for workload in node.workloads}
        wanted = {**WSL2_VERDICTS, "monitoring": FIELD_VERDICTS.get(field, WSL2_VERDICTS["monitoring"])}
        assert {key: verdicts[key] for key in wanted} == wanted, name
        same = {other for other, behind in scenarios.NVML_FIELDS.items() if behind == scenarios.NVML_FIELDS[field]}
        names = {FIELD_CAPABILITIES.get(other, f"nvml.{other}") for other in same}
        assert {cause.id for cause in node.causes} <= names, name
        if not capability_id:
            continue
        capability = node.capability(capability_id)
        if capability.state is not State.NOT_APPLICABLE:
            assert capability.expected is not None
            assert capability.state is REFUSED[capability.expected], (name, capability)
        else:
            assert capability_id.startswith("nvlink."), name
    judgement = report(*nodes.values())
    data = json.loads(as_json(judgement))
    jsonschema.Draft202012Validator(schema()).validate(data)
    for text in (as_html(judgement), as_markdown(judgement), as_junit(judgement), terminal(judgement, verbose=False)):
        assert "nvml.memory" in text
