"""The report as one HTML file: it asks for nothing from any network, and is whole without its script."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup, escape

from wslgpu.report.capabilities.benchmarks import benchmarks
from wslgpu.report.capabilities.text import line
from wslgpu.report.capabilities.words import (
    MARK,
    PLATFORMS,
    VERDICTS,
    blocked_by,
    counted,
    evidence_value,
    headline,
    lacks,
    not_tested_reasons,
    state_words,
)
from wslgpu.verdict.model import CapabilityJudgement, Judgement, NodeJudgement, State, Verdict, WorkloadJudgement

DENSE = 8
"""More nodes than this make a matrix of signs rather than of words; the words stay for screen readers."""
OPEN_NODES = 3
CAUSES = 6
"""How many causes stand open on the page; the others are folded."""
_VALUE_LIMIT_CHARACTERS = 400
_VERDICT_LOOKS = {
    Verdict.GO: "go",
    Verdict.DEGRADED: "degraded",
    Verdict.NO_GO: "bad",
    Verdict.UNKNOWN: "unknown",
    Verdict.NOT_APPLICABLE: "none",
}
_STATE_LOOKS = {
    State.WORKS: "go",
    State.BETTER: "go",
    State.LIMITED: "degraded",
    State.CANNOT: "cannot",
    State.BROKEN: "bad",
    State.BLOCKED: "bad",
    State.NOT_TESTED: "unknown",
    State.RECORDED: "none",
    State.NOT_APPLICABLE: "none",
}
_STATE_ORDER = (
    State.BROKEN,
    State.BLOCKED,
    State.CANNOT,
    State.LIMITED,
    State.BETTER,
    State.RECORDED,
    State.NOT_TESTED,
    State.WORKS,
    State.NOT_APPLICABLE,
)


@dataclass(frozen=True)
class _Cause:
    """One thing that is broken, and the nodes on which it is."""

    example: CapabilityJudgement
    node: NodeJudgement
    places: tuple[tuple[str, str, int], ...]
    """Name of a node, the place of its judgement on the page, and how much it blocks there."""


@dataclass(frozen=True)
class _Row:
    """One workload over all nodes; a node that did not judge it has None."""

    id: str
    title: str
    required: bool
    cells: tuple[tuple[str, WorkloadJudgement] | None, ...]


def as_html(judgement: Judgement) -> str:
    """The report as one self-contained page of HTML.

    Nodes and workloads as a matrix whose cells lead to the evidence, benchmarks as bars, and every node's
    capabilities. Everything that came from a node is escaped; the only addresses are those of the catalogue's sources.
    """
    environment = _environment()
    style, script = (_part(name) for name in ("style.css.in", "script.js.in"))
    return environment.get_template("page.html.in").render(
        report=judgement,
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        style_hash=_hash(style),
        script_hash=_hash(script),
        pages=[_page(index, node) for index, node in enumerate(judgement.nodes)],
        causes=_causes(judgement),
        rows=_rows(judgement),
        unprobed=sum(node.error is not None for node in judgement.nodes),
        tally=_tally([work.verdict for node in judgement.nodes for work in node.workloads if work.required]),
        benchmarks=benchmarks(judgement),
    )


def _part(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """How a content security policy names an inline part that it lets be."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({"page.html.in": _part("page.html.in")}),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.globals.update(
        MARK=MARK,
        PLATFORMS=PLATFORMS,
        VERDICTS=VERDICTS,
        DENSE=DENSE,
        OPEN_NODES=OPEN_NODES,
        CAUSES=CAUSES,
        STATES=_STATE_ORDER,
        state_words=state_words,
        state_look=_STATE_LOOKS.__getitem__,
        verdict_look=_VERDICT_LOOKS.__getitem__,
        verdict_tally=_tally,
        evidence_value=functools.partial(evidence_value, limit=_VALUE_LIMIT_CHARACTERS),
        not_tested_reasons=not_tested_reasons,
        headline=headline,
        lacks=lacks,
        counted=counted,
    )
    environment.filters.update(line=line, prose=_prose, address=_address)
    return environment


def _prose(text: str) -> Markup:
    """Text of the catalogue; what stands between backquotes is code."""
    parts = re.split(r"`([^`]+)`", line(text, 1000))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


def _address(url: str) -> str:
    """An address that a link may lead to; empty when it is none of the web's safe ones."""
    return re.sub(r"[\"'<>]", _percent, url) if re.fullmatch(r"https://\S+", url) else ""


def _percent(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"


def _places(index: int, node: NodeJudgement) -> dict[str, str]:
    """Where each capability of a node stands on the page: its id -> the element's id."""
    return {item.id: f"n{index + 1}c{number + 1}" for number, item in enumerate(node.capabilities)}


def _page(index: int, node: NodeJudgement) -> tuple[dict[str, str], dict[str, CapabilityJudgement]]:
    return _places(index, node), {item.id: item for item in node.capabilities}


def _tally(verdicts: list[Verdict]) -> list[tuple[Verdict, int]]:
    order = (Verdict.NO_GO, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.GO)
    return [(verdict, verdicts.count(verdict)) for verdict in order if verdict in verdicts]


def _causes(judgement: Judgement) -> list[_Cause]:
    """What is broken at the root, each once: what stops something required first, then that of the most nodes."""
    found: dict[str, list[tuple[int, NodeJudgement, CapabilityJudgement]]] = {}
    for index, node in enumerate(judgement.nodes):
        for item in node.causes:
            found.setdefault(item.id, []).append((index, node, item))
    causes = []
    for identifier, places in found.items():
        _, node, example = places[0]
        rows = [
            (line(at.name), _places(index, at)[identifier], blocked_by(at).get(identifier, 0))
            for index, at, _ in places
        ]
        causes.append(_Cause(example, node, tuple(rows)))
    stopping = {
        reason.capability
        for node in judgement.nodes
        for work in node.workloads
        if work.required and work.verdict is Verdict.NO_GO
        for reason in work.reasons
    }
    return sorted(
        causes,
        key=lambda cause: (
            cause.example.id not in stopping,
            -len(cause.places),
            -sum(blocks for _, _, blocks in cause.places),
        ),
    )


def _rows(judgement: Judgement) -> list[_Row]:
    """The matrix: a row per workload that any node judged, required ones first."""
    seen: dict[str, WorkloadJudgement] = {}
    for node in judgement.nodes:
        for work in node.workloads:
            if work.id not in seen or work.required:
                seen[work.id] = work
    tables = [
        {work.id: (f"n{index + 1}w{number + 1}", work) for number, work in enumerate(node.workloads)}
        for index, node in enumerate(judgement.nodes)
    ]
    rows = [
        _Row(name, line(work.title), work.required, tuple(table.get(name) for table in tables))
        for name, work in seen.items()
    ]
    return sorted(rows, key=lambda row: not row.required)
