"""Observations and a catalogue in, states and verdicts out."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.healthy_gpu import FOUND, GIB, OK
from tests.observation_documents import document, healthy
from tests.small_catalogue import TODAY, capability, catalogue, waiver, workload
from wslgpu.catalogue.load import Catalogue
from wslgpu.catalogue.model import Confidence, Expected, Platform
from wslgpu.errors import UsageError
from wslgpu.probe.document import Level, Status
from wslgpu.verdict.judge import judge_node
from wslgpu.verdict.model import NodeJudgement, State, Verdict, WorkloadJudgement

WORKS = {"of": "cuda.init", "path": "result", "equals": 0}
ROW = {"expect": "works", "confidence": "high"}
REFUSED = {"result": 100, "name": "CUDA_ERROR_NO_DEVICE"}


def judge(changes: dict[str, Any] | None = None, site: dict[str, Any] | None = None, **required: Any) -> NodeJudgement:
    return judge_node("node1", healthy(changes), catalogue(**(site or {})), today=TODAY, **required)


def states(judgement: NodeJudgement) -> dict[str, str]:
    return {row.id: row.state.value for row in judgement.capabilities}


def work(judgement: NodeJudgement, name: str) -> WorkloadJudgement:
    return next(row for row in judgement.workloads if row.id == name)


def test_a_healthy_node() -> None:
    judgement = judge()
    assert states(judgement) == {
        "cuda.init": "works",
        "cuda.kernel": "works",
        "cuda.graph": "works",
        "cuda.ipc": "cannot",
        "cuda.pool": "recorded",
        "cuda.pinned": "limited",
        "docker.engine": "not-applicable",
        "codec.ffmpeg": "works",
    }
    verdicts = {row.id: row.verdict for row in judgement.workloads}
    assert verdicts == {
        "inference": Verdict.GO,
        "sharing": Verdict.NO_GO,
        "offload": Verdict.DEGRADED,
        "either": Verdict.GO,
        "better": Verdict.DEGRADED,
        "docker": Verdict.NOT_APPLICABLE,
    }
    assert (judgement.platform, judgement.level, judgement.exit_code()) == (Platform.WSL2, Level.STANDARD, 0)
    assert judgement.causes == ()


def test_one_missing_driver_is_one_red_line() -> None:
    judgement = judge({"cuda.init": REFUSED, "cuda.kernel": Status.UNKNOWN, "cuda.graph": REFUSED})
    assert [row.id for row in judgement.causes] == ["cuda.init"]
    kernel, graph = judgement.capability("cuda.kernel"), judgement.capability("cuda.graph")
    assert [(row.state, row.cause) for row in (kernel, graph)] == [(State.BLOCKED, "cuda.init")] * 2
    assert graph.reason == "needs cuda.init: cuda.init result is 100, not 0"
    inference = work(judgement, "inference")
    assert inference.verdict is Verdict.NO_GO
    assert [reason.capability for reason in inference.reasons] == ["cuda.init"]
    assert inference.reasons[0].remedy == "Mend cuda.init."
    assert "Title of cuda.kernel, Title of cuda.graph" in inference.reasons[0].consequence
    assert judgement.exit_code() == 1


BY_PLATFORM = {"wsl2": "Mend Windows.", "linux": "Mend Linux", "docker-desktop": "Mend the desktop."}
IN_DESKTOP = {"system.kernel": {"release": "6.12.54-linuxkit", "version": "#1 SMP", "machine": "x86_64"}}
NO_SIGNALS = dict.fromkeys(("osrelease", "dxg", "interop", "run_wsl", "init_rootfs"), False)


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({}, "Mend Windows."),
        ({"wsl.signals": NO_SIGNALS}, "Mend Linux"),
        (IN_DESKTOP, "Mend the desktop."),
        ({"wsl.signals": Status.UNKNOWN}, "On WSL2: Mend Windows. On Linux: Mend Linux"),
    ],
)
def test_what_to_do_is_that_of_the_platform(changes: dict[str, Any], remedy: str) -> None:
    entry = capability("cuda.init", WORKS, expectations=[ROW], remedy=BY_PLATFORM)
    known = Catalogue({entry.id: entry}, {"w": workload("w", [entry.id], standard=True)})
    judgement = judge_node("node1", healthy({"cuda.init": REFUSED, **changes}), known, today=TODAY)
    assert judgement.capability(entry.id).remedy == judgement.workloads[0].reasons[0].remedy == remedy


def test_what_the_platform_cannot_at_some_versions_says_at_which() -> None:
    rows = [{"expect": "cannot", "confidence": "high", "when": {"toolkit": "<1.21"}}, ROW]
    known = Catalogue({"cuda.init": capability("cuda.init", WORKS, expectations=rows)}, {})
    found = judge_node("n", healthy({"cuda.init": REFUSED}), known, today=TODAY).capability("cuda.init")
    assert found.state is State.CANNOT
    assert found.reason == "cuda.init result is 100, not 0, as is expected with toolkit <1.21"


def test_what_the_platform_cannot_stays_so_below_a_broken_need() -> None:
    judgement = judge({"cuda.init": REFUSED})
    assert judgement.capability("cuda.ipc").state is State.CANNOT
    assert judgement.capability("cuda.ipc").cause == ""


@pytest.mark.parametrize(("status", "word"), [(Status.CRASH, "crashed"), (Status.HANG, "hung")])
def test_a_crash_is_an_observation(status: Status, word: str) -> None:
    judgement = judge({"cuda.kernel": status})
    assert judgement.capability("cuda.kernel").state is State.BROKEN
    assert word in judgement.capability("cuda.kernel").reason
    assert work(judgement, "inference").verdict is Verdict.NO_GO


def test_a_crash_where_the_platform_cannot_is_as_expected() -> None:
    assert judge({"cuda.ipc.open": Status.CRASH}).capability("cuda.ipc").state is State.CANNOT


def test_what_nobody_tested_is_never_go() -> None:
    judgement = judge({"cuda.kernel": Status.UNKNOWN})
    kernel, graph = judgement.capability("cuda.kernel"), judgement.capability("cuda.graph")
    assert kernel.state is State.NOT_TESTED
    assert (graph.state, graph.reason, graph.cause) == (State.NOT_TESTED, kernel.reason, "")
    inference = work(judgement, "inference")
    assert inference.verdict is Verdict.UNKNOWN
    assert [reason.capability for reason in inference.reasons] == ["cuda.kernel"]
    assert judgement.exit_code() == 2


def test_a_missing_requirement_weighs_more_than_an_untested_one() -> None:
    judgement = judge({"cuda.kernel": REFUSED, "cuda.pinned.budget": Status.UNKNOWN})
    offload = work(judgement, "offload")
    assert offload.verdict is Verdict.NO_GO
    assert [(row.capability, row.state) for row in offload.reasons] == [
        ("cuda.kernel", State.BROKEN),
        ("cuda.pinned", State.NOT_TESTED),
    ]


def test_works_where_it_was_not_expected() -> None:
    judgement = judge({"cuda.ipc.open": OK})
    assert judgement.capability("cuda.ipc").state is State.BETTER
    assert work(judgement, "sharing").verdict is Verdict.GO


def test_what_holds_by_itself_is_of_no_use_without_its_need() -> None:
    judgement = judge({"cuda.init": REFUSED, "cuda.kernel": FOUND})
    kernel = judgement.capability("cuda.kernel")
    assert (kernel.state, kernel.cause) == (State.BLOCKED, "cuda.init")
    assert kernel.reason == "needs cuda.init: cuda.init result is 100, not 0; by itself: cuda.kernel correct is true"


@pytest.mark.parametrize(
    ("budget", "state"),
    [
        ({"granted_bytes": 0, "step_bytes": 1, "tried_bytes": 1, "stopped_by": "E"}, State.LIMITED),
        ({"granted_bytes": GIB, "step_bytes": 1, "tried_bytes": 1, "stopped_by": "E"}, State.LIMITED),
        ({"granted_bytes": 8 * GIB, "step_bytes": 1, "tried_bytes": 1, "stopped_by": "limit"}, State.WORKS),
        ({"granted_bytes": "8 GiB"}, State.NOT_TESTED),
        (Status.UNKNOWN, State.NOT_TESTED),
        (Status.CRASH, State.BROKEN),
    ],
)
def test_limited(budget: Any, state: State) -> None:
    assert judge({"cuda.pinned.budget": budget}).capability("cuda.pinned").state is state


def test_without_a_limit_that_can_be_told_nothing_is_go() -> None:
    entries = catalogue()
    limited = entries.capabilities["cuda.graph"].model_copy(
        update={"limited": entries.capabilities["cuda.pinned"].limited}
    )
    entries.capabilities["cuda.graph"] = limited
    for status, state in ((Status.UNKNOWN, State.NOT_TESTED), (Status.HANG, State.LIMITED)):
        judgement = judge_node("n", healthy({"cuda.pinned.budget": status}), entries, today=TODAY)
        assert judgement.capability("cuda.graph").state is state


def test_whether_it_applies_must_be_known() -> None:
    unknown = judge({"docker.client": Status.UNKNOWN})
    assert unknown.capability("docker.engine").state is State.NOT_TESTED
    assert work(unknown, "docker").verdict is Verdict.UNKNOWN
    hung = judge({"docker.client": Status.HANG, "docker.engine": Status.HANG})
    assert hung.capability("docker.engine").state is State.BROKEN
    assert work(hung, "docker").verdict is Verdict.NO_GO


def test_a_group_needs_one_of_its_members() -> None:
    assert work(judge({"cuda.ipc.open": OK, "codec.ffmpeg": None}), "either").verdict is Verdict.GO
    neither = work(judge({"codec.ffmpeg": None}), "either")
    assert neither.verdict is Verdict.NO_GO
    assert {row.capability for row in neither.reasons} == {"cuda.ipc", "codec.ffmpeg"}
    assert work(judge({"codec.ffmpeg": Status.UNKNOWN}), "either").verdict is Verdict.UNKNOWN


def test_the_best_of_a_group_counts() -> None:
    entries = catalogue()
    for group, verdict in ((["cuda.pinned", "codec.ffmpeg"], Verdict.GO), (["cuda.pinned"], Verdict.DEGRADED)):
        entries.workloads["either"] = workload("either", ["cuda.init"], one_of=[group])
        judgement = judge_node("n", healthy(), entries, today=TODAY)
        assert work(judgement, "either").verdict is verdict


def test_what_a_workload_would_be_better_with() -> None:
    better = work(judge(), "better")
    assert [(row.capability, row.consequence) for row in better.reasons] == [("cuda.ipc", "copies go through the host")]
    untested = work(judge({"cuda.ipc.open": OK, "cuda.graph": Status.UNKNOWN}), "better")
    assert (untested.verdict, untested.not_tested) == (Verdict.GO, ("cuda.graph",))


def test_a_waiver_makes_a_no_go_degraded() -> None:
    judgement = judge(site={"waivers": [waiver("cuda.ipc", "2026-11-21")]}, required_workloads=["sharing"])
    sharing = work(judgement, "sharing")
    assert sharing.verdict is Verdict.DEGRADED
    assert [(row.capability, row.waived) for row in sharing.reasons] == [("cuda.ipc", True)]
    assert judgement.capability("cuda.ipc").state is State.CANNOT
    assert (judgement.findings, judgement.exit_code(), judgement.exit_code(strict=True)) == ((), 0, 1)
    assert work(judgement, "better").verdict is Verdict.GO


def test_a_waiver_of_the_root_counts_for_what_it_blocks() -> None:
    judgement = judge({"cuda.init": REFUSED, "cuda.kernel": REFUSED}, {"waivers": [waiver("cuda.init", "2027-01-01")]})
    assert work(judgement, "offload").verdict is Verdict.DEGRADED


def test_a_waiver_that_ran_out_is_a_failure() -> None:
    judgement = judge(site={"waivers": [waiver("cuda.ipc", "2026-11-20")]})
    assert judgement.capability("cuda.ipc").waiver_expired
    assert work(judgement, "sharing").verdict is Verdict.NO_GO
    finding = judgement.findings[0]
    assert (finding.id, finding.fails, finding.nodes) == ("waiver.expired.cuda.ipc", True, ("node1",))
    assert "2026-11-20" in finding.what
    assert judgement.exit_code() == 1


def test_a_renewed_waiver_counts() -> None:
    rows = [waiver("cuda.ipc", "2027-01-01"), waiver("cuda.ipc", "2026-01-01")]
    assert judge(site={"waivers": rows}).findings == ()


def test_what_is_required() -> None:
    def required(judgement: NodeJudgement) -> list[str]:
        return [row.id for row in judgement.workloads if row.required]

    site = {"require_workloads": ["offload"]}
    assert required(judge()) == ["inference"]
    assert required(judge(site=site)) == ["offload"]
    assert required(judge(site=site, required_workloads=["better", "either"])) == ["either", "better"]
    assert required(judge(site=site, required_capabilities=["cuda.init"])) == []


@pytest.mark.parametrize(
    ("name", "changes", "code", "strict"),
    [
        ("cuda.init", {}, 0, 0),
        ("cuda.init", {"cuda.init": REFUSED}, 1, 1),
        ("cuda.kernel", {"cuda.init": REFUSED, "cuda.kernel": REFUSED}, 1, 1),
        ("cuda.init", {"cuda.init": Status.UNKNOWN}, 2, 2),
        ("cuda.ipc", {}, 1, 1),
        ("cuda.pool", {}, 1, 1),
        ("cuda.pinned", {}, 0, 1),
        ("docker.engine", {}, 2, 2),
    ],
)
def test_required_capabilities(name: str, changes: dict[str, Any], code: int, strict: int) -> None:
    judgement = judge(changes, required_capabilities=[name])
    assert (judgement.exit_code(), judgement.exit_code(strict=True)) == (code, strict)
    assert [finding.id for finding in judgement.findings if finding.fails] == (
        [f"capability.required.{name}"] if code == 1 else []
    )


def test_a_required_capability_that_is_waived_is_no_failure() -> None:
    site = {"waivers": [waiver("cuda.ipc", "2026-12-31")], "require_capabilities": ["cuda.ipc"]}
    assert judge(site=site).exit_code() == 0


@pytest.mark.parametrize("required", [{"required_workloads": ["inferense"]}, {"required_capabilities": ["cuda.innit"]}])
def test_an_unknown_requirement_is_named_with_what_was_meant(required: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as raised:
        judge(**required)
    assert raised.value.next_step.startswith(("Did you mean inference?", "Did you mean cuda.init"))


def test_nothing_required_and_nothing_judged_is_never_0() -> None:
    assert judge(required_workloads=["docker"]).exit_code() == 2


def test_evidence_goes_down_to_the_command() -> None:
    kernel = judge().capability("cuda.kernel").evidence
    assert [(row.observation, row.value, row.command, row.level) for row in kernel] == [
        ("cuda.kernel", FOUND, "vectorAdd", Level.STANDARD)
    ]


def test_evidence_of_a_table_has_only_the_rows_that_were_looked_at() -> None:
    entries = catalogue()
    condition = {"of": "nvml.fields", "path": "temperature.result", "equals": 0}
    entries.capabilities["nvml.temperature"] = capability("nvml.temperature", condition)
    judgement = judge_node("n", healthy(), entries, today=TODAY).capability("nvml.temperature")
    assert [list(row.value) for row in judgement.evidence] == [["temperature"]]


def test_evidence_of_what_was_computed_goes_on_to_what_was_seen() -> None:
    entries = catalogue()
    condition = {"of": "derived.versions", "path": "driver", "version_at_least": "600"}
    entries.capabilities["cuda.driver"] = capability("cuda.driver", condition)
    judgement = judge_node("n", healthy(), entries, today=TODAY).capability("cuda.driver")
    assert judgement.reason == "derived.versions driver is 581.80, older than 600"
    assert [row.observation for row in judgement.evidence] == ["derived.versions", "nvml.versions", "smi.run"]
    assert judgement.evidence[1].command.startswith("nvidia-smi")


def test_confidence_and_sources_come_from_the_expectation() -> None:
    judgement = judge()
    graph = judgement.capability("cuda.graph")
    assert (graph.expected, graph.confidence) == (Expected.WORKS, Confidence.LOW)
    assert [source.url for source in graph.sources] == ["https://example.org/page"]
    assert work(judgement, "inference").confidence is Confidence.LOW
    assert work(judgement, "offload").confidence is Confidence.MEDIUM


def test_on_an_unknown_platform_nothing_is_broken() -> None:
    judgement = judge({"wsl.signals": Status.UNKNOWN, "system.kernel": Status.UNKNOWN, "cuda.init": REFUSED})
    assert judgement.platform is Platform.UNKNOWN
    assert judgement.capability("cuda.init").state is State.RECORDED
    assert work(judgement, "inference").verdict is Verdict.NO_GO


def test_facts_and_probe() -> None:
    judgement = judge({"bench.launch_latency": {"median_us": 5.5, "spread_us": 0.2, "runs": 100}})
    assert judgement.facts["gpu"] == "NVIDIA GeForce RTX 4090"
    wanted = {"driver": "581.80", "cuda": "13.0", "toolkit": "1.20.0-1", "wsl": "2.6.3.0", "platform": "wsl2"}
    assert wanted.items() <= judgement.facts.items()
    assert judgement.facts["kernel"] == "6.6.87.2-microsoft-standard-WSL2"
    assert judgement.benchmarks == {"bench.launch_latency": {"median_us": 5.5, "spread_us": 0.2, "runs": 100}}
    assert judgement.probe["level"] == "standard"


@pytest.mark.parametrize(("lab", "stand_in"), [({"stand_in": True}, True), ({"stand_in": "no"}, False)])
def test_a_lab_is_told(lab: Any, stand_in: bool) -> None:
    assert judge({"system.lab": lab}).stand_in is stand_in
    assert judge_node("n", healthy(stand_in=True), catalogue(), today=TODAY).stand_in


@pytest.mark.parametrize(
    ("lab", "seen", "state"),
    [
        (True, REFUSED, State.NOT_TESTED),
        (False, REFUSED, State.BROKEN),
        (True, OK, State.WORKS),
        (True, Status.HANG, State.BROKEN),
    ],
)
def test_what_a_lab_cannot_show_is_not_broken_and_never_a_pass(lab: bool, seen: Any, state: State) -> None:
    above = capability("cuda.init", WORKS, lab="it has no such thing")
    below = capability("cuda.kernel", {"of": "cuda.kernel", "path": "correct", "equals": True}, needs=["cuda.init"])
    known = Catalogue({"cuda.init": above, "cuda.kernel": below}, {"w": workload("w", ["cuda.init"], standard=True)})
    judgement = judge_node("n", healthy({"cuda.init": seen}, stand_in=lab), known, today=TODAY)
    assert judgement.capability("cuda.init").state is state
    hidden = state is State.NOT_TESTED
    assert judgement.capability("cuda.init").reason.startswith("a lab node cannot show it: it has no such") is hidden
    # what needs it is judged by itself
    assert judgement.capability("cuda.kernel").state is (State.BLOCKED if state is State.BROKEN else State.WORKS)
    verdicts = {State.NOT_TESTED: Verdict.UNKNOWN, State.BROKEN: Verdict.NO_GO, State.WORKS: Verdict.GO}
    assert judgement.workloads[0].verdict is verdicts[state]


def test_an_empty_document_is_judged_and_never_go() -> None:
    judgement = judge_node("n", document(), catalogue(), today=TODAY)
    assert {row.verdict for row in judgement.workloads} == {Verdict.UNKNOWN}
    assert judgement.exit_code() == 2


def test_the_day_decides_over_a_waiver() -> None:
    entries = catalogue(waivers=[waiver("cuda.ipc", "2026-11-21")])
    for day, expired in ((21, False), (22, True)):
        today = datetime.date(2026, 11, day)
        assert judge_node("n", healthy(), entries, today=today).capability("cuda.ipc").waiver_expired is expired
