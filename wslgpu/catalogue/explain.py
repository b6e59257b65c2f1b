"""One capability in words, for the terminal: what it means, what is expected and on what ground, what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping

from wslgpu.catalogue.condition import Condition, observations_of
from wslgpu.catalogue.model import Capability, Source
from wslgpu.catalogue.stale import all_sources
from wslgpu.catalogue.words import PLATFORMS, condition_lines, ranges, remedies, rows_for
from wslgpu.probe.registry import derived_kinds, observation_kinds

WIDTH_COLUMNS = 80
_INDENT = "  "


def explain(capability: Capability, places: Mapping[str, str] | None = None) -> list[str]:
    """Lines of at most 80 columns, but for addresses and commands that are longer by themselves.

    :param places: ``file:line`` of each id, as the catalogue has them
    """
    lines = [*_wrapped(f"{capability.id}: {capability.title}", "", "  "), "", *_wrapped(capability.meaning, "", "")]
    lines += ["", "Expected", *_expectations(capability)]
    lines += ["", "Decided by", *_observations(capability)]
    lines += ["", "It works when", *_condition(capability.works)]
    if capability.limited is not None:
        lines += ["It works in part when", *_condition(capability.limited)]
    if capability.applies is not None:
        lines += ["It is asked when", *_condition(capability.applies)]
    if capability.needs:
        lines += ["", "Needs", *_wrapped(", ".join(capability.needs))]
    lines += ["", "What to do", *_remedies(capability)]
    if capability.claims:
        lines += ["", "Claimed elsewhere"]
        for claim in capability.claims:
            lines += [*_wrapped(claim.claimed), *_wrapped(f"In fact: {claim.in_fact}", "    ", "    ")]
    lines += ["", "Sources", *_sources(all_sources(capability))]
    if capability.lab:
        lines += ["", "On a lab node it cannot be shown", *_wrapped(capability.lab)]
    lines += ["", "Seen on real hardware by this project", *_wrapped(capability.seen or "Not yet.")]
    if place := (places or {}).get(capability.id):
        lines += ["", f"Written in {place}"]
    return lines


def _expectations(capability: Capability) -> list[str]:
    lines: list[str] = []
    for platform in PLATFORMS:
        for row in rows_for(capability, platform):
            where = f"{platform.value}, {ranges(row)}" if row.when else platform.value
            note = f". {row.note}" if row.note else ""
            lines += _wrapped(
                f"{where}: {row.expect.value}, confidence {row.confidence.value}{note}", _INDENT, "      "
            )
    return lines or [f"{_INDENT}nothing"]


def _remedies(capability: Capability) -> list[str]:
    lines: list[str] = []
    for platforms, text in remedies(capability):
        head = f"{', '.join(platform.value for platform in platforms)}: " if platforms else ""
        lines += _wrapped(f"{head}{text}", _INDENT, "      " if head else _INDENT)
    return lines


def _observations(capability: Capability) -> list[str]:
    conditions = [part for part in (capability.works, capability.limited, capability.applies) if part is not None]
    names = dict.fromkeys(name for condition in conditions for name in observations_of(condition))
    lines: list[str] = []
    for name in names:
        if name in observation_kinds():
            kind = observation_kinds()[name]
            lines += _wrapped(f"{name} (level {kind.level.value}): {kind.what}", _INDENT, "      ")
            if kind.command:
                lines.append(f"      $ {kind.command}")
        elif name in derived_kinds():
            lines += _wrapped(f"{name} (computed): {derived_kinds()[name].what}", _INDENT, "      ")
    return lines


def _condition(condition: Condition) -> list[str]:
    lines: list[str] = []
    for line in condition_lines(condition, _INDENT):
        depth = len(line) - len(line.lstrip())
        lines += _wrapped(line.lstrip(), " " * depth, " " * (depth + 4))
    return lines


def _sources(sources: Iterable[Source]) -> list[str]:
    lines: list[str] = []
    for source in sources:
        lines += _wrapped(f"{source.date.isoformat()}: {source.what}")
        lines.append(f"      {source.url}")
    return lines


def _wrapped(text: str, first: str = _INDENT, further: str = _INDENT) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH_COLUMNS,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
