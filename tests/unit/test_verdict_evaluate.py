"""Conditions over observations: three values, and garbage never gives a yes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.observation_documents import document, healthy
from wslgpu.catalogue.condition import Condition
from wslgpu.probe.document import Observation, Status
from wslgpu.verdict.derived import with_derived
from wslgpu.verdict.evaluate import Outcome, evaluate

_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


def outcome(condition: dict[str, Any], values: dict[str, Any]) -> Outcome:
    return evaluate(_CONDITION.validate_python(condition), document(values))


def holds(condition: dict[str, Any], values: dict[str, Any]) -> bool | None:
    return outcome(condition, values).holds


CPUS = "system.cpus"
YES = {"of": CPUS, "at_least": 2}
NO = {"of": CPUS, "at_least": 99}
OPEN = {"of": "system.pid1", "equals": "systemd"}
CRASHED = {"of": "cuda.init", "path": "result", "equals": 0}
VALUES = {CPUS: 8, "system.pid1": Status.UNKNOWN, "cuda.init": Status.CRASH}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"all": [YES, YES]}, True),
        ({"all": [YES, OPEN]}, None),
        ({"all": [NO, OPEN]}, False),
        ({"all": [OPEN, CRASHED]}, False),
        ({"any": [NO, YES]}, True),
        ({"any": [OPEN, YES]}, True),
        ({"any": [OPEN, NO]}, None),
        ({"any": [NO, NO]}, False),
        ({"any": [CRASHED, YES]}, True),
        ({"not": YES}, False),
        ({"not": NO}, True),
        ({"not": OPEN}, None),
        # a crash is no sight of the opposite
        ({"not": CRASHED}, False),
        ({"not": {"not": CRASHED}}, False),
        ({"not": {"all": [YES, CRASHED]}}, False),
        ({"not": {"any": [NO, CRASHED]}}, False),
        ({"not": {"all": [NO, CRASHED]}}, True),
    ],
)
def test_three_values_are_joined(condition: dict[str, Any], expected: bool | None) -> None:
    assert holds(condition, VALUES) is expected


@pytest.mark.parametrize(
    ("test", "observation_id", "value", "expected"),
    [
        ({"equals": "systemd"}, "system.pid1", "systemd", True),
        ({"equals": "systemd"}, "system.pid1", "init", False),
        ({"equals": 8}, CPUS, 8, True),
        ({"equals": 1}, CPUS, True, None),
        ({"equals": 8}, CPUS, "8", None),
        ({"path": "in_container", "equals": True}, "system.container", {"in_container": 1, "kind": ""}, None),
        ({"in": ["systemd", "init"]}, "system.pid1", "init", True),
        ({"in": ["systemd", "init"]}, "system.pid1", "sh", False),
        ({"at_least": 8}, CPUS, 8, True),
        ({"at_most": 7}, CPUS, 8, False),
        ({"at_least": 1}, CPUS, True, None),
        ({"matches": "^sys"}, "system.pid1", "systemd", True),
        ({"matches": "^d"}, "system.pid1", "systemd", False),
        ({"path": "names", "contains": "x"}, "wsl.lib_files", {"names": ["x"], "links": [], "empty": []}, True),
        ({"path": "names", "contains": "x"}, "wsl.lib_files", {"names": [], "links": [], "empty": []}, False),
        ({"path": "names", "contains": "x"}, "wsl.lib_files", {"names": [1], "links": [], "empty": []}, None),
        ({"path": "names", "contains": "x"}, "wsl.lib_files", None, False),
        ({"contains": "yste"}, "system.pid1", "systemd", True),
        ({"version_at_least": "2.6"}, "wsl.version", "2.10.1", True),
        ({"version_below": "2.6"}, "wsl.version", "2.10.1", False),
        ({"version_at_least": "2.6"}, "wsl.version", "newest", None),
        ({"version_at_least": "2.6"}, "wsl.version", None, False),
        ({"count_at_least": 1}, "wsl.swap", [], False),
        ({"count_at_least": 1}, "wsl.swap", [{"path": "/x", "size_bytes": 1}], True),
        ({"count_at_least": 1}, "wsl.swap", [{"path": "/x"}], None),
        ({"count_at_least": 1}, "python.packages", {"torch": "2"}, True),
        ({}, "wsl.swap", [], False),
        ({}, CPUS, 0, False),
        ({}, CPUS, 4, True),
        ({"exists": True}, "wsl.version", "2.6", True),
        ({"exists": True}, "wsl.version", None, False),
        ({"exists": False}, "wsl.version", None, True),
        ({"exists": True}, "wsl.version", 2.6, None),
        ({"path": "torch", "exists": True}, "python.packages", {}, False),
        ({"status": "observed"}, CPUS, 4, True),
        ({"status": "crash"}, CPUS, Status.CRASH, True),
        ({"status": "crash"}, CPUS, Status.HANG, False),
        ({"status": "observed"}, CPUS, Status.UNKNOWN, False),
    ],
)
def test_each_test(test: dict[str, Any], observation_id: str, value: Any, expected: bool | None) -> None:
    assert holds({"of": observation_id, **test}, {observation_id: value}) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 1], True), ([1, 0], False), ([], False), ([None, 1], False), ([1, "1"], None), ([0, "1"], False)],
)
def test_all_items_of_a_list_must_meet_a_test(values: list[Any], expected: bool | None) -> None:
    condition = {"of": "nvml.fields", "path": "display_active.values", "equals": 1}
    value = {"display_active": {"result": 0, "name": "NVML_SUCCESS", "values": values}}
    assert holds(condition, {"nvml.fields": value}) is expected


def test_an_observation_that_the_document_does_not_have_is_not_known() -> None:
    assert outcome(YES, {}).holds is None


def test_the_reason_says_what_was_seen_and_what_was_wanted() -> None:
    assert outcome(NO, VALUES).reason == "system.cpus is 8, less than 99"
    assert outcome(CRASHED, VALUES).reason == "cuda.init crashed: killed by SIGSEGV"
    assert outcome(OPEN, VALUES).reason == "system.pid1 is not known: not looked at"
    assert outcome(
        {"of": "cuda.kernel", "path": "correct"}, {"cuda.kernel": {"result": 9, "name": "E_BAD"}}
    ).reason == ("cuda.kernel correct is not there: E_BAD")


def test_the_tests_that_decided_are_named() -> None:
    decided = outcome({"all": [YES, NO, OPEN]}, VALUES)
    assert [test.at_least for test in decided.tests] == [99]


def test_text_of_the_node_is_made_safe_in_a_reason() -> None:
    hostile = "\x1b]0;owned\x07<b>evil</b>\x1b[2J" + "x" * 5000
    values = {"system.pid1": hostile, CPUS: Observation(status=Status.HANG, reason=hostile)}
    for condition in (OPEN, YES):
        reason = outcome(condition, values).reason
        assert "\x1b" not in reason
        assert len(reason) < 400


def test_a_long_text_is_not_searched_to_its_end() -> None:
    assert holds({"of": "system.pid1", "matches": "end$"}, {"system.pid1": "x" * 60_000 + "end"}) is False


_ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(_ANY_JSON)
def test_a_yes_over_any_value_is_earned(value: Any) -> None:
    condition = {"of": "cuda.kernel", "path": "correct", "equals": True}
    earned = isinstance(value, dict) and value.get("correct") is True
    assert holds(condition, {"cuda.kernel": value}) is not True or earned
    # nor does garbage become a yes by turning it round
    refused = isinstance(value, dict) and isinstance(value.get("result"), int) and isinstance(value.get("name"), str)
    assert holds({"not": condition}, {"cuda.kernel": value}) is not True or refused


def test_a_healthy_node_is_seen_as_wsl2() -> None:
    condition = _CONDITION.validate_python({"of": "derived.platform", "path": "name", "equals": "wsl2"})
    assert evaluate(condition, with_derived(healthy())).holds is True
