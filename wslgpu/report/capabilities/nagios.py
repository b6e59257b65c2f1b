"""One line and an exit code for monitoring, as plugins of Nagios and its kin give them."""

from __future__ import annotations

import enum

from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_FAILED, EXIT_OK
from wslgpu.report.capabilities.text import line
from wslgpu.report.capabilities.words import MARK, VERDICTS, counted, degraded, outcome, state_words, verdict_counts
from wslgpu.verdict.model import Judgement, NodeJudgement, State, Verdict

LINE_LIMIT_CHARACTERS = 400
NODE_LIMIT = 50
EXIT_NO_GO = 100
EXIT_DEGRADED = 101
EXIT_CATALOGUE_FAILED = 102
"""``--exit-style=distinct``: the catalogue or the site's folder failed to load; no judgement exists then."""


class Service(enum.IntEnum):
    """The states of a service, with the exit codes that stand for them."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


def _service(judgement: Judgement) -> Service:
    if judgement.exit_code == EXIT_FAILED:
        return Service.CRITICAL
    if judgement.exit_code != EXIT_OK:
        return Service.UNKNOWN
    return Service.WARNING if degraded(judgement) else Service.OK


def _required(judgement: Judgement) -> list[Verdict]:
    return [work.verdict for node in judgement.nodes for work in node.workloads if work.required]


def nagios_line(judgement: Judgement) -> tuple[str, int]:
    """The plugin's output and its exit code.

    ``WSLGPU STATE - summary | performance data``, then a line per node. No text of a node's can hold the character
    that begins performance data.
    """
    state = _service(judgement)
    mark = f" [{MARK}]" if judgement.stand_in else ""
    first = f"WSLGPU {state.name} - {_text(_decisive(judgement) or outcome(judgement))}{mark}"
    lines = [f"{first} | {_performance(judgement)}"]
    lines += [_text(_node(node)) for node in judgement.nodes[:NODE_LIMIT]]
    if len(judgement.nodes) > NODE_LIMIT:
        lines.append(f"and {len(judgement.nodes) - NODE_LIMIT} more nodes")
    return "\n".join(lines) + "\n", int(state)


def _text(value: str) -> str:
    return line(value, LINE_LIMIT_CHARACTERS).replace("|", "/")


def _decisive(judgement: Judgement) -> str:
    """What made it red, in short; empty when nothing did."""
    if judgement.interrupted:
        return ""
    parts = [finding.what for finding in judgement.findings if finding.fails]
    for node in judgement.nodes:
        worst = [
            f"{work.id} {VERDICTS[work.verdict]}" for work in node.workloads
            if work.required and work.verdict in (Verdict.NO_GO, Verdict.UNKNOWN, Verdict.DEGRADED)
        ]  # fmt: skip
        if node.error is not None:
            worst = ["could not be probed"]
        worst += [finding.what for finding in node.findings if finding.fails]
        if worst:
            parts.append(f"{node.name}: {', '.join(worst)}")
    return "; ".join(parts)


def _node(node: NodeJudgement) -> str:
    if node.error is not None:
        return f"{node.name}: could not be probed: {node.error.get('what', '')}"
    counts = verdict_counts([work.verdict for work in node.workloads]) or "nothing was judged"
    causes = ", ".join(f"{item.id} {state_words(State.BROKEN)}" for item in node.causes[:5])
    more = f" and {counted(len(node.causes) - 5, 'more cause')}" if len(node.causes) > 5 else ""
    return f"{node.name}: {counts}" + (f"; {causes}{more}" if causes else "")


def _performance(judgement: Judgement) -> str:
    required = _required(judgement)
    states = [item.state for node in judgement.nodes for item in node.capabilities]
    values = {
        "nodes": len(judgement.nodes),
        "unprobed": sum(node.error is not None for node in judgement.nodes),
        "go": required.count(Verdict.GO),
        "degraded": required.count(Verdict.DEGRADED),
        "no_go": required.count(Verdict.NO_GO),
        "unknown": required.count(Verdict.UNKNOWN),
        "broken": states.count(State.BROKEN),
        "not_tested": states.count(State.NOT_TESTED),
    }
    return " ".join(f"{name}={value};;;0" for name, value in values.items()) + f" time={judgement.duration_s:.3f}s;;;0"


def distinct_exit_code(judgement: Judgement) -> int:
    """The exit code of ``--exit-style=distinct``: 0 GO, 100 NO-GO, 101 DEGRADED, 2 could not be judged.

    What fails without a NO-GO, such as an expired waiver, is 100 as well. DEGRADED is 101 with and without --strict.
    """
    if judgement.interrupted:
        return judgement.interrupted
    failing = any(finding.fails for finding in judgement.findings) or any(
        node.exit_code() == EXIT_FAILED for node in judgement.nodes
    )
    if failing:
        return EXIT_NO_GO
    if judgement.exit_code == EXIT_CANNOT_JUDGE:
        return EXIT_CANNOT_JUDGE
    return EXIT_DEGRADED if degraded(judgement) else EXIT_OK
