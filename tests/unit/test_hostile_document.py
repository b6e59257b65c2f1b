"""Documents that a node makes to cost its controller memory and time, or to look like something else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wslgpu.probe.document import OBSERVATION_LIMIT, DocumentError, parse
from wslgpu.report.plain import clean

PROBE = {"level": "quick", "view": "node", "interpreter": "x", "started": 1, "duration_s": 1, "cpu_s": 1, "uid": 0}


def text(**parts: Any) -> str:
    return json.dumps({"schema": "wslgpu.observations/1", "probe": PROBE, "observations": {}, **parts})


def test_many_observations_are_counted_before_each_is_looked_at() -> None:
    rows = {f"a.{number:x}": 0 for number in range(OBSERVATION_LIMIT + 1)}
    with pytest.raises(DocumentError, match=rf"holds {len(rows)} observations"):
        parse(text(observations=rows))


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        ({f"k{number}": 0 for number in range(50)}, ": 'k0'"),
        ({"probe": {**PROBE, **{f"k{number}": 0 for number in range(50)}}}, "probe: 'k0'"),
        ({"identity": {f"k{number}": 0 for number in range(50)}}, "identity: 'k0'"),
        ({"observations": {"a.b": {"status": "unknown", "k0": 0, "k1": 0}}}, "observations.a.b: 'k0'"),
    ],
)
def test_the_first_odd_key_is_enough(parts: dict[str, Any], place: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text(**parts))
    assert f"{place} is no key of it" in caught.value.what


def test_an_odd_key_cannot_steer_the_screen() -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text(**{"\x1b[2J\u202egnp\x9b31m": 0}))
    assert caught.value.what.isprintable()


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u200b", "\u2028", "\ufeff", "\x9b", "\x1b", "\x85"])
def test_what_steers_or_hides_text_is_taken_out(character: str) -> None:
    assert clean(f"GO{character}OG") == "GOOG" or character == "\x1b"
    assert character not in clean(f"GO{character}OG")
