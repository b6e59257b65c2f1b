"""``--compare A B``: reports, observation files or targets held against each other; also what ``--keep`` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from wslgpu.check.files import read_bounded
from wslgpu.check.judging import Clock, Rules, judge
from wslgpu.check.outputs import Outputs
from wslgpu.check.saved import from_files, redacted
from wslgpu.check.targets import Asked, targets
from wslgpu.errors import EXIT_OK, UsageError, worst_exit_code
from wslgpu.probe.channels import Target
from wslgpu.probe.document import Level
from wslgpu.probe.gather import gather_all
from wslgpu.report.capabilities import from_json
from wslgpu.report.capabilities.document import SCHEMA
from wslgpu.report.capabilities.json_document import SIZE_LIMIT_BYTES
from wslgpu.report.capabilities.text import line as one_line
from wslgpu.report.capabilities.words import VERDICTS, state_words
from wslgpu.verdict.compare import Comparison, compare
from wslgpu.verdict.model import Judgement, NodeJudgement


def compare_command(options: dict[str, Any], rules: Rules, output: Outputs) -> int:
    """Show what differs between the two; the exit code is 0, or 2 when a side could not be judged.

    :raises UsageError: options that a comparison does not have, or a side that cannot be read
    """
    unused = [name for name in ("target", "inventory", "lab", "limit", "nagios", "keep", "save") if options[name]]
    if unused or output.files or output.sign:
        raise UsageError("--compare A B stands alone", "--compare", "Leave targets, reports and --keep out.")
    old, new = _sides(options["compare"], options, rules)
    found = _pairs(old, new)
    if output.as_json:
        data = {"schema": "wslgpu.compare/1", "tool_version": new.tool_version, "comparisons": _as_data(found)}
        click.echo(json.dumps(data, indent=1))
    else:
        for line in difference_lines(old, new):
            click.echo(line)
    codes = [old.interrupted or new.interrupted] if old.interrupted or new.interrupted else []
    codes += [2 if node.error else EXIT_OK for side in (old, new) for node in side.nodes]
    return codes[0] if old.interrupted or new.interrupted else worst_exit_code(codes)


def _sides(words: tuple[str, str], options: dict[str, Any], rules: Rules) -> tuple[Judgement, Judgement]:
    """Both sides judged; targets are asked together, and only after the files were read."""
    clock = Clock.now()
    sides: dict[int, Judgement] = {}
    asked: dict[int, Target] = {}
    for index, word in enumerate(words):
        path = Path(word)
        if path.is_file():
            sides[index] = _from_file(path, rules, options)
        elif "://" not in word and ("/" in word or path.suffix == ".json"):
            raise UsageError("there is no such file", word, "Name a report, an observation file, or a target.")
        else:
            with targets(Asked((word,))) as found:
                asked[index] = found[0]
    if asked:
        gathered = gather_all(list(asked.values()), Level(options["level"]), timeout_s=options["timeout"])
        answers = redacted(gathered.answers, show_identities=options["show_identities"])
        for index, answer in zip(asked, answers, strict=True):
            sides[index] = judge([answer], rules, clock, gathered.interrupted)
    return sides[0], sides[1]


def _from_file(path: Path, rules: Rules, options: dict[str, Any]) -> Judgement:
    raw = read_bounded(path, SIZE_LIMIT_BYTES)
    if SCHEMA.encode() in raw[:200_000]:
        return from_json(raw, str(path))
    answers = redacted(from_files([path]), show_identities=options["show_identities"])
    return judge(answers, rules, Clock.now())


def _pairs(old: Judgement, new: Judgement) -> list[Comparison]:
    """Nodes of one name, or the only two that there are."""
    if len(old.nodes) == len(new.nodes) == 1:
        first, second = old.nodes[0], new.nodes[0]
        if first.name == second.name:
            stamps = (f" ({side.started})" if side.started else "" for side in (old, new))
            first, second = (
                replace(node, name=f"{node.name}{stamp}") for node, stamp in zip((first, second), stamps, strict=True)
            )
        return [compare(first, second)]
    before = {node.name: node for node in old.nodes}
    after = {node.name: node for node in new.nodes}
    missing = {"class": "usage", "what": "is in one of the two only"}
    return [
        compare(
            before.get(name, NodeJudgement(name, error=missing)), after.get(name, NodeJudgement(name, error=missing))
        )
        for name in dict.fromkeys([*after, *before])
    ]


def difference_lines(old: Judgement, new: Judgement) -> list[str]:
    """What differs, in words; one line says so when nothing does."""
    lines: list[str] = []
    if old.catalogue_digest != new.catalogue_digest and old.catalogue_digest and new.catalogue_digest:
        lines.append("judged by two versions of the catalogue: some of this may be the catalogue's doing")
    for one in _pairs(old, new):
        lines += [
            one_line(line, 400) if not line.startswith(" ") else f"  {one_line(line, 400)}" for line in _lines(one)
        ]
    return lines


def _lines(one: Comparison) -> Iterator[str]:
    unjudged = any("could not be judged" in note for note in one.notes)
    yield f"{one.old} -> {one.new}" + (": could not be compared" if unjudged else ": nothing differs" * one.same)
    for note in one.notes:
        yield f"  note: {note}"
    for fact in one.facts:
        yield f"  {fact.name}: {fact.old or '(nothing)'} -> {fact.new or '(nothing)'}"
    for work in one.workloads:
        old, new = (VERDICTS[verdict] if verdict else "not judged" for verdict in (work.old, work.new))
        causes = f" ({', '.join(work.new_causes)})" if work.new_causes else ""
        yield f"  {_sign(work.better)} workload {work.id}: {old} -> {new}{causes}"
    for item in one.capabilities:
        old, new = (state_words(state) if state else "not judged" for state in (item.old, item.new))
        yield f"  {_sign(item.better)} {item.id}: {old} -> {new}{': ' + item.new_reason if item.new_reason else ''}"
    for bench in one.benchmarks:
        ratio = f" (x {bench.ratio:.2f})" if bench.ratio is not None else ""
        yield f"  {bench.id} {bench.quantity}: {bench.old:g} -> {bench.new:g}{ratio}"


def _sign(better: bool | None) -> str:
    return {True: "better", False: "worse ", None: "other "}[better]


def _as_data(found: list[Comparison]) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(list[Comparison]).dump_python(found, mode="json")
