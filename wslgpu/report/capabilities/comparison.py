"""What differs between two nodes, or between two judgements of one: as text, JSON and Markdown."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Iterator
from typing import Any

from wslgpu.catalogue.model import Platform
from wslgpu.report.capabilities.markdown_text import code, escape
from wslgpu.report.capabilities.text import bounded, line
from wslgpu.report.capabilities.words import VERDICTS, state_words
from wslgpu.verdict.compare import BenchmarkRatio, CapabilityChange, Comparison, WorkloadChange
from wslgpu.verdict.model import State, Verdict

SCHEMA = "wslgpu.compare/1"
WIDTH = 80
Platforms = tuple[Platform, Platform]
_UNKNOWN: Platforms = (Platform.UNKNOWN, Platform.UNKNOWN)


@dataclasses.dataclass(frozen=True)
class _Row:
    """One difference: of what, from what, to what, and whether that is better, worse or neither."""

    kind: str
    id: str
    old: str
    new: str
    tendency: str = ""
    why: str = ""


def _rows(comparison: Comparison, platforms: Platforms) -> Iterator[_Row]:
    for fact in comparison.facts:
        yield _Row("fact", fact.name, fact.old or "not known", fact.new or "not known")
    for work in comparison.workloads:
        yield _workload(work)
    for item in comparison.capabilities:
        yield _capability(item, platforms)


def _tendency(better: bool | None) -> str:
    return "" if better is None else "better" if better else "worse"


def _workload(work: WorkloadChange) -> _Row:
    def words(verdict: Verdict | None) -> str:
        return VERDICTS[verdict] if verdict else "not judged"

    came = [name for name in work.new_causes if name not in work.old_causes]
    went = [name for name in work.old_causes if name not in work.new_causes]
    why = "; ".join(
        [f"now because of {', '.join(came)}"] * bool(came) + [f"no longer because of {', '.join(went)}"] * bool(went)
    )
    return _Row("workload", work.id, words(work.old), words(work.new), _tendency(work.better), why)


def _capability(item: CapabilityChange, platforms: Platforms) -> _Row:
    def words(state: State | None, platform: Platform) -> str:
        return state_words(state, platform) if state else "not judged"

    old, new = words(item.old, platforms[0]), words(item.new, platforms[1])
    return _Row("capability", item.id, old, new, _tendency(item.better), item.new_reason or item.old_reason)


def _ratio(row: BenchmarkRatio) -> str:
    ratio = "" if row.ratio is None else f" (x {row.ratio:.2f})"
    return f"{line(row.id)} {line(row.quantity)}: {row.old:.4g} -> {row.new:.4g}{ratio}"


def compare_text(comparison: Comparison, *, platforms: Platforms = _UNKNOWN, width: int = WIDTH) -> str:
    """The differences for a terminal, grouped by facts, workloads and capabilities.

    :param platforms: of the old and the new node: what the platform lacks is said of the platform
    """
    lines = [f"{line(comparison.old)} -> {line(comparison.new)}"]
    lines += [f"  note: {line(note)}" for note in comparison.notes]
    kind = ""
    for row in _rows(comparison, platforms):
        if row.kind != kind:
            kind = row.kind
            lines.append(f"  {'capabilities' if kind == 'capability' else kind + 's'}:")
        tendency = f" [{row.tendency}]" if row.tendency else ""
        lines.append(f"    {line(row.id)}: {line(row.old)} -> {line(row.new)}{tendency}")
        if row.why:
            lines.append(f"        {line(row.why)}")
    if comparison.same:
        lines.append("  nothing differs")
    if comparison.benchmarks:
        lines.append("  measured on both:")
        lines += [f"    {_ratio(row)}" for row in comparison.benchmarks]
    return "\n".join(_wrapped(text, max(20, width)) for text in lines) + "\n"


def _wrapped(text: str, width: int) -> str:
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.fill(text, width, subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False)


def compare_json(comparison: Comparison) -> str:
    """The comparison as one JSON document, ``wslgpu.compare/1``."""
    data: dict[str, Any] = {"schema": SCHEMA, "same": comparison.same}
    for field in dataclasses.fields(comparison):
        value = getattr(comparison, field.name)
        rows = [row if isinstance(row, str) else dataclasses.asdict(row) for row in value]
        data[field.name] = line(value) if isinstance(value, str) else [bounded(_plain(row)) for row in rows]
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Members of an enumeration as the words that they stand for."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.value if isinstance(value, (State, Verdict)) else value


def compare_markdown(comparison: Comparison, *, platforms: Platforms = _UNKNOWN) -> str:
    """The comparison as Markdown for an issue."""
    lines = [f"# {escape(comparison.old)} → {escape(comparison.new)}", ""]
    lines += [f"> {escape(note)}" for note in comparison.notes] + [""] * bool(comparison.notes)
    rows = list(_rows(comparison, platforms))
    if rows:
        lines += ["| what | before | after | |", "|---|---|---|---|"]
    for row in rows:
        why = f" {escape(row.why)}" if row.why else ""
        lines.append(f"| {code(row.id, in_table=True)} | {escape(row.old)} | {escape(row.new)} | {row.tendency}{why} |")
    if comparison.same:
        lines.append("Nothing differs.")
    if comparison.benchmarks:
        lines += ["", "Measured on both:", "", *(f"- {escape(_ratio(row))}" for row in comparison.benchmarks)]
    return "\n".join(lines).rstrip() + "\n"
