"""What comes from a node is made fit before any report shows it."""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import capability_samples as samples
from wslgpu.catalogue.model import Platform
from wslgpu.probe.document import Status
from wslgpu.report.capabilities.text import VALUE_LIMIT_CHARACTERS, bounded, line, plain, shown
from wslgpu.report.capabilities.words import evidence_value, headline, scope, state_words
from wslgpu.verdict.model import Evidence, State, Verdict


@given(st.text(max_size=200), st.integers(min_value=30, max_value=60))
def test_plain_text_is_bounded_harmless_and_stays_so(text: str, limit: int) -> None:
    once = plain(text, limit)
    assert len(once) <= limit
    assert plain(once, limit) == once
    assert not [c for c in once if unicodedata.category(c) in ("Cf", "Zl", "Zp", "Co")]
    assert not [c for c in once if unicodedata.category(c) == "Cc" and c not in "\t\n"]
    assert "\n" not in line(text)


def test_a_long_text_says_how_long_it_was() -> None:
    assert plain("x" * 10_000, 100).endswith("... (10000 chars)")
    assert plain("x" * 150, 100).endswith("... (150 chars)")


def test_a_password_in_an_address_is_not_shown_even_where_the_text_is_cut() -> None:
    assert "secret" not in plain("a" * 70 + " https://user:secret@host/", 100)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=2000),
        lambda inner: st.lists(inner, max_size=100) | st.dictionaries(st.text(max_size=9), inner, max_size=80),
        max_leaves=80,
    )
)
def test_any_value_is_bounded_json_and_stays_so(value: object) -> None:
    once = bounded(value)
    text = json.dumps(once, ensure_ascii=False, allow_nan=False)
    assert len(text) <= VALUE_LIMIT_CHARACTERS
    assert bounded(once) == once
    text.encode()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ("", '""'),
        (" ", '" "'),
        ("a\n b", "a b"),
        (0, "0"),
        (False, "false"),
        ([1, "x"], '[1, "x"]'),
        (math.inf, "inf"),
    ],
)
def test_a_raw_value_is_one_line(value: object, text: str) -> None:
    assert shown(value) == text


def test_deep_and_long_values_say_that_they_were_cut() -> None:
    deep: object = "x"
    for _ in range(40):
        deep = [deep]
    assert "..." in shown(deep)
    assert bounded({f"k{index}": index for index in range(100)})["..."] == "100 in all"


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        (Evidence("a.b", Status.OBSERVED, {"result": 0}), '{"result": 0}'),
        (Evidence("a.b", Status.CRASH, reason="SIGSEGV"), "crash: SIGSEGV"),
        (Evidence("a.b", Status.HANG), "hang"),
        (Evidence("a.b", Status.UNKNOWN, reason="needs --level full"), "not tested: needs --level full"),
    ],
)
def test_evidence_that_is_no_value_says_so(evidence: Evidence, text: str) -> None:
    assert evidence_value(evidence) == text


def test_the_three_things_have_their_words_and_no_two_states_share_one() -> None:
    assert state_words(State.CANNOT) == "WSL2 cannot"
    assert state_words(State.BROKEN) == "broken here"
    assert state_words(State.NOT_TESTED) == "not tested"
    assert len({state_words(state) for state in State}) == len(State)
    assert state_words(State.CANNOT, Platform.LINUX) == "Linux cannot"
    assert state_words(State.CANNOT, Platform.UNKNOWN) == "this platform cannot"


def test_the_outcome_says_what_the_exit_code_means() -> None:
    assert headline(samples.all_go()) == "All that is required can run"
    assert headline(samples.judgement()) == "Something that is required cannot run"
    (good,) = samples.all_go().nodes
    worse = replace(good, workloads=(replace(good.workloads[0], verdict=Verdict.DEGRADED, required=True),))
    assert headline(samples.judgement(worse, findings=())) == "All that is required can run"
    assert "is DEGRADED, which counts as failed" in headline(samples.judgement(worse, findings=(), strict=True))
    assert headline(samples.judgement(samples.unreachable(), findings=())).startswith("It could not be judged")
    assert headline(samples.judgement(interrupted=130)).startswith("Interrupted")
    assert headline(samples.judgement(samples.all_go().nodes[0])) == "Something fails"
    assert scope(samples.judgement()) == "3 nodes; required workloads: 4 NO-GO, 1 DEGRADED, 1 GO; 1 could not be probed"
