"""Monitoring: one line, a state, and numbers; and the exit codes of --exit-style=distinct."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.unit import capability_samples as samples
from wslgpu.report.capabilities import distinct_exit_code, nagios_line
from wslgpu.verdict.model import Judgement, NodeJudgement, State, Verdict, WorkloadJudgement


def of(*verdicts: Verdict, strict: bool = False, **more: object) -> Judgement:
    work = tuple(WorkloadJudgement(f"w{index}", "W", verdict, True) for index, verdict in enumerate(verdicts))
    return samples.judgement(NodeJudgement("n", workloads=work), findings=(), strict=strict, **more)


CASES = [
    (samples.all_go(), "OK", 0, 0),
    (of(Verdict.GO, Verdict.NOT_APPLICABLE), "OK", 0, 0),
    (of(Verdict.GO, Verdict.DEGRADED), "WARNING", 1, 101),
    (of(Verdict.GO, Verdict.DEGRADED, strict=True), "CRITICAL", 2, 101),
    (of(Verdict.GO, Verdict.NO_GO), "CRITICAL", 2, 100),
    (of(Verdict.UNKNOWN, Verdict.NO_GO), "CRITICAL", 2, 100),
    (of(Verdict.GO, Verdict.UNKNOWN), "UNKNOWN", 3, 2),
    (of(), "UNKNOWN", 3, 2),
    (of(Verdict.GO, interrupted=130), "UNKNOWN", 3, 130),
    (samples.judgement(samples.unreachable(), findings=()), "UNKNOWN", 3, 2),
    (samples.judgement(*samples.all_go().nodes), "CRITICAL", 2, 100),
    (samples.judgement(*samples.all_go().nodes, samples.unreachable(), findings=()), "UNKNOWN", 3, 2),
    (samples.judgement(), "CRITICAL", 2, 100),
]


@pytest.mark.parametrize(("judgement", "word", "code", "distinct"), CASES)
def test_state_and_exit_codes(judgement: Judgement, word: str, code: int, distinct: int) -> None:
    text, found = nagios_line(judgement)
    assert text.startswith(f"WSLGPU {word} - ")
    assert (found, distinct_exit_code(judgement)) == (code, distinct)


def test_a_required_capability_that_works_in_part_is_a_warning() -> None:
    node = replace(
        samples.all_go().nodes[0],
        capabilities=(samples.capability("cuda.pinned.budget", State.LIMITED),),
        required_capabilities=("cuda.pinned.budget",),
    )
    judgement = samples.judgement(node, findings=())
    assert nagios_line(judgement)[1] == 1
    assert distinct_exit_code(judgement) == 101


def test_performance_data_is_as_plugins_write_it() -> None:
    text, _ = nagios_line(samples.judgement())
    head, _, numbers = text.splitlines()[0].partition(" | ")
    assert "|" not in head
    values = re.findall(r"(\w+)=([0-9.]+)(s?);;;0(?: |$)", numbers)
    assert " ".join(f"{name}={value}{unit};;;0" for name, value, unit in values) == numbers
    assert ("no_go", "4", "") in values


def test_nothing_of_a_node_begins_performance_data() -> None:
    text, _ = nagios_line(samples.judgement())
    assert text.count("|") == 1
    assert "\x1b" not in text


def test_the_first_line_says_what_is_wrong_and_where() -> None:
    first = nagios_line(samples.judgement())[0].splitlines()[0]
    assert "no-gpu: llama-cpp-cuda NO-GO" in first
    assert "gone.example: could not be probed" in first
    assert "[lab, stand-in driver]" in first


def test_many_nodes_are_cut() -> None:
    lines = nagios_line(samples.judgement(*[NodeJudgement(f"n{index}") for index in range(60)]))[0].splitlines()
    assert len(lines) == 52
    assert lines[-1] == "and 10 more nodes"
