"""A diff in words for a terminal, and as the document that ``--json`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from wslgpu.diff.rows import Diff, Row
from wslgpu.report.plain import clean

SCHEMA = 1
SHOWN = 60
"""More differences of one node than this are counted, not shown."""


def headline(diff: Diff) -> str:
    """One line: the outcome."""
    if diff.other:
        same, many = f"{diff.name} and {diff.other} are the same", f"between {diff.name} and {diff.other}"
    else:
        same, many = f"{diff.name} is as it should be", f"on {diff.name}"
    if diff.same:
        return f"{same}: {diff.basis}"
    return f"{counted(len(diff.rows), 'difference')} {many}: {diff.basis}"


def lines(diff: Diff, *, whole: bool = False) -> Iterator[str]:
    """The diff as text.

    :param whole: every difference, however many there are
    """
    yield headline(diff)
    shown = diff.rows if whole else diff.rows[:SHOWN]
    component = None
    for row in shown:
        if not diff.other and row.component != component:
            component = row.component
            yield f"  {component or 'not of wslgpu'}"
        yield "    " + (pair_words(row, diff) if diff.other else row_words(row))
    if len(diff.rows) > len(shown):
        yield f"    and {len(diff.rows) - len(shown)} more: --json and --html show all"
    if diff.allowed:
        reasons = Counter(reason for _, reason in diff.allowed)
        words = ", ".join(f"{name} ({number})" if number > 1 else name for name, number in sorted(reasons.items()))
        yield f"  may differ, and does: {words}"


def row_words(row: Row) -> str:
    """One difference."""
    name = clean(row.name, 200)
    if row.change == "changed":
        values = f"{row.wanted} -> {row.found}" if (row.wanted or row.found) else ", ".join(row.what)
    else:
        values = row.found or row.wanted
    source = ", ".join(part for part in (row.by, row.when) if part)
    values = clean(values, 240)
    return f"{row.change:<8} {row.section} {name}: {values}" + (f"  [{source}]" if source else "")


def pair_words(row: Row, diff: Diff) -> str:
    """One difference of two nodes."""
    name = f"{row.section} {clean(row.name, 200)}"
    if row.change == "changed":
        return f"differs  {name}: {clean(row.wanted, 160)} | {clean(row.found, 160)}"
    place = diff.other if row.change == "added" else diff.name
    values = clean(row.found or row.wanted, 160)
    return f"only on {place}: {name}" + (f": {values}" if values else "")


def counted(number: int, noun: str) -> str:
    """``1 difference``, ``2 differences``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def document(diffs: Sequence[Diff], errors: Sequence[tuple[str, dict[str, Any]]], exit_code: int) -> dict[str, Any]:
    """What ``--json`` prints.

    :param errors: node and error object of those that nothing can be said of
    """
    return {
        "schema": SCHEMA,
        "diffs": [
            {
                "node": diff.name,
                "other": diff.other or None,
                "basis": diff.basis,
                "same": diff.same,
                "differences": [{**asdict(row), "what": list(row.what)} for row in diff.rows],
                "allowed": [{"name": name, "reason": reason} for name, reason in diff.allowed],
            }
            for diff in diffs
        ],
        "errors": [{"node": name, "error": error} for name, error in errors],
        "exit_code": exit_code,
    }
