"""The report as JUnit XML: CI sees what is broken as failures and what nobody looked at as skipped."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from wslgpu.report.capabilities.text import line, plain
from wslgpu.report.capabilities.words import MARK, VERDICTS, because, broken, evidence_value, mark_of, state_words
from wslgpu.verdict.model import (
    CapabilityJudgement,
    Finding,
    Judgement,
    NodeJudgement,
    State,
    Verdict,
    WorkloadJudgement,
)

_FAILURE = "failure"
_SKIPPED = "skipped"
_ERROR = "error"


def as_junit(judgement: Judgement) -> str:
    """JUnit XML: per node a suite of capabilities and one of workloads, and a suite of what concerns several nodes."""
    suites = "".join(_node(node, judgement) for node in judgement.nodes)
    if judgement.findings:
        suites += _suite("findings", [_finding(finding) for finding in judgement.findings], judgement)
    name = f"wslgpu check [{MARK}]" if judgement.stand_in else "wslgpu check"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<testsuites name={quoteattr(name)} time="{judgement.duration_s:.3f}">\n{suites}</testsuites>\n'
    )


def _node(node: NodeJudgement, judgement: Judgement) -> str:
    name = line(node.name)
    if node.error is not None:
        what = line(str(node.error.get("what", "could not be probed")))
        body = line(str(node.error.get("next_step", "")))
        return _suite(name, [_case("node", name, (_ERROR, what, body))], judgement, node)
    cases = [_capability(item, node) for item in node.capabilities]
    cases += [_finding(finding) for finding in node.findings]
    work = [_workload(item, node, strict=judgement.strict) for item in node.workloads]
    return _suite(name, cases, judgement, node) + _suite(f"{name} workloads", work, judgement, node)


def _suite(name: str, cases: list[str], judgement: Judgement, node: NodeJudgement | None = None) -> str:
    counts = f'tests="{len(cases)}"'
    for plural, word in (("failures", _FAILURE), ("errors", _ERROR), ("skipped", _SKIPPED)):
        counts += f' {plural}="{sum(f"<{word} " in case for case in cases)}"'
    properties = {
        "tool version": judgement.tool_version,
        "catalogue digest": judgement.catalogue_digest,
        "mark": mark_of(node or judgement),
    }
    if node is not None:
        properties |= {"platform": node.platform.value, "level": node.level.value, **node.facts}
    stamp = f" timestamp={quoteattr(line(judgement.started))}" if judgement.started else ""
    body = _properties(properties) + "".join(cases)
    return f"  <testsuite name={quoteattr(name)} {counts}{stamp}>\n{body}  </testsuite>\n"


def _properties(values: dict[str, str]) -> str:
    rows = "".join(
        f"<property name={quoteattr(line(name))} value={quoteattr(line(value))}/>"
        for name, value in values.items()
        if value
    )
    return f"    <properties>{rows}</properties>\n" if rows else ""


def _case(classname: str, name: str, outcome: tuple[str, str, str] | None, **properties: str) -> str:
    """One case.

    :param outcome: element, message and text; None for a pass
    """
    body = _properties(properties)
    if outcome is not None:
        element, message, text = outcome
        body += f"    <{element} message={quoteattr(line(message))}>{escape(plain(text, 8000))}</{element}>\n"
    head = f"    <testcase classname={quoteattr(line(classname))} name={quoteattr(line(name))}"
    return f"{head}>\n{body}    </testcase>\n" if body else f"{head}/>\n"


def _capability(item: CapabilityJudgement, node: NodeJudgement) -> str:
    words = state_words(item.state, node.platform)
    text = "\n".join(_details(item))
    outcome: tuple[str, str, str] | None = None
    if item.state is State.BROKEN and (item.waiver is None or item.waiver_expired):
        outcome = (_FAILURE, f"{words}: {broken(item)}", text)
    elif item.state is State.BROKEN:
        outcome = (_SKIPPED, f"waived: {broken(item)}", text)
    elif item.state is State.BLOCKED:
        outcome = (_SKIPPED, f"{words} by {item.cause}", text)
    elif item.state in (State.NOT_TESTED, State.NOT_APPLICABLE):
        outcome = (_SKIPPED, f"{words}: {item.reason}", text)
    return _case(item.area, item.id, outcome, state=words)


def _details(item: CapabilityJudgement) -> Iterable[str]:
    for evidence in item.evidence:
        command = f"  ({line(evidence.command)})" if evidence.command else ""
        yield f"{evidence.observation} = {evidence_value(evidence)}{command}"
    if item.remedy:
        yield f"-> {line(item.remedy)}"
    if item.waiver is not None:
        ended = "the waiver ran out" if item.waiver_expired else "waived"
        yield f"{ended}: {line(item.waiver.reason)} ({line(item.waiver.person)}, until {item.waiver.expires})"


def _workload(item: WorkloadJudgement, node: NodeJudgement, *, strict: bool) -> str:
    words = VERDICTS[item.verdict]
    reasons = "; ".join(because(reason, node, alone=True) for reason in item.reasons)
    text = "\n".join(f"-> {line(reason.remedy)}" for reason in item.reasons if reason.remedy)
    fatal = (Verdict.NO_GO, Verdict.DEGRADED) if strict else (Verdict.NO_GO,)
    outcome: tuple[str, str, str] | None = None
    if item.verdict in fatal and item.required:
        outcome = (_FAILURE, f"{words}: {reasons}", text)
    elif item.verdict in (Verdict.UNKNOWN, Verdict.NOT_APPLICABLE):
        outcome = (_SKIPPED, f"{words}: {reasons}" if reasons else words, text)
    return _case("workload", item.id, outcome, verdict=words, required=str(item.required).lower())


def _finding(finding: Finding) -> str:
    nodes = f" ({', '.join(line(name) for name in finding.nodes)})" if finding.nodes else ""
    outcome = (_FAILURE, f"{finding.what}{nodes}", finding.remedy) if finding.fails else None
    return _case("finding", finding.id, outcome, what=finding.what)
