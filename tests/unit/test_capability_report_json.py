"""The JSON report: as its published schema says, read back to the same, and refused when anything is wrong."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import capability_samples as samples
from wslgpu.catalogue.model import Confidence, Expected, Platform
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.probe.document import Level, Status
from wslgpu.report.capabilities import as_json, from_json
from wslgpu.report.capabilities.document import schema
from wslgpu.verdict.model import State, Verdict

PUBLISHED = json.loads((resources.files("wslgpu.report.capabilities") / "schema.json").read_text(encoding="utf-8"))
TEXT = as_json(samples.judgement())


def valid(document: Any) -> None:
    jsonschema.Draft202012Validator(PUBLISHED).validate(document)


def test_the_published_schema_is_the_one_that_reads() -> None:
    jsonschema.Draft202012Validator.check_schema(PUBLISHED)
    assert schema() == PUBLISHED, "write wslgpu/report/capabilities/schema.json again: see its module document.py"


@pytest.mark.parametrize(
    "judgement", [samples.judgement(), samples.all_go(), samples.fleet(3)], ids="mixed go fleet".split()
)
def test_what_is_written_fits_the_schema(judgement: Any) -> None:
    valid(json.loads(as_json(judgement)))


@pytest.mark.parametrize("enumeration", [State, Verdict, Platform, Level, Status, Expected, Confidence, ErrorClass])
def test_every_word_of_an_enumeration_is_in_the_schema(enumeration: Any) -> None:
    assert PUBLISHED["$defs"][enumeration.__name__]["enum"] == [member.value for member in enumeration]


def test_the_samples_show_every_state_and_verdict() -> None:
    nodes = samples.judgement().nodes
    assert {item.state for node in nodes for item in node.capabilities} == set(State)
    assert {item.verdict for node in nodes for item in node.workloads} == set(Verdict)


def test_the_head_says_who_what_and_when() -> None:
    data = json.loads(TEXT)
    assert {key: data[key] for key in data if key not in ("nodes", "findings")} == {
        "schema": "wslgpu.check/1",
        "tool": "wslgpu",
        "tool_version": "0.1.0",
        "catalogue_digest": samples.DIGEST,
        "lock_digest": "ab" * 32,
        "started": "2026-11-21T09:40:00+00:00",
        "duration_s": 2.346,
        "operator": "ada@controller",
        "mark": "lab, stand-in driver",
        "strict": False,
        "interrupted": 0,
        "exit_code": 1,
    }
    assert [node["exit_code"] for node in data["nodes"]] == [1, 1, 2]
    assert data["nodes"][2]["error"]["retryable"] is True


def test_reading_gives_what_was_written() -> None:
    assert as_json(from_json(TEXT)) == TEXT
    clean = samples.all_go()
    again = from_json(as_json(clean).encode())
    assert again.nodes[0].workloads == clean.nodes[0].workloads
    assert again.nodes[0].capabilities == clean.nodes[0].capabilities


def test_values_are_bounded_and_say_so() -> None:
    specs = json.loads(TEXT)["nodes"][0]["capabilities"][5]["evidence"][1]["value"]
    assert len(specs) == 60
    assert specs[-1] == "... (200 in all)"


def test_nothing_that_steers_a_screen_is_written() -> None:
    assert not [character for character in TEXT if ord(character) < 32 and character != "\n"]
    assert "\\u001b" not in TEXT
    assert "\u202e" not in TEXT


def changed(**more: Any) -> str:
    return json.dumps({**json.loads(TEXT), **more})


def without_key(key: str) -> str:
    return json.dumps({name: value for name, value in json.loads(TEXT).items() if name != key})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON document"),
        ("[]", "reads reports of the schema"),
        ('{"schema": "wslgpu.check/2"}', "wslgpu.check/2"),
        (TEXT[:-10], "not a JSON document"),
        ("[" * 100_000, "not a JSON document"),
        (TEXT.replace('"tool": "wslgpu"', '"tool": "wslgpu", "tool": "wslgpu"'), "a key stands twice"),
        (changed(duration_s=float("nan")), "not a JSON document"),
        (changed(operator="\ud800"), "not a JSON document"),
        (changed(more=1), "more: Extra inputs"),
        (changed(nodes=[{"name": "x", "exit_code": 2, "more": 1}]), r"nodes\.0\.more"),
        (changed(nodes=[{"name": 5, "exit_code": 2}]), r"nodes\.0\.name"),
        (changed(nodes=[{"name": "x", "exit_code": 2, "platform": "moon"}]), r"nodes\.0\.platform"),
        (changed(strict=1), "strict"),
        (without_key("catalogue_digest"), "catalogue_digest"),
        (without_key("nodes"), "nodes"),
        (changed(exit_code=0), "the exit code is 0, and 1 follows"),
        (changed(mark=""), "the mark is '', and 'lab, stand-in driver' follows"),
        (
            TEXT.replace('"exit_code": 2\n', '"exit_code": 0\n', 1).replace('"exit_code": 2', '"exit_code": 0'),
            "gone.example",
        ),
    ],
)
def test_garbage_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(WslgpuError, match=message):
        from_json(text, "report.json")


def test_a_report_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(WslgpuError, match=r"report\.json: the report is not a JSON document"):
        from_json(b"\xff\xfe{}", "report.json")


def test_reports_of_before_a_key_was_added_can_be_read() -> None:
    data = json.loads(TEXT)
    for node in data["nodes"]:
        for work in node["workloads"]:
            del work["capabilities"]
    assert from_json(json.dumps(data)).nodes[0].workloads[0].capabilities == ()


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [path] if path else []
    if isinstance(value, dict):
        return here + [found for key, item in value.items() for found in _paths(item, (*path, key))]
    if isinstance(value, list):
        return here + [found for index, item in enumerate(value[:2]) for found in _paths(item, (*path, index))]
    return here


_PATHS = _paths(json.loads(TEXT))


@given(st.sampled_from(_PATHS), _VALUES)
def test_a_mutated_report_is_read_or_refused_and_never_better(path: tuple[Any, ...], value: Any) -> None:
    data = json.loads(TEXT)
    place = data
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    try:
        read = from_json(json.dumps(data))
    except WslgpuError:
        return
    valid(json.loads(as_json(read)))
    assert read.exit_code == data["exit_code"]


@given(st.text() | st.binary())
def test_noise_is_refused(noise: str | bytes) -> None:
    with pytest.raises(WslgpuError):
        from_json(noise)
