"""Whether a condition of the catalogue holds: yes, no, or nobody can say.

Strong Kleene logic, with one addition. What crashed or hung makes its test false, and such a no does not become a yes
by a ``not`` around it: nothing was seen. Values that are not of their observation's shape decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from wslgpu.catalogue.condition import All, Condition, Not, Test
from wslgpu.probe.document import Observation, Observations, Status
from wslgpu.report.plain import clean
from wslgpu.verdict.shape import shape_of
from wslgpu.verdict.versions import compare_versions, parse_version
from wslgpu.verdict.walk import walk

MATCH_LIMIT_CHARACTERS = 4096
"""A regular expression sees no more of a text: a node must not be able to make it slow."""

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class Outcome:
    """What a condition comes to.

    :param holds: None when it cannot be said
    :param tests: those that decided it
    :param reason: what was seen, or why nothing was: one sentence without a full stop
    :param failed: it does not hold because something crashed or hung
    """

    holds: bool | None
    tests: tuple[Test, ...]
    reason: str
    failed: bool = False


def evaluate(condition: Condition, document: Observations) -> Outcome:
    """Hold a condition against a document that has its ``derived.*`` (see :mod:`wslgpu.verdict.derived`)."""
    return _evaluate(condition, document, wanted=True)


def _evaluate(condition: Condition, document: Observations, *, wanted: bool) -> Outcome:
    """One condition.

    :param wanted: whether it is hoped to hold; below a ``not`` it is not, and reasons only say what was seen
    """
    if isinstance(condition, Test):
        return _test(condition, document, wanted=wanted)
    if isinstance(condition, Not):
        inner = _evaluate(condition.not_, document, wanted=not wanted)
        if inner.holds is None or inner.failed:
            return inner
        return replace(inner, holds=not inner.holds)
    if isinstance(condition, All):
        parts = [_evaluate(part, document, wanted=wanted) for part in condition.all]
        deciding = next((answer for answer in (False, None) if any(part.holds is answer for part in parts)), True)
        chosen = [part for part in parts if part.holds is deciding]
        # one that is plainly false decides, whatever crashed beside it
        failed = deciding is False and all(part.failed for part in chosen)
    else:
        parts = [_evaluate(part, document, wanted=wanted) for part in condition.any]
        deciding = next((answer for answer in (True, None) if any(part.holds is answer for part in parts)), False)
        chosen = [part for part in parts if part.holds is deciding]
        failed = deciding is False and any(part.failed for part in chosen)
    return _joined(deciding, chosen, failed)


def _joined(holds: bool | None, parts: list[Outcome], failed: bool) -> Outcome:
    tests = tuple(dict.fromkeys(test for part in parts for test in part.tests))
    reasons = dict.fromkeys(part.reason for part in sorted(parts, key=lambda part: not part.failed))
    return Outcome(holds, tests, "; ".join(list(reasons)[:3]), failed)


def _test(test: Test, document: Observations, *, wanted: bool) -> Outcome:
    observation = document.get(test.of)
    name, operand = test.test
    if name == "status":
        return Outcome(observation.status is operand, (test,), f"{test.of} is {observation.status.value}")
    if observation.status is Status.UNKNOWN:
        return Outcome(None, (test,), f"{test.of} is not known: {_because(observation)}")
    if observation.status is not Status.OBSERVED:
        verb = "crashed" if observation.status is Status.CRASH else "hung"
        return Outcome(False, (test,), f"{test.of} {verb}: {_because(observation)}", failed=True)
    found = walk(observation.value, test.path, shape_of(test.of))
    subject = f"{test.of} {test.path}".strip()
    if found.malformed:
        return Outcome(None, (test,), f"{subject} is not of the expected shape: {clean(found.malformed, 120)}")
    if name == "exists":
        return Outcome(found.absent is not operand, (test,), f"{subject} is {'not ' if found.absent else ''}there")
    if found.absent:
        return Outcome(False, (test,), f"{subject} is not there{_call_error(observation.value)}")
    holds = _TESTS[name](found.value, operand)
    if holds is None:
        return Outcome(None, (test,), f"{subject} is not of the expected shape: {shown(found.value)}")
    return Outcome(
        holds, (test,), f"{subject} is {shown(found.value, test.path)}{'' if holds or not wanted else _wanted(test)}"
    )


def shown(value: Any, path: str = "") -> str:
    """A value in a sentence: short, and safe to print.

    :param path: where it stood; sizes are shown as such
    """
    if isinstance(value, dict):
        return f"an object of {len(value)} keys" if len(value) != 1 else "an object of 1 key"
    if isinstance(value, list):
        if not value:
            return "an empty list"
        if any(isinstance(item, dict | list) for item in value):
            return f"a list of {len(value)}"
        more = f" and {len(value) - 4} more" if len(value) > 4 else ""
        return clean(", ".join(_scalar(item, path) for item in value[:4]), _SHOWN_CHARACTERS) + more
    return _scalar(value, path)


def _scalar(value: Any, path: str = "") -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{clean(value, _SHOWN_CHARACTERS)}"' if len(value.split()) != 1 else clean(value, _SHOWN_CHARACTERS)
    if value is None:
        return "null"
    if path.endswith("bytes") and abs(value) >= 1 << 20:
        return f"{value / (1 << 30):.2f} GiB" if value >= 1 << 30 else f"{value / (1 << 20):.0f} MiB"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _because(observation: Observation) -> str:
    return clean(observation.reason, 200) or "no reason is told"


def _call_error(value: Any) -> str:
    """What a library answered instead, for an answer that has nothing more to tell."""
    if isinstance(value, dict) and isinstance(value.get("name"), str) and value.get("result"):
        return f": {_scalar(value['name'])}"
    return ""


def _wanted(test: Test) -> str:
    name, operand = test.test
    if isinstance(operand, bool):
        return ""  # what is not true is false
    words = {
        "equals": ", not {}",
        "in": ", none of {}",
        "at_least": ", less than {}",
        "at_most": ", more than {}",
        "matches": ", which does not match {}",
        "contains": ", without {}",
        "version_at_least": ", older than {}",
        "version_below": ", not older than {}",
        "count_at_least": ", fewer than {}",
        "truthy": "",
    }
    several = ", ".join(map(_scalar, operand)) if isinstance(operand, tuple) else _scalar(operand, test.path)
    return words[name].format(several)


def _all_items(items: Iterable[bool | None]) -> bool | None:
    """All of a list's items: no for an empty list; one that is plainly false decides."""
    answers = list(items)
    if False in answers or not answers:
        return False
    return None if None in answers else True


