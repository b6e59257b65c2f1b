"""The report as Markdown for an issue: verdicts and causes first, everything else folded."""

from __future__ import annotations

from collections.abc import Iterator

from wslgpu.report.capabilities.markdown_text import DETAIL_LIMIT_CHARACTERS, code, escape, in_html, prose, target
from wslgpu.report.capabilities.words import (
    MARK,
    PLATFORMS,
    VERDICTS,
    blocked_by,
    counted,
    evidence_value,
    lacks,
    not_tested_reasons,
    outcome,
    state_words,
    verdict_counts,
)
from wslgpu.verdict.model import (
    CapabilityJudgement,
    Finding,
    Judgement,
    NodeJudgement,
    State,
    WorkloadJudgement,
    WorkloadReason,
)

SIZE_LIMIT_CHARACTERS = 60_000
"""GitHub takes no issue of more than 65,536 characters."""
_CUT = "More was found than an issue can hold: see the JSON or the HTML report."


def as_markdown(judgement: Judgement) -> str:
    """Markdown for an issue or a run's summary page, at most :data:`SIZE_LIMIT_CHARACTERS` long.

    What does not fit is left out and said to be: first the folded details of the later nodes, then their tables.
    """
    head = ["# wslgpu check", ""]
    if judgement.stand_in:
        head += [f"> **{MARK}**: nothing here is true of a real GPU.", ""]
    head += [f"**{escape(outcome(judgement))}**", "", *_findings(judgement.findings)]
    tail = _tail(judgement)
    room = SIZE_LIMIT_CHARACTERS - sum(len(text) + 1 for text in [*head, tail])
    sections = []
    for node in judgement.nodes:
        section, short = _node(node), _in_short(node)
        if _size(section) > room - _size(short):
            section = short
        room -= _size(section)
        sections.append(section)
    for node, section in zip(judgement.nodes, sections, strict=True):
        for folded in _folds(node):
            room -= _size(folded)
            if room < 0:
                tail = f"{_CUT}\n\n{tail}"
                break
            section += folded
        if room < 0:
            break
    lines = [text for section in [head, *sections] for text in section]
    text = "\n".join([*lines, tail]).rstrip() + "\n"
    return text if len(text) <= SIZE_LIMIT_CHARACTERS else "\n".join([*head, _CUT, "", tail]) + "\n"


def _size(section: list[str]) -> int:
    return sum(len(text) + 1 for text in section)


def _tail(judgement: Judgement) -> str:
    facts = {
        "wslgpu": judgement.tool_version,
        "catalogue": judgement.catalogue_digest,
        "lock": judgement.lock_digest,
        "started": judgement.started,
        "operator": judgement.operator,
    }
    return f"<sub>{', '.join(f'{name} {escape(value)}' for name, value in facts.items() if value)}</sub>"


def _in_short(node: NodeJudgement) -> list[str]:
    """A node in one line, where there is no room for its table."""
    counts = verdict_counts([work.verdict for work in node.workloads]) or "nothing was judged"
    return [f"- {escape(node.name)}: {'could not be probed' if node.error is not None else counts}", ""]


def _findings(findings: tuple[Finding, ...]) -> list[str]:
    lines = []
    for finding in findings:
        word = "**fails**" if finding.fails else "note"
        nodes = f" ({', '.join(escape(name) for name in finding.nodes)})" if finding.nodes else ""
        remedy = f" → {prose(finding.remedy)}" if finding.remedy else ""
        lines.append(f"- {word}: {escape(finding.what)}{nodes}{remedy}")
    return [*lines, ""] if lines else []


def _node(node: NodeJudgement) -> list[str]:
    lines = [f"## {escape(node.name)}", ""]
    if node.error is not None:
        next_step = prose(str(node.error.get("next_step", "")))
        return [*lines, f"**Could not be probed**: {escape(str(node.error.get('what', '')))}. {next_step}".rstrip(), ""]
    mark = [f"**{MARK}**"] if node.stand_in else []
    head = [
        PLATFORMS[node.platform],
        *(f"{escape(key)} {escape(value)}" for key, value in node.facts.items() if key != "platform"),
    ]
    lines += [" · ".join([*mark, *head, f"level {node.level.value}"]), ""]
    lines += _findings(node.findings)
    lines += _causes(node)
    if node.workloads:
        lines += ["| workload | verdict | because |", "|---|---|---|"]
        lines += [_workload(item, node) for item in node.workloads] + [""]
    return lines


def _folds(node: NodeJudgement) -> Iterator[list[str]]:
    """The details of a node, each a section of its own that is folded."""
    for title, states in (
        (state_words(State.CANNOT, node.platform), (State.CANNOT,)),
        ("works, but not as expected", (State.LIMITED, State.BETTER)),
        (state_words(State.RECORDED), (State.RECORDED,)),
    ):
        yield _folded(title, [item for item in node.capabilities if item.state in states], node)
    groups = not_tested_reasons(node)
    if groups:
        lines = [f"<details><summary>{in_html(node.name)}, not tested: {sum(map(len, groups.values()))}</summary>", ""]
        for reason, items in groups.items():
            lines.append(f"- {escape(reason)}: {', '.join(code(item.id) for item in items)}")
        yield [*lines, "", "</details>", ""]


def _causes(node: NodeJudgement) -> list[str]:
    lines = []
    blocked = blocked_by(node)
    for item in node.causes:
        count = blocked.get(item.id, 0)
        tail = f"; blocks {counted(count, 'more capability', 'more capabilities')}" if count else ""
        lines.append(f"- **{_state(item, node)}**: {escape(item.title)} ({code(item.id)}: {escape(item.reason)}){tail}")
        lines += [f"  - {text}" for text in _details(item)]
    return [*lines, ""] if lines else []


def _state(item: CapabilityJudgement, node: NodeJudgement) -> str:
    waived = ", waiver expired" if item.waiver_expired else ", waived" if item.waiver is not None else ""
    return state_words(item.state, node.platform) + waived


def _details(item: CapabilityJudgement) -> list[str]:
    lines = []
    for evidence in item.evidence:
        command = f" ({code(evidence.command)})" if evidence.command else ""
        lines.append(
            f"{code(evidence.observation)} is {code(evidence_value(evidence, DETAIL_LIMIT_CHARACTERS))}{command}"
        )
    return lines + ([f"→ {prose(item.remedy)}"] if item.remedy else [])


def _workload(item: WorkloadJudgement, node: NodeJudgement) -> str:
    because = "; ".join(_because(reason, node) for reason in item.reasons[:3])
    more = f"; and {len(item.reasons) - 3} more" if len(item.reasons) > 3 else ""
    required = "" if item.required else " (not required)"
    return f"| {escape(item.title)}{required} | {VERDICTS[item.verdict]} | {because}{more} |"


def _because(reason: WorkloadReason, node: NodeJudgement) -> str:
    words, seen = lacks(reason, node)
    tail = f": {prose(seen, in_table=True)}" if seen else ""
    return f"{prose(words, in_table=True)} ({code(reason.capability, in_table=True)}{tail})"


def _folded(title: str, items: list[CapabilityJudgement], node: NodeJudgement) -> list[str]:
    if not items:
        return []
    lines = [f"<details><summary>{in_html(node.name)}, {in_html(title)}: {len(items)}</summary>", ""]
    for item in items:
        lines.append(f"- {code(item.id)}: {escape(item.reason)} ({_state(item, node)})")
        lines += [f"  - {text}" for text in _details(item)]
        lines += [f"  - [{escape(source.what)}](<{target(source.url)}>), {source.date}" for source in item.sources]
    return [*lines, "", "</details>", ""]
