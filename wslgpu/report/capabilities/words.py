"""The words of the reports. "WSL2 cannot", "broken here" and "not tested" are three things, in every one of them."""

from __future__ import annotations

from dataclasses import replace

from wslgpu.catalogue.model import Platform
from wslgpu.errors import EXIT_FAILED, EXIT_OK
from wslgpu.probe.document import Status
from wslgpu.report.capabilities.text import LINE_LIMIT_CHARACTERS, line, shown
from wslgpu.verdict.model import CapabilityJudgement, Evidence, Judgement, NodeJudgement, State, Verdict, WorkloadReason

MARK = "lab, stand-in driver"
"""Stands over every report of a lab's node, so that none can pass for a real one's."""

PLATFORMS = {
    Platform.WSL2: "WSL2",
    Platform.WSL1: "WSL1",
    Platform.LINUX: "Linux",
    Platform.DOCKER_DESKTOP: "Docker Desktop",
    Platform.UNKNOWN: "unknown platform",
}
VERDICTS = {
    Verdict.GO: "GO",
    Verdict.DEGRADED: "DEGRADED",
    Verdict.NO_GO: "NO-GO",
    Verdict.UNKNOWN: "UNKNOWN",
    Verdict.NOT_APPLICABLE: "does not apply",
}
_STATES = {
    State.WORKS: "works",
    State.LIMITED: "works in part",
    State.BETTER: "works unexpectedly",
    State.BROKEN: "broken here",
    State.BLOCKED: "blocked",
    State.NOT_TESTED: "not tested",
    State.RECORDED: "missing here",
    State.NOT_APPLICABLE: "does not apply",
}


def state_words(state: State, platform: Platform = Platform.WSL2) -> str:
    """What a state is called on a platform; what the platform is known to lack is said of the platform."""
    if state is State.CANNOT:
        return f"{PLATFORMS[platform] if platform is not Platform.UNKNOWN else 'this platform'} cannot"
    return _STATES[state]


def mark_of(judgement: Judgement | NodeJudgement) -> str:
    """:data:`MARK` for a lab's, else empty."""
    return MARK if judgement.stand_in else ""


def evidence_value(evidence: Evidence, limit: int = LINE_LIMIT_CHARACTERS) -> str:
    """What was found, as one line; a crash, a hang and an observation that nobody made say so."""
    if evidence.status is Status.OBSERVED:
        return shown(evidence.value, limit)
    reason = line(evidence.reason, limit)
    word = {Status.CRASH: "crash", Status.HANG: "hang"}.get(evidence.status, "not tested")
    return f"{word}: {reason}" if reason else word


def blocked_by(node: NodeJudgement) -> dict[str, int]:
    """How many capabilities each root cause blocks: capability id -> number."""
    counts: dict[str, int] = {}
    for judgement in node.capabilities:
        if judgement.state is State.BLOCKED and judgement.cause:
            counts[judgement.cause] = counts.get(judgement.cause, 0) + 1
    return counts


def consequence(reason: WorkloadReason, node: NodeJudgement) -> str:
    """What follows for a workload; empty where it only says again why its cause is broken, which stands by itself."""
    told = any(cause.id == reason.capability and reason.consequence.startswith(cause.reason) for cause in node.causes)
    return "" if told else line(reason.consequence)


def lacks(reason: WorkloadReason, node: NodeJudgement) -> tuple[str, str]:
    """A workload's reason in people's words, and what was seen: ``missing here: FFmpeg is on the node`` and
    ``codec.ffmpeg path is not there``; or what follows, such as ``memory by program is not known``, and the state.

    The second is empty where it stands with its cause.
    """
    words = "not here" if reason.state is State.NOT_APPLICABLE else state_words(reason.state, node.platform)
    words += ", waived" if reason.waived else ""
    known = next((item for item in node.capabilities if item.id == reason.capability), None)
    if known is None:
        return words, line(reason.consequence)
    if reason.state is State.NOT_TESTED:
        return f"{words}: {line(known.title)}", why_not_tested(known)
    if not reason.consequence.startswith(known.reason):
        return line(reason.consequence), words
    return f"{words}: {line(known.title)}", line(known.reason) if consequence(reason, node) else ""


