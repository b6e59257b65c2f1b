"""Conditions and expectations in words: for the generated page, and for ``wslgpu explain``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wslgpu.catalogue.condition import All, AnyOf, Condition, Not, Test
from wslgpu.catalogue.model import Capability, Expectation, Platform

PLATFORMS = (Platform.WSL2, Platform.LINUX, Platform.DOCKER_DESKTOP)
"""Those that the product says something of, in the order of its tables."""

_PHRASES = {
    "equals": "is {}",
    "in": "is one of {}",
    "at_least": "is at least {}",
    "at_most": "is at most {}",
    "matches": "matches {}",
    "contains": "holds {}",
    "version_at_least": "is {} or newer",
    "version_below": "is older than {}",
    "count_at_least": "has {} or more",
    "status": "is {} as an observation",
}


def condition_lines(condition: Condition, indent: str = "") -> list[str]:
    """A condition as indented lines, one test on each.

    >>> condition_lines(Test(of="wsl.pci", path="microsoft_gpu", at_least=1))
    ['wsl.pci microsoft_gpu is at least 1']
    """
    if isinstance(condition, Test):
        return [indent + _test(condition)]
    if isinstance(condition, Not):
        if isinstance(condition.not_, Test):
            return [f"{indent}not: {_test(condition.not_)}"]
        return [f"{indent}not:", *condition_lines(condition.not_, indent + "  ")]
    parts, head = (condition.all, "all of:") if isinstance(condition, All) else (condition.any, "one of:")
    return [indent + head, *(line for part in parts for line in condition_lines(part, indent + "  "))]


def _test(test: Test) -> str:
    subject = f"{test.of} {test.path}".strip()
    name, operand = test.test
    if name == "truthy":
        return f"{subject} is there, and not 0, false or empty"
    if name == "exists":
        return f"{subject} is {'' if operand else 'not '}there"
    return f"{subject} {_PHRASES[name].format(_operand(operand))}"


def _operand(operand: Any) -> str:
    if isinstance(operand, tuple):
        return ", ".join(_operand(item) for item in operand)
    if isinstance(operand, bool):
        return "true" if operand else "false"
    if isinstance(operand, float) and operand.is_integer():
        return str(int(operand))
    return str(getattr(operand, "value", operand))


def rows_for(capability: Capability, platform: Platform) -> tuple[Expectation, ...]:
    """The rows that can count on a platform, in order: the last one is without a range where there is such a row.

    Empty when the question makes no sense there, or nothing is expected.
    """
    if capability.applies is not None and _on_platform(capability.applies, platform) is False:
        return ()
    rows: list[Expectation] = []
    for row in capability.expectations:
        if row.platform in (None, platform):
            rows.append(row)
            if not row.when:
                break
    return tuple(rows)


def _on_platform(condition: Condition, platform: Platform) -> bool | None:
    """What a condition comes to when the platform's name is all that is known; None when that does not decide it."""
    if isinstance(condition, Not):
        inner = _on_platform(condition.not_, platform)
        return None if inner is None else not inner
    if isinstance(condition, All | AnyOf):
        parts = condition.all if isinstance(condition, All) else condition.any
        answers = [_on_platform(part, platform) for part in parts]
        deciding = isinstance(condition, AnyOf)
        if deciding in answers:
            return deciding
        return None if None in answers else not deciding
    if (condition.of, condition.path) != ("derived.platform", "name"):
        return None
    name, operand = condition.test
    if name == "equals":
        return bool(platform.value == operand)
    return platform.value in operand if name == "in" else None


def remedies(capability: Capability) -> list[tuple[tuple[Platform, ...], str]]:
    """What to do, with the platforms that it is for: none named where it is the same on all that are asked.

    Platforms on which the question makes no sense are left out.
    """
    if isinstance(capability.remedy, str):
        return [((), capability.remedy)]
    told: dict[str, tuple[Platform, ...]] = {}
    for platform in PLATFORMS:
        if rows_for(capability, platform):
            text = capability.remedy.on(platform)
            told[text] = (*told.get(text, ()), platform)
    if len(told) == 1:
        return [((), next(iter(told)))]
    return [(platforms, text) for text, platforms in told.items()]


def ranges(row: Expectation) -> str:
    """The versions that a row is for, e.g. ``toolkit >=1.18, <1.20``; empty for all."""
    return "; ".join(f"{name} {', '.join(part.strip() for part in text.split(','))}" for name, text in row.when.items())


def expected(rows: Iterable[Expectation]) -> str:
    """What rows of one platform say, in short: ``cannot (toolkit <1.20), else works``; ``-`` for none."""
    words: list[str] = []
    for row in rows:
        if row.when:
            words.append(f"{row.expect.value} ({ranges(row)})")
        else:
            words.append(f"else {row.expect.value}" if words else row.expect.value)
    return ", ".join(words) or "-"
