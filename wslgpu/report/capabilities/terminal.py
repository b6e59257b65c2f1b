"""The report on a terminal: complete without colour at 80 columns, and readable at 40."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

from wslgpu.report.capabilities.text import line
from wslgpu.report.capabilities.words import (
    MARK,
    PLATFORMS,
    VERDICTS,
    because,
    blocked_by,
    broken,
    counted,
    evidence_value,
    not_tested_reasons,
    outcome,
    state_words,
)
from wslgpu.verdict.model import (
    CapabilityJudgement,
    Finding,
    Judgement,
    NodeJudgement,
    State,
    Verdict,
    WorkloadJudgement,
)

WIDTH = 80
NARROW = 60
REASONS_SHOWN = 8
ALIKE = 3
"""So many workloads that one and the same capability decides are told in one entry."""
_GLUE = "\N{NO-BREAK SPACE}"
"""Stands between words that belong on one line, until the lines are broken; no text of a node's can hold it."""
_VERDICT_STYLES = {
    Verdict.GO: "green",
    Verdict.DEGRADED: "yellow",
    Verdict.NO_GO: "bold red",
    Verdict.UNKNOWN: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
}
_STATE_STYLES = {State.BROKEN: "bold red", State.BLOCKED: "red", State.NOT_TESTED: "yellow", State.CANNOT: "cyan"}


def write_terminal(judgement: Judgement, console: Console, verbose: bool = False) -> None:
    """Per node what is broken at its root, the workloads, and what nobody looked at; last the outcome.

    :param verbose: also every capability with its evidence
    """
    page = _Page(console)
    if judgement.stand_in:
        page.write(f"[{MARK}] Nothing here is true of a real GPU.", style="bold yellow")
    for node in judgement.nodes:
        _node(node, page, verbose=verbose)
        page.blank()
    for finding in judgement.findings:
        _finding(finding, page, indent=0)
    page.write(outcome(judgement), style="bold red" if judgement.exit_code else "bold green")


