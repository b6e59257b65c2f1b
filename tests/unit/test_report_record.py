"""The record of a verification: outcomes to exit codes, and its JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wslgpu.report.plain import clean, first_line
from wslgpu.report.record import Check, Host, Outcome, Record, check_from_json, mark_of, with_required


def check(outcome: Outcome, check_id: str = "base.thing", **fields: object) -> Check:
    return Check(id=check_id, component=check_id.split(".")[0], host="node1", outcome=outcome, **fields)  # type: ignore[arg-type]


GREEN, RED, OPEN = check(Outcome.PASS), check(Outcome.FAIL), check(Outcome.UNKNOWN, reason="no GPU")


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (Host("a", (GREEN,)), 0),
        (Host("a", (GREEN, OPEN)), 0),
        (Host("a", (GREEN, RED)), 1),
        (Host("a", (OPEN,)), 2),
        (Host("a", ()), 2),
        (Host("a", (check(Outcome.NOT_APPLICABLE),)), 2),
        (Host("a", unknown="no route"), 2),
        (Host("a", (GREEN,), unknown="the connection was lost"), 2),
        (Host("a", (RED,), unknown="the connection was lost"), 1),
    ],
)
def test_exit_code_of_a_host(host: Host, code: int) -> None:
    assert host.exit_code == code


def test_red_comes_before_unknown_and_that_before_green() -> None:
    green, red, lost = Host("a", (GREEN,)), Host("b", (RED,)), Host("c", unknown="no route")
    assert Record((green, lost, red)).exit_code == 1
    assert Record((green, lost)).exit_code == 2
    assert Record((green,)).exit_code == 0


def test_no_host_is_never_green() -> None:
    assert Record(()).exit_code == 2


def test_an_interrupted_run_says_so() -> None:
    assert Record((Host("a", (RED,)),), interrupted=130).exit_code == 130


def test_required_checks_may_not_stay_unknown() -> None:
    by_id = with_required([GREEN, OPEN], ["base.thing"])
    assert [entry.outcome for entry in by_id] == [Outcome.PASS, Outcome.FAIL]
    assert "no GPU" in by_id[1].reason
    assert with_required([OPEN], ["base"])[0].outcome is Outcome.FAIL
    assert with_required([OPEN], ["wsl", "wsl.other"])[0].outcome is Outcome.UNKNOWN


def test_a_required_check_that_does_not_exist_is_red() -> None:
    nowhere, there = with_required([OPEN], ["base.other"])
    assert (nowhere.id, nowhere.outcome, there.outcome) == ("base.other", Outcome.FAIL, Outcome.UNKNOWN)


def test_one_lab_node_marks_the_whole_record() -> None:
    real, lab = Host("a", (GREEN,)), Host("b", (GREEN,), lab=True)
    assert mark_of(Record((real, lab))) == "lab, stand-in driver"
    assert mark_of(Record((real,))) == ""


def test_a_check_survives_its_json() -> None:
    whole = check(Outcome.FAIL, reason="r", remedy="do", evidence="e", duration_s=1.5, notices=("n",), title="t")
    assert check_from_json(whole.as_json()) == whole


def test_json_has_version_mark_and_counts() -> None:
    document = Record((Host("a", (GREEN, RED), lab=True),)).as_json()
    assert document["schema"] == 1
    assert document["mark"] == "lab, stand-in driver"
    assert document["exit_code"] == 1
    assert document["hosts"][0]["counts"] == {"pass": 1, "fail": 1, "unknown": 0, "waived": 0, "not-applicable": 0}


def test_a_nodes_text_loses_what_a_terminal_would_obey() -> None:
    assert clean("a\x1b[31mb\x1b]0;title\x07c\x00d\x9be\n\tf") == "abcde\n\tf"


def test_a_nodes_text_loses_credentials_and_length() -> None:
    assert clean("at http://user:hunter2@proxy:3128/x") == "at http://***@proxy:3128/x"
    assert clean("x" * 5000).endswith("(5000 chars)")
    assert len(clean("x" * 5000)) <= 2000


def test_first_line_skips_empty_ones() -> None:
    assert first_line("\n  \n one \ntwo") == "one"
    assert first_line("") == ""


def test_a_strict_record_counts_unknown_as_red() -> None:
    record = Record((Host("n", (GREEN, OPEN)),))
    assert record.exit_code == 0
    assert replace(record, strict=True).exit_code == 1
    assert replace(record, strict=True).as_json()["exit_code"] == 1
    assert Record((Host("n", (GREEN,)),), strict=True).exit_code == 0
