"""From a pytest run to records: the plugin's lines, and what the parent makes of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wslgpu.report.record import Outcome
from wslgpu.settings import PROJECT_ROOT
from wslgpu.verify.child import Found, _problem

SUITE = '''
import pytest
from dataclasses import dataclass

check = lambda check_id, remedy="": pytest.mark.check(check_id, remedy=remedy)

@check("thing.green")
def test_green(record_property):
    """A title."""
    record_property("notice", "worth knowing")

@check("thing.red", "mend it")
def test_red():
    assert 1 == 2, "one is \\x1b[31mnot two"

@check("thing.{role}.open")
@pytest.mark.parametrize("role", ["base"])
def test_open(role):
    pytest.skip("no GPU")

@check("thing.nothing")
def test_nothing():
    pytest.skip("not applicable: the data asks for nothing")

@check("thing.waived")
@pytest.mark.xfail(reason="W1: until June")
def test_waived():
    raise AssertionError

@pytest.fixture
def broken():
    raise OSError("no such thing")

@check("thing.setup")
def test_setup(broken):
    pass

def test_unnamed():
    raise ValueError("odd")
'''
LOST = """
class Result:
    exit_status = 255

def test_lost():
    raise RuntimeError(Result())

def test_never():
    pass
"""


def run(tmp_path: Path, source: str) -> Found:
    """Run a suite with the plugin and read its records as the parent does."""
    (tmp_path / "test_thing.py").write_text(source)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = check\n")
    records = tmp_path / "records"
    command = [sys.executable, "-m", "pytest", "-p", "wslgpu.report.pytest_records", f"--wslgpu-records={records}"]
    command += ["-p", "no:cacheprovider", "-c", str(tmp_path / "pytest.ini"), str(tmp_path)]
    subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, check=False)
    found = Found()
    for line in records.read_text().splitlines():
        found.take(line, "node1")
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("suite")


@pytest.fixture(scope="module")
def found(folder: Path) -> Found:
    return run(folder, SUITE)


def test_every_test_gives_one_record(found: Found) -> None:
    assert found.expected == len(found.checks) == 7
    outcomes = {check.id: check.outcome for check in found.checks}
    assert outcomes == {
        "thing.green": Outcome.PASS,
        "thing.red": Outcome.FAIL,
        "thing.base.open": Outcome.UNKNOWN,
        "thing.nothing": Outcome.NOT_APPLICABLE,
        "thing.waived": Outcome.WAIVED,
        "thing.setup": Outcome.FAIL,
        found.checks[-1].id: Outcome.FAIL,
    }


def test_records_say_why_and_what_to_do(found: Found) -> None:
    by_id = {check.id: check for check in found.checks}
    assert by_id["thing.green"].title == "A title."
    assert by_id["thing.green"].notices == ("worth knowing",)
    assert by_id["thing.red"].reason == "one is not two"
    assert by_id["thing.red"].remedy == "mend it"
    assert by_id["thing.base.open"].reason == "no GPU"
    assert by_id["thing.nothing"].reason == "the data asks for nothing"
    assert by_id["thing.waived"].reason == "W1: until June"
    assert "OSError" in by_id["thing.setup"].reason
    assert {check.host for check in found.checks} == {"node1"}
    assert by_id["thing.red"].component == "thing"


def test_a_lost_connection_is_no_failure(tmp_path: Path) -> None:
    found = run(tmp_path, LOST)
    assert found.checks == []
    assert "connection was lost" in found.problem
    assert found.retryable


def test_lines_that_are_no_records_are_a_problem() -> None:
    for line in ("no json", '{"event": "check", "id": "x"}', "[]", '{"id": 1}'):
        found = Found()
        found.take(line, "node1")
        assert "cannot be read" in found.problem


@pytest.mark.parametrize(
    ("code", "overdue", "expected", "not_deployed", "word"),
    [
        (4, False, 0, [], "pytest ended with 4"),
        (1, False, 3, [], "after 0 of 3 checks"),
        (0, True, 0, [], "within 5 s"),
        (5, False, 0, [], "no check applies"),
        (5, False, 0, ["containerd"], ""),
    ],
)
def test_a_run_that_broke_off_is_a_problem(
    code: int, overdue: bool, expected: int, not_deployed: list[str], word: str
) -> None:
    said = _problem(code, overdue, 5, Found(expected=expected, not_deployed=not_deployed), "E  SomeError: x\n")
    assert word in said if word else said == ""


def test_the_problem_quotes_pytests_own_words() -> None:
    assert "SomeError: x" in _problem(4, False, 5, Found(), "noise\nE  SomeError: x\nmore\n")


def test_records_are_json_lines(found: Found, folder: Path) -> None:
    lines = (folder / "records").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["collected", *["check"] * len(found.checks)]
