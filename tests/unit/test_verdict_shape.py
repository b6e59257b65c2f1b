"""The shapes of the registry, and the documents that tests use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.observation_documents import healthy
from wslgpu.probe.document import Status
from wslgpu.probe.registry import derived_kinds, observation_kinds
from wslgpu.verdict.derived import with_derived
from wslgpu.verdict.shape import parse_shape, shape_of
from wslgpu.verdict.walk import walk

EVERY = (*observation_kinds(), *derived_kinds())


def test_every_shape_of_the_registry_can_be_read() -> None:
    assert [name for name in EVERY if shape_of(name).kind == "any"] == []


def test_the_healthy_document_has_every_observation_in_its_shape() -> None:
    document = with_derived(healthy())
    for observation_id in EVERY:
        observation = document.get(observation_id)
        if observation.status is Status.OBSERVED:
            assert shape_of(observation_id).has(observation.value), observation_id
        else:
            assert observation.reason not in ("", "the probe did not answer this"), observation_id


@pytest.mark.parametrize("text", ["", "strange", "[str", "{a: str", "{a}", "str str", "call + ", "{a: str; b: int}"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several messages
        parse_shape(text)


@pytest.mark.parametrize(
    ("shape", "value", "has"),
    [
        ("str", "x", True),
        ("str", None, False),
        ("str?", None, True),
        ("int", True, False),
        ("int", 1.5, False),
        ("float", 1, True),
        ("bool", 1, False),
        ("[str]", [], True),
        ("[str]", ["x", 1], False),
        ("[str]", {"x": 1}, False),
        ("{a: int, b: str?}", {"a": 1, "b": None, "more": []}, True),
        ("{a: int, b: str?}", {"a": 1}, False),
        ("{NAME: [int]}", {"anything": [1]}, True),
        ("{NAME: [int]}", {"anything": 1}, False),
        ("{SECTION.KEY: str}", {"wsl2.swap": "0"}, True),
        ("call", {"result": 1, "name": "E"}, True),
        ("call", {"result": 1}, False),
        ("call + {correct: bool}", {"result": 1, "name": "E"}, True),
        ("call + {correct: bool}", {"result": 0, "name": "OK"}, False),
        ("call + {correct: bool}", {"result": 0, "name": "OK", "correct": 1}, False),
        ("[any]", [None, 1, "x"], True),
    ],
)
def test_a_value_has_a_shape_or_not(shape: str, value: Any, has: bool) -> None:
    assert parse_shape(shape).has(value) is has


@pytest.mark.parametrize(
    ("shape", "path", "value", "found"),
    [
        ("{a: {b: int}}", "a.b", {"a": {"b": 3}}, 3),
        ("{NAME: {loads: bool}}", "libnvcuvid.so.1.loads", {"libnvcuvid.so.1": {"loads": True}}, True),
        ("{NAME: int}", "a.b", {"a": 1, "a.b": 2}, 2),
        ("[{a: int}]", "a", [{"a": 1}, {"a": 2}], [1, 2]),
        ("[{a: [str]}]", "a", [{"a": ["x"]}, {"a": ["y", "z"]}], ["x", "y", "z"]),
        ("[{a: str?}]", "a", [{"a": None}, {"a": "x"}], ["x"]),
    ],
)
def test_a_path_is_walked(shape: str, path: str, value: Any, found: Any) -> None:
    assert walk(value, path, parse_shape(shape)).value == found


@pytest.mark.parametrize(
    ("shape", "path", "value"),
    [("{a: int}?", "a", None), ("{NAME: int}", "b", {"a": 1}), ("call + {n: int}", "n", {"result": 2, "name": "E"})],
)
def test_what_may_be_missing_is_absent(shape: str, path: str, value: Any) -> None:
    found = walk(value, path, parse_shape(shape))
    assert (found.absent, found.malformed) == (True, "")


@pytest.mark.parametrize(
    ("shape", "path", "value"),
    [
        ("{a: int}", "a", None),
        ("{a: int}", "a", {}),
        ("{a: int}", "a", {"a": "1"}),
        ("{a: int}", "a", []),
        ("{a: int?}", "a", {}),
        ("[{a: int}]", "a", [{"a": 1}, {}]),
        ("[{a: int}]", "a", {"a": 1}),
        ("call + {n: int}", "n", {"result": 0, "name": "OK"}),
        ("call + {n: int}", "name", {"result": 1}),
        ("call + {n: int}", "n", {}),
        ("call + {n: int}", "n", {"result": True, "name": "E"}),
        ("call + {n: int}", "n", {"result": "1", "name": "E"}),
        ("call + {n: int}", "n", {"result": 1}),
    ],
)
def test_what_must_be_there_and_is_not_is_malformed(shape: str, path: str, value: Any) -> None:
    found = walk(value, path, parse_shape(shape))
    assert (found.absent, bool(found.malformed)) == (False, True)