def because(reason: WorkloadReason, node: NodeJudgement, *, alone: bool = False) -> str:
    """A workload's reason as one phrase that begins with what is missing, or with what follows.

    :param alone: what was seen is told even where it stands with its cause
    """
    words, seen = lacks(reason, node)
    if alone and not seen and reason.consequence:
        seen = line(reason.consequence)
    return f"{words} ({line(reason.capability)}{f': {seen}' if seen else ''})"


def broken(item: CapabilityJudgement) -> str:
    """What is broken at its root, named first: ``cuInit succeeds (cuda.init: cuda.init result is 100, not 0)``."""
    return f"{line(item.title)} ({item.id}: {line(item.reason)})"


def why_not_tested(judgement: CapabilityJudgement) -> str:
    """The reason that the probe itself gave, such as ``needs --level standard``; else the judgement's own."""
    unknown = [evidence for evidence in judgement.evidence if evidence.status is Status.UNKNOWN and evidence.reason]
    unknown.sort(key=lambda evidence: evidence.observation.startswith("derived."))
    return line(unknown[0].reason if unknown else judgement.reason) or "no reason was given"


def not_tested_reasons(node: NodeJudgement) -> dict[str, list[CapabilityJudgement]]:
    """What was not tested, by reason, the most frequent first."""
    groups: dict[str, list[CapabilityJudgement]] = {}
    for judgement in node.capabilities:
        if judgement.state is State.NOT_TESTED:
            groups.setdefault(why_not_tested(judgement), []).append(judgement)
    return dict(sorted(groups.items(), key=lambda pair: -len(pair[1])))


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 node``, ``2 nodes``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def verdict_counts(workloads: list[Verdict]) -> str:
    """``3 GO, 1 NO-GO``; empty when there is none that applies."""
    order = (Verdict.NO_GO, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.GO)
    return ", ".join(f"{workloads.count(verdict)} {VERDICTS[verdict]}" for verdict in order if verdict in workloads)


def headline(judgement: Judgement) -> str:
    """What came of it: the meaning of the exit code, as one sentence without a full stop."""
    if judgement.interrupted:
        return "Interrupted: what stands here is not all"
    refused = any(
        work.required and work.verdict is Verdict.NO_GO for node in judgement.nodes for work in node.workloads
    )
    by_itself = replace(judgement, strict=False).exit_code
    if judgement.exit_code == EXIT_FAILED and by_itself == EXIT_OK:
        return "Something that is required is DEGRADED, which counts as failed here (strict)"
    return {
        EXIT_OK: "All that is required can run",
        EXIT_FAILED: "Something that is required cannot run" if refused else "Something fails",
    }.get(judgement.exit_code, "It could not be judged whether all that is required can run")


def scope(judgement: Judgement) -> str:
    """Over how many nodes and what: ``3 nodes; required workloads: 4 NO-GO, 1 GO; 1 could not be probed``."""
    required = [work.verdict for node in judgement.nodes for work in node.workloads if work.required]
    alone = {name for node in judgement.nodes for name in node.required_capabilities}
    unreached = sum(node.error is not None for node in judgement.nodes)
    parts = [counted(len(judgement.nodes), "node")]
    if counts := verdict_counts(required):
        parts.append(f"required workloads: {counts}")
    if alone:
        parts.append(counted(len(alone), "required capability", "required capabilities"))
    if not counts and not alone:
        parts.append("nothing that is required was judged")
    if unreached:
        parts.append(f"{unreached} could not be probed")
    return "; ".join(parts)


def outcome(judgement: Judgement) -> str:
    """Both in one sentence."""
    return f"{headline(judgement)} ({scope(judgement)})."


def degraded(judgement: Judgement) -> bool:
    """Whether any node would fail if ``strict`` were asked for, and does not otherwise."""
    return any(node.exit_code() == EXIT_OK and node.exit_code(strict=True) != EXIT_OK for node in judgement.nodes)
