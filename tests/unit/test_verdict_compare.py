"""What differs between two judgements."""

from __future__ import annotations

from typing import Any

import pytest

from tests.healthy_gpu import OK
from tests.observation_documents import healthy
from tests.small_catalogue import TODAY, catalogue
from wslgpu.errors import UnreachableError
from wslgpu.probe.document import Level, Status
from wslgpu.verdict.compare import BenchmarkRatio, CapabilityChange, FactChange, compare
from wslgpu.verdict.judge import judge_node
from wslgpu.verdict.model import NodeJudgement, State, Verdict


def judge(changes: dict[str, Any] | None = None, name: str = "node1", **fields: Any) -> NodeJudgement:
    return judge_node(name, healthy(changes, **fields), catalogue(), today=TODAY)


def test_the_same_node_twice() -> None:
    found = compare(judge(), judge(name="again"))
    assert found.same
    assert (found.old, found.new, found.capabilities, found.workloads, found.facts) == ("node1", "again", (), (), ())


def test_a_driver_update_that_broke_something() -> None:
    versions = {"driver": "591.20", "nvml": "13.590.1", "cuda": 13010}
    changes = {"nvml.versions": versions, "cuda.graph": {"result": 1, "name": "E"}, "cuda.ipc.open": OK}
    found = compare(judge(), judge(changes))
    assert not found.same
    assert found.facts == (FactChange("driver", "581.80", "591.20"),)
    assert [(row.id, row.old, row.new, row.better) for row in found.capabilities] == [
        ("cuda.graph", State.WORKS, State.BROKEN, False),
        ("cuda.ipc", State.CANNOT, State.BETTER, True),
    ]
    assert isinstance(found.capabilities[0], CapabilityChange)
    assert found.capabilities[0].new_reason == "cuda.graph result is 1, not 0"
    workloads = {row.id: row for row in found.workloads}
    assert (workloads["inference"].old, workloads["inference"].new) == (Verdict.GO, Verdict.NO_GO)
    assert (workloads["inference"].better, workloads["sharing"].better) == (False, True)
    # still degraded, but for another reason
    assert workloads["better"].old_causes == ("cuda.ipc",)
    assert workloads["better"].new_causes == ("cuda.graph",)
    assert workloads["better"].better is None


def test_what_was_not_tested_is_neither_better_nor_worse() -> None:
    change = compare(judge(), judge({"cuda.graph": Status.UNKNOWN})).capabilities[0]
    assert (change.new, change.better) == (State.NOT_TESTED, None)


@pytest.mark.parametrize(("old", "ratio"), [(10.0, 0.5), (0.0, None)])
def test_benchmarks_are_ratios(old: float, ratio: float | None) -> None:
    before = {"bench.launch_latency": {"median_us": old, "spread_us": 1.0, "runs": 10}}
    after = {"bench.launch_latency": {"median_us": 5.0, "spread_us": 1.0, "runs": 20}}
    rows = compare(judge(before), judge(after)).benchmarks
    assert rows == (
        BenchmarkRatio("bench.launch_latency", "median_us", old, 5.0, ratio),
        BenchmarkRatio("bench.launch_latency", "spread_us", 1.0, 1.0, 1.0),
    )
    assert compare(judge(), judge(after)).benchmarks == ()


def test_notes_say_why_it_may_mislead() -> None:
    quick = healthy().probe.model_copy(update={"level": Level.QUICK})
    lab = judge(name="lab", stand_in=True, probe=quick)
    assert compare(judge(), lab).notes == (
        "lab is a lab's node with stand-in drivers",
        "node1 was probed at level standard, lab at level quick",
    )
    dead = NodeJudgement("dead", error=UnreachableError("no route", "dead").as_json())
    found = compare(judge(), dead)
    assert found.notes == ("dead could not be judged: no route",)
    assert all(row.new is None for row in found.capabilities)
