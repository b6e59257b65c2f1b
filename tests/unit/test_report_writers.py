"""The writers: each shows all that is red, whatever a node may have answered."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from wslgpu.errors import UsageError
from wslgpu.report import documents, terminal
from wslgpu.report.record import Check, Host, Outcome, Record

HOSTILE = 'a|b <script>alert(1)</script> ]]> "q" & [link](http://x) `code`'
RED = Check(
    id="containerd.service.active",
    component="containerd",
    host="node1",
    outcome=Outcome.FAIL,
    reason=f"containerd is inactive: {HOSTILE}",
    remedy="Run `wslgpu apply` again.",
    evidence=HOSTILE,
)
OPEN = [
    Check(id=f"cuda_kernel.{name}", component="cuda_kernel", host="node1", outcome=Outcome.UNKNOWN, reason="no GPU")
    for name in ("library", "result")
]
GREEN = Check(id="base.data.directory", component="base", host="node1", outcome=Outcome.PASS, notices=("look here",))
RECORD = Record(
    (
        Host("node1", (GREEN, RED, *OPEN), lab=True, profile="current", not_deployed=("docker",)),
        Host("node2", unknown="no route to host", retryable=True),
    ),
    "2026-11-21T00:00:00+00:00",
    2.0,
)


def shown(record: Record) -> str:
    stream = io.StringIO()
    terminal.write(record, Console(file=stream, width=80, no_color=True, force_terminal=False))
    return stream.getvalue()


def test_terminal_shows_what_is_red_with_its_remedy() -> None:
    text = shown(RECORD)
    for wanted in (
        "[lab, stand-in driver]",
        "FAIL    containerd.service.active",
        "-> Run `wslgpu apply` again.",
        "not deployed by its groups: docker",
        "note: look here",
        "not judged: no route to host",
        "Verified 2 hosts in 2.0 s: 1 ok, 1 failed, 2 unknown; not judged: node2.",
    ):
        assert wanted in text


def test_terminal_says_one_reason_once() -> None:
    text = shown(RECORD)
    assert text.count("no GPU") == 1
    assert "cuda_kernel.library, cuda_kernel.result" in text


def test_terminal_fits_80_columns_without_escapes() -> None:
    lines = shown(RECORD).splitlines()
    assert max(len(line) for line in lines) <= 80
    assert "\x1b" not in "".join(lines)
    assert [line for line in lines if line != line.rstrip()] == []


def test_terminal_never_obeys_markup_of_a_node() -> None:
    node = Host("n", (Check(id="a.b", component="a", host="n", outcome=Outcome.FAIL, reason="[red]x[/red]"),))
    assert "[red]x[/red]" in shown(Record((node,)))


def test_json_is_the_record() -> None:
    assert json.loads(documents.as_json(RECORD)) == RECORD.as_json()


def test_junit_is_xml_with_every_check_and_the_lost_host() -> None:
    root = ET.fromstring(documents.as_junit(RECORD))  # noqa: S314 - our own document
    assert "lab, stand-in driver" in root.attrib["name"]
    suites = root.findall("testsuite")
    assert [suite.attrib["tests"] for suite in suites] == ["4", "1"]
    assert [suite.attrib["failures"] for suite in suites] == ["1", "0"]
    assert [suite.attrib["skipped"] for suite in suites] == ["2", "0"]
    failure = root.find(".//failure")
    assert failure is not None
    assert HOSTILE in failure.attrib["message"]
    assert HOSTILE in (failure.text or "")
    error = root.find(".//error")
    assert error is not None
    assert error.attrib["message"] == "no route to host"


def test_markdown_cells_cannot_be_broken_out_of() -> None:
    row = next(line for line in documents.as_markdown(RECORD).splitlines() if line.startswith("| containerd."))
    assert row.replace("\\|", "").count("|") == 5
    assert "<script>" not in row
    assert "[link](" not in row.replace("\\[", "")
    assert "**lab, stand-in driver**" in documents.as_markdown(RECORD)


@pytest.mark.parametrize("style", sorted(documents.WRITERS))
def test_files_hold_what_the_writer_gives(tmp_path: Path, style: str) -> None:
    target = tmp_path / "report"
    target.write_text("old")
    documents.write_file(RECORD, style, target)
    assert target.read_text(encoding="utf-8") == documents.WRITERS[style](RECORD)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        documents.write_file(RECORD, "json", tmp_path / "none" / "report.json")