class _Page:
    """Lines that fit the console; long words, such as digests and paths, stay whole so that they can be copied."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.width = max(20, min(console.width, WIDTH))
        self.narrow = self.width < NARROW

    def blank(self) -> None:
        self.console.print()

    def write(self, text: str, *, indent: int = 0, style: str = "") -> None:
        """A paragraph under an indent."""
        space = " " * indent
        self._wrapped(text, space, space, style)

    def entry(self, word: str, text: str, *, column: int, indent: int = 2, style: str = "") -> None:
        """A word in its column with a paragraph beside it, or below it where the screen is narrow."""
        if self.narrow:
            self.write(word, indent=indent, style=style)
            if text:
                self.write(text, indent=indent + 2)
            return
        head = " " * indent + word.ljust(column - 1) + " "
        lines = self._lines(text, " " * len(head), " " * len(head)) or [head]
        first = Text(head + lines[0][len(head) :])
        first.stylize(style, indent, indent + len(word))
        first.rstrip()
        self.console.print(first, soft_wrap=True)
        for following in lines[1:]:
            self.console.print(Text(following), soft_wrap=True)

    def _wrapped(self, text: str, first: str, others: str, style: str) -> None:
        for one in self._lines(text, first, others):
            self.console.print(Text(one, style=style), soft_wrap=True)

    def _lines(self, text: str, first: str, others: str) -> list[str]:
        lines = textwrap.wrap(
            text,
            self.width,
            initial_indent=first,
            subsequent_indent=others,
            break_long_words=False,
            break_on_hyphens=False,
        )
        return [one.replace(_GLUE, " ") for one in lines]


def _together(text: str) -> str:
    return text.replace(" ", _GLUE) if len(text) < NARROW // 2 else text


def _node(node: NodeJudgement, page: _Page, *, verbose: bool) -> None:
    page.write(line(node.name) + (f"  [{MARK}]" if node.stand_in else ""), style="bold")
    if node.error is not None:
        page.entry("not probed", line(str(node.error.get("what", ""))), column=13, style="bold red")
        if node.error.get("next_step"):
            page.write(f"-> {line(str(node.error['next_step']))}", indent=4 if page.narrow else 15)
        return
    facts = [_together(line(f"{name} {value}")) for name, value in node.facts.items() if name != "platform"]
    page.write(", ".join([PLATFORMS[node.platform], *facts, _together(f"level {node.level.value}")]), indent=2)
    blocked = blocked_by(node)
    for cause in node.causes:
        _cause(cause, blocked.get(cause.id, 0), node, page)
    for finding in node.findings:
        _finding(finding, page, indent=2)
    for title, required in (("required workloads", True), ("other workloads", False)):
        work = [item for item in node.workloads if item.required is required]
        shown = [item for item in work if verbose or item.verdict is not Verdict.NOT_APPLICABLE]
        if shown:
            page.write(f"{title}:", indent=2)
        for items in [[item] for item in shown] if required or verbose else _alike(shown):
            if len(items) < ALIKE:
                for item in items:
                    _workload(item, node, page)
            else:
                _workloads_alike(items, node, page)
        if left := len(work) - len(shown):
            page.write(f"{counted(left, title[:-1])} {'does' if left == 1 else 'do'} not apply here", indent=2)
    _counts(node, page)
    if verbose:
        _all(node, page)
    else:
        _not_tested(node, page)


def _waiver(item: CapabilityJudgement) -> str:
    if item.waiver is None:
        return ""
    word = "waiver ran out" if item.waiver_expired else "waived until"
    return f" ({word} {item.waiver.expires}: {line(item.waiver.reason)}, {line(item.waiver.person)})"


def _cause(item: CapabilityJudgement, blocks: int, node: NodeJudgement, page: _Page) -> None:
    tail = f"; blocks {counted(blocks, 'more capability', 'more capabilities')}" if blocks else ""
    text = f"{broken(item)}{tail}{_waiver(item)}"
    page.entry(state_words(item.state, node.platform), text, column=13, style="bold red")
    _details(item, page, 4 if page.narrow else 15)


def _details(item: CapabilityJudgement, page: _Page, indent: int) -> None:
    for evidence in item.evidence:
        shown_by = line(evidence.command) or evidence.observation
        page.write(f"{shown_by}: {evidence_value(evidence, 200)}", indent=indent, style="dim")
    if item.remedy and not (item.state.usable or item.state in (State.NOT_APPLICABLE, State.BLOCKED, State.NOT_TESTED)):
        page.write(f"-> {line(item.remedy, 600)}", indent=indent)


def _finding(finding: Finding, page: _Page, *, indent: int) -> None:
    nodes = f" ({', '.join(line(name) for name in finding.nodes)})" if finding.nodes and not indent else ""
    word, style = ("fails", "bold red") if finding.fails else ("note", "yellow")
    page.entry(word, f"{line(finding.what)}{nodes}", column=13, indent=indent, style=style)
    if finding.remedy:
        page.write(f"-> {line(finding.remedy)}", indent=indent + (2 if page.narrow else 13))


def _workload(item: WorkloadJudgement, node: NodeJudgement, page: _Page) -> None:
    text = line(item.title)
    if item.reasons:
        more = f"; and {len(item.reasons) - 1} more" if len(item.reasons) > 1 and not item.required else ""
        text += f": {because(item.reasons[0], node)}{more}"
    if item.not_tested:
        text += f" [not tested: {len(item.not_tested)}]"
    page.entry(VERDICTS[item.verdict], text, column=11, indent=4, style=_VERDICT_STYLES[item.verdict])
    if item.required:
        _what_to_do(item, node, page, 6 if page.narrow else 15)


def _alike(items: list[WorkloadJudgement]) -> list[list[WorkloadJudgement]]:
    """Workloads of one verdict that the same capability decides first; in the order of the first of each."""
    groups: dict[tuple[Verdict, str], list[WorkloadJudgement]] = {}
    for item in items:
        decisive = item.reasons[0].capability if item.reasons else item.id
        groups.setdefault((item.verdict, decisive), []).append(item)
    return list(groups.values())


def _workloads_alike(items: list[WorkloadJudgement], node: NodeJudgement, page: _Page) -> None:
    first = items[0]
    text = f"{because(first.reasons[0], node)}: {', '.join(line(item.title) for item in items)}"
    page.entry(VERDICTS[first.verdict], text, column=11, indent=4, style=_VERDICT_STYLES[first.verdict])


def _what_to_do(item: WorkloadJudgement, node: NodeJudgement, page: _Page, indent: int) -> None:
    """Of a required workload every reason, each with its remedy unless that stands with its cause already."""
    causes = {cause.id for cause in node.causes}
    for number, reason in enumerate(item.reasons[:REASONS_SHOWN]):
        if number:
            page.write(because(reason, node), indent=indent)
        if reason.remedy and reason.capability not in causes:
            page.write(f"-> {line(reason.remedy, 600)}", indent=indent)
    if (left := len(item.reasons) - REASONS_SHOWN) > 0:
        page.write(f"and {left} more", indent=indent)


def _counts(node: NodeJudgement, page: _Page) -> None:
    """How many capabilities are what: the three that people mix up in their own words."""
    states = [item.state for item in node.capabilities]
    parts = [f"{states.count(state)} {state_words(state, node.platform)}" for state in State if state in states]
    parts = [_together(part) for part in parts]
    if parts:
        page.write(f"{counted(len(states), 'capability', 'capabilities')}: {', '.join(parts)}", indent=2)


def _not_tested(node: NodeJudgement, page: _Page) -> None:
    groups = not_tested_reasons(node)
    for reason, items in list(groups.items())[:REASONS_SHOWN]:
        names = f" ({', '.join(item.id for item in items)})" if len(items) < 4 else ""
        page.entry("not tested", f"{reason}: {len(items)}{names}", column=13, style="yellow")
    left = list(groups.values())[REASONS_SHOWN:]
    if left:
        text = f"for {counted(len(left), 'other reason')}: {sum(map(len, left))}"
        page.entry("not tested", text, column=13, style="yellow")


def _all(node: NodeJudgement, page: _Page) -> None:
    for area in dict.fromkeys(item.area for item in node.capabilities):
        page.write(f"{area}:", indent=2, style="bold")
        for item in node.capabilities:
            if item.area != area:
                continue
            words = state_words(item.state, node.platform)
            page.write(f"{item.id}: {words}{_waiver(item)}", indent=4, style=_STATE_STYLES.get(item.state, ""))
            if item.reason and not item.state.usable:
                page.write(line(item.reason), indent=8)
            _details(item, page, 8)
