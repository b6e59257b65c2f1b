"""Every writer over nodes that the product's own catalogue judged."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import jsonschema  # type: ignore[import-untyped]
import pytest
from rich.console import Console

from tests.unit.catalogue_judged import NODES, OTHERS, judged
from wslgpu.report.capabilities import (
    as_html,
    as_json,
    as_junit,
    as_markdown,
    from_json,
    nagios_line,
    write_terminal,
)
from wslgpu.report.capabilities.document import schema
from wslgpu.report.capabilities.markdown import SIZE_LIMIT_CHARACTERS
from wslgpu.verdict.model import Judgement, State


def judgement_of(name: str) -> Judgement:
    return Judgement((replace(judged(name), name=name),), "5f" * 32, "0.1.0", "2026-11-21T09:40:00+00:00", 1.0)


@pytest.mark.parametrize("name", [*NODES, *OTHERS])
def test_every_report_can_be_written(name: str) -> None:
    judgement = judgement_of(name)
    text = as_json(judgement)
    jsonschema.Draft202012Validator(schema()).validate(json.loads(text))
    assert as_json(from_json(text)) == text
    node = judgement.nodes[0]
    cases = ET.fromstring(as_junit(judgement)).iter("testcase")  # noqa: S314 - our own document
    assert {item.id for item in node.capabilities} <= {case.attrib["name"] for case in cases}
    assert len(as_markdown(judgement)) <= SIZE_LIMIT_CHARACTERS
    page = as_html(judgement)
    assert len(page) < 600_000
    assert all(f">{item.id}<" in page for item in node.capabilities)
    assert nagios_line(judgement)[0].count("|") == 1


@pytest.mark.parametrize("name", [*NODES, *OTHERS])
@pytest.mark.parametrize("width", [40, 80])
def test_the_terminal_holds_them(name: str, width: int) -> None:
    stream = io.StringIO()
    write_terminal(judgement_of(name), Console(file=stream, width=width, no_color=True))
    lines = stream.getvalue().splitlines()
    assert [line for line in lines if len(line) > width and len(line.split()) > 1] == []
    assert len(lines) < 330


def test_a_missing_gpu_is_one_cause_and_not_forty() -> None:
    node = judged("no-gpu")
    blocked = [item for item in node.capabilities if item.state is State.BLOCKED]
    stream = io.StringIO()
    write_terminal(judgement_of("no-gpu"), Console(file=stream, width=80, no_color=True))
    heads = [line for line in stream.getvalue().splitlines() if line.startswith("  broken here ")]
    assert len(heads) == len(node.causes) == 1
    assert len(blocked) > 40
