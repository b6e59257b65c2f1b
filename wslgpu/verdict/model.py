"""What judging gives: a state per capability, a verdict per workload, each with the evidence that decided it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from wslgpu.catalogue.model import Confidence, Expected, Platform, Source, Waiver
from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_FAILED, EXIT_OK, worst_exit_code
from wslgpu.probe.document import Level, Status


class State(str, enum.Enum):
    """What holds of one capability on one node. "WSL2 cannot", "broken here" and "not tested" are three things.

    ``works`` as expected, or nothing else was expected · ``limited``: only in part · ``better``: works though the
    platform was not expected to · ``cannot``: missing, as the platform is expected to be · ``broken``: missing
    though the platform has it · ``blocked``: needs a capability that is missing, see ``cause`` · ``not-tested``:
    nobody could look, see ``reason`` · ``recorded``: missing, and nothing is expected (it varies) ·
    ``not-applicable``: the question makes no sense here
    """

    WORKS = "works"
    LIMITED = "limited"
    BETTER = "better"
    CANNOT = "cannot"
    BROKEN = "broken"
    BLOCKED = "blocked"
    NOT_TESTED = "not-tested"
    RECORDED = "recorded"
    NOT_APPLICABLE = "not-applicable"

    @property
    def usable(self) -> bool:
        """Whether a workload can have it."""
        return self in (State.WORKS, State.LIMITED, State.BETTER)


class Verdict(str, enum.Enum):
    """What holds of one workload on one node."""

    GO = "GO"
    DEGRADED = "DEGRADED"
    NO_GO = "NO-GO"
    UNKNOWN = "UNKNOWN"
    NOT_APPLICABLE = "NOT-APPLICABLE"


@dataclass(frozen=True)
class Evidence:
    """One observation that a judgement rests on: id, status, the raw value, and the command that shows it."""

    observation: str
    status: Status
    value: Any = None
    reason: str = ""
    command: str = ""
    level: Level = Level.QUICK


@dataclass(frozen=True)
class CapabilityJudgement:
    """One capability on one node.

    :param reason: one sentence without a full stop
    :param cause: the capability at the root when it is blocked; else empty
    :param expected: what the platform gives; None when no row of the catalogue fits
    :param confidence: of the expectation
    :param sources: of the expectation row, else of the entry
    :param waiver: the site's waiver, when one names the capability
    :param waiver_expired: it has run out: a failure of its own
    """

    id: str
    title: str
    state: State
    reason: str
    cause: str = ""
    expected: Expected | None = None
    confidence: Confidence | None = None
    note: str = ""
    remedy: str = ""
    sources: tuple[Source, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    waiver: Waiver | None = None
    waiver_expired: bool = False

    @property
    def area(self) -> str:
        return self.id.split(".", 1)[0]


@dataclass(frozen=True)
class WorkloadReason:
    """Why a workload is not GO: a capability, what it is, and what follows."""

    capability: str
    state: State
    consequence: str
    remedy: str = ""
    waived: bool = False


@dataclass(frozen=True)
class WorkloadJudgement:
    """One workload on one node.

    :param reasons: the decisive ones first; root causes only, each once
    :param not_tested: capabilities that it would be better with and that nobody looked at
    :param required: the site or the command line requires it
    :param capabilities: all that its rule names and that was judged, required ones first: what a GO rests on
    """

    id: str
    title: str
    verdict: Verdict
    required: bool = False
    reasons: tuple[WorkloadReason, ...] = ()
    not_tested: tuple[str, ...] = ()
    confidence: Confidence | None = None
    notes: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something about several nodes, or about a node as a whole: duplicates, an expired waiver."""

    id: str
    what: str
    nodes: tuple[str, ...] = ()
    remedy: str = ""
    fails: bool = True


@dataclass(frozen=True)
class NodeJudgement:
    """One node.

    :param name: as the user named it
    :param error: why it could not be probed, in the shape of ``WslgpuError.as_json``; then nothing else is filled
    :param facts: versions and hardware in short, for the head of a report: ``{"driver": "581.80", ...}``
    :param benchmarks: observation id -> value, of the level full
    :param required_capabilities: those that the site or the command line requires by themselves
    """

    name: str
    platform: Platform = Platform.UNKNOWN
    level: Level = Level.QUICK
    stand_in: bool = False
    capabilities: tuple[CapabilityJudgement, ...] = ()
    workloads: tuple[WorkloadJudgement, ...] = ()
    findings: tuple[Finding, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    benchmarks: dict[str, Any] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    required_capabilities: tuple[str, ...] = ()

    @property
    def causes(self) -> tuple[CapabilityJudgement, ...]:
        """What is broken at the root: one missing driver is one of these, not forty.

        First what stops something required, then what blocks the most.
        """
        stopping = {
            reason.capability
            for workload in self.workloads
            if workload.required and workload.verdict is Verdict.NO_GO
            for reason in workload.reasons
        }
        blocked = [judgement.cause for judgement in self.capabilities if judgement.state is State.BLOCKED]
        broken = [judgement for judgement in self.capabilities if judgement.state is State.BROKEN]
        return tuple(sorted(broken, key=lambda item: (item.id not in stopping, -blocked.count(item.id))))

    def capability(self, capability_id: str) -> CapabilityJudgement:
        """One of them; KeyError when it was not judged."""
        for judgement in self.capabilities:
            if judgement.id == capability_id:
                return judgement
        raise KeyError(capability_id)

    def exit_code(self, *, strict: bool = False) -> int:
        """1 for a required NO-GO (with strict also DEGRADED) or a failing finding, 2 when it could not be judged."""
        if self.error is not None:
            return EXIT_CANNOT_JUDGE
        required = [workload.verdict for workload in self.workloads if workload.required]
        required += [self._as_verdict(name) for name in self.required_capabilities]
        bad = {Verdict.NO_GO, Verdict.DEGRADED} if strict else {Verdict.NO_GO}
        if bad & set(required) or any(finding.fails for finding in self.findings):
            return EXIT_FAILED
        judged = [verdict for verdict in required if verdict in (Verdict.GO, Verdict.DEGRADED)]
        if Verdict.UNKNOWN in required or not judged:
            return EXIT_CANNOT_JUDGE
        return EXIT_OK

    def _as_verdict(self, capability_id: str) -> Verdict:
        """What a required capability comes to; its absence is a finding of its own, unless it is waived."""
        state = self.capability(capability_id).state
        if state in (State.WORKS, State.BETTER):
            return Verdict.GO
        return Verdict.UNKNOWN if state in (State.NOT_TESTED, State.NOT_APPLICABLE) else Verdict.DEGRADED


@dataclass(frozen=True)
class Judgement:
    """Everything that one ``wslgpu check`` or ``judge`` found: what every report is written from.

    :param started: ISO 8601 with zone
    :param interrupted: 130 or 143 when a signal ended it early, else 0
    """

    nodes: tuple[NodeJudgement, ...]
    catalogue_digest: str
    tool_version: str
    started: str = ""
    duration_s: float = 0.0
    operator: str = ""
    lock_digest: str = ""
    strict: bool = False
    interrupted: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def stand_in(self) -> bool:
        """Whether any node is a lab's: no such GO may pass for a real one."""
        return any(node.stand_in for node in self.nodes)

    @property
    def exit_code(self) -> int:
        """The worst node's code; 1 also for a failing finding over several nodes; a signal's own code."""
        if self.interrupted:
            return self.interrupted
        codes = [node.exit_code(strict=self.strict) for node in self.nodes]
        if any(finding.fails for finding in self.findings):
            codes.append(EXIT_FAILED)
        return worst_exit_code(codes)
