"""What a run's record means, per host and as a whole."""

from __future__ import annotations

from typing import Any

from wslgpu.apply.result import ApplyResult, host_result
from wslgpu.apply.text import summary
from wslgpu.errors import ErrorClass


def record(*operations: tuple[str, bool, bool], **changes: Any) -> dict[str, Any]:
    rows = [{"name": n, "changed": c, "failed": f, "output": []} for n, c, f in operations]
    return {"connected": True, "lost": "", "failed": False, "reason": "", "operations": rows, **changes}


def test_changed_and_unchanged() -> None:
    host = host_result("n", record(("A", True, False), ("B", False, False)))
    assert (host.outcome, host.changed, host.unchanged, host.exit_code) == ("changed", ("A",), 1, 0)
    assert host_result("n", record(("B", False, False))).outcome == "unchanged"


def test_a_failed_operation_with_a_word_of_ours() -> None:
    rows = record(("A", True, False), ("B", False, True), failed=True)
    rows["operations"][1]["output"] = ["wslgpu [integrity]: wrong hash -- Look."]
    host = host_result("n", rows)
    assert host.outcome == "failed"
    assert host.changed == ("A",)
    assert [(e.error_class, e.where, e.next_step) for e in host.errors] == [(ErrorClass.INTEGRITY, "n, B", "Look.")]
    assert host.exit_code == 1


def test_a_failed_operation_without_one_quotes_its_last_line() -> None:
    rows = record(("B", True, True), failed=True)
    rows["operations"][0]["output"] = ["one", "two", ""]
    assert host_result("n", rows).errors[0].what == "two"


def test_several_problems_are_all_kept_and_a_lasting_one_decides() -> None:
    rows = record(("Preflight", True, True), failed=True)
    rows["operations"][0]["output"] = [
        "wslgpu [usage]: wrong architecture -- x",
        "wslgpu [platform]: a Linux driver is installed -- y",
    ]
    host = host_result("n", rows)
    assert len(host.errors) == 2
    assert host.exit_code == 1


def test_no_connection_and_a_lost_one_are_unknown_not_failed() -> None:
    away = host_result("n", record(connected=False, reason="Connection refused"))
    lost = host_result("n", record(("A", False, True), failed=True, lost="A"))
    assert (away.outcome, away.exit_code) == ("unknown", 2)
    assert "Connection refused" in away.errors[0].what
    assert (lost.outcome, lost.exit_code) == ("unknown", 2)
    assert "lost at: A" in lost.errors[0].what


def test_the_worst_host_wins_and_no_host_is_two() -> None:
    good = host_result("a", record(("A", False, False)))
    away = host_result("b", record(connected=False))
    broken = host_result("c", record(("A", True, True), failed=True))
    assert ApplyResult((good,)).exit_code == 0
    assert ApplyResult((good, away)).exit_code == 2
    assert ApplyResult((good, away, broken)).exit_code == 1
    assert ApplyResult(()).exit_code == 2


def test_the_summary_names_host_error_place_and_remedy() -> None:
    rows = record(("B", True, True), failed=True)
    rows["operations"][0]["output"] = ["wslgpu [platform]: no space -- Free some."]
    text = "\n".join(summary(ApplyResult((host_result("node7", rows),))))
    for part in ("node7: FAILED", "no space", "at: node7, B", "do: Free some.", "0 of 1 hosts"):
        assert part in text


def test_a_degraded_host_is_done_unless_strict() -> None:
    rows = record(("A", False, False), notes=["nothing is to be fetched"], degraded=["degraded: a unit failed"])
    host = host_result("n", rows)
    assert (host.notes, host.degraded) == (("nothing is to be fetched",), ("degraded: a unit failed",))
    assert ApplyResult((host,)).exit_code == 0
    assert ApplyResult((host,), strict=True).exit_code == 1
    assert "degraded hosts count as failed (--strict)" in summary(ApplyResult((host,), strict=True))
    assert "degraded hosts count as failed (--strict)" not in summary(ApplyResult((host,)))
    assert "  degraded: a unit failed" in summary(ApplyResult((host,)))


def test_a_dry_run_that_would_be_refused_says_why_and_is_no_success() -> None:
    record = {
        "connected": True,
        "lost": "",
        "failed": False,
        "operations": [{"name": "Check", "changed": True, "failed": False, "output": []}],
        "refusals": ["wslgpu [platform]: /dev/dxg is missing -- Look at gpuSupport."],
    }
    result = host_result("node1", record)
    assert (result.outcome, result.exit_code, result.changed) == ("failed", 1, ())
    assert [(error.what, error.next_step) for error in result.errors] == [
        ("/dev/dxg is missing", "Look at gpuSupport.")
    ]