def _over_items(value: Any, one: Callable[[Any], bool | None]) -> bool | None:
    if isinstance(value, list):
        return _all_items(False if item is None else one(item) for item in value)
    return one(value)


def _same_kind(value: Any, operand: Any) -> bool:
    """Comparable: both true or false, both numbers, or both texts."""
    for kind in (bool, (int, float), str):
        if isinstance(operand, kind):
            return isinstance(value, kind) and isinstance(value, bool) is isinstance(operand, bool)
    return False


def _equals(value: Any, operand: Any) -> bool | None:
    return _over_items(value, lambda item: item == operand if _same_kind(item, operand) else None)


def _in(value: Any, operand: Any) -> bool | None:
    def one(item: Any) -> bool | None:
        alike = [row for row in operand if _same_kind(item, row)]
        return item in alike if alike else None

    return _over_items(value, one)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _at_least(value: Any, operand: Any) -> bool | None:
    return _over_items(value, lambda item: item >= operand if _is_number(item) else None)


def _at_most(value: Any, operand: Any) -> bool | None:
    return _over_items(value, lambda item: item <= operand if _is_number(item) else None)


def _matches(value: Any, operand: Any) -> bool | None:
    def one(item: Any) -> bool | None:
        return re.search(operand, item[:MATCH_LIMIT_CHARACTERS]) is not None if isinstance(item, str) else None

    return _over_items(value, one)


def _contains(value: Any, operand: Any) -> bool | None:
    if isinstance(value, list):
        if any(_same_kind(item, operand) and item == operand for item in value):
            return True
        return False if all(item is None or _same_kind(item, operand) for item in value) else None
    return operand in value if isinstance(value, str) and isinstance(operand, str) else None


def _version(value: Any, operand: Any) -> int | None:
    have = parse_version(value) if isinstance(value, str) else None
    want = parse_version(operand)
    return None if have is None or want is None else compare_versions(have, want)


def _version_at_least(value: Any, operand: Any) -> bool | None:
    return None if (order := _version(value, operand)) is None else order >= 0


def _version_below(value: Any, operand: Any) -> bool | None:
    return None if (order := _version(value, operand)) is None else order < 0


def _count_at_least(value: Any, operand: Any) -> bool | None:
    return len(value) >= operand if isinstance(value, list | dict) else None


def _truthy(value: Any, _operand: Any) -> bool | None:
    return bool(value)


_TESTS: dict[str, Callable[[Any, Any], bool | None]] = {
    "equals": _equals,
    "in": _in,
    "at_least": _at_least,
    "at_most": _at_most,
    "matches": _matches,
    "contains": _contains,
    "version_at_least": _version_at_least,
    "version_below": _version_below,
    "count_at_least": _count_at_least,
    "truthy": _truthy,
}
