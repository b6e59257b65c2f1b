"""The verdict over a workload, from the states of the capabilities that its rule names."""

from __future__ import annotations

from collections.abc import Iterable

from wslgpu.catalogue.model import Confidence, Workload
from wslgpu.verdict.capabilities import MISSING, Judge
from wslgpu.verdict.evaluate import Outcome, evaluate
from wslgpu.verdict.model import CapabilityJudgement, State, Verdict, WorkloadJudgement, WorkloadReason

_GONE = (*MISSING, State.NOT_APPLICABLE)
_CONFIDENCES = [Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH]
_SHOWN_TITLES = 3


def judge_workload(workload: Workload, judge: Judge, *, required: bool) -> WorkloadJudgement:
    """One workload.

    NO-GO when something required is not there, UNKNOWN when it was not tested (never GO), DEGRADED when it is there
    in part, or a waiver lets it pass, or something is missing with which it would be better.
    """
    applies = evaluate(workload.applies, judge.document) if workload.applies else None
    if applies is not None and applies.holds is False and not applies.failed:
        notes = (f"it does not apply here: {applies.reason}",)
        return WorkloadJudgement(workload.id, workload.title, Verdict.NOT_APPLICABLE, required, notes=notes)
    rule = _Rule(workload, judge)
    verdict, doubts = _doubted(rule.verdict(), applies)
    return WorkloadJudgement(
        id=workload.id,
        title=workload.title,
        verdict=verdict,
        required=required,
        reasons=rule.reasons(),
        not_tested=tuple(rule.not_tested),
        confidence=rule.confidence(),
        notes=(*doubts, *workload.notes),
        capabilities=named_by(workload),
    )


def named_by(workload: Workload) -> tuple[str, ...]:
    """The capabilities that a rule names, required ones first, each once."""
    in_groups = [name for group in workload.one_of for name in group]
    return tuple(dict.fromkeys([*workload.requires, *in_groups, *(row.capability for row in workload.better_with)]))


def _doubted(verdict: Verdict, applies: Outcome | None) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict when it is not sure that the workload applies: no yes, and without a crash or hang no no either."""
    if applies is None or applies.holds:
        return verdict, ()
    if applies.failed and verdict is Verdict.NO_GO:
        return verdict, ()
    return Verdict.UNKNOWN, (f"whether it applies here cannot be said: {applies.reason}",)


class _Rule:
    """What a rule comes to, by the capability at the root of each trouble."""

    def __init__(self, workload: Workload, judge: Judge) -> None:
        self.judge = judge
        self.missing: dict[str, list[str]] = {}
        self.untested: dict[str, list[str]] = {}
        self.waived: dict[str, list[str]] = {}
        self.limited: dict[str, list[str]] = {}
        self.losses: dict[str, str] = {}
        self.accepted_losses: dict[str, str] = {}
        self.not_tested: list[str] = []
        self.required = [judge.capability(name) for name in workload.requires]
        for judgement in self.required:
            self._require(judgement)
        for group in workload.one_of:
            self._require_one([judge.capability(name) for name in group])
        for row in workload.better_with:
            self._better(judge.capability(row.capability), row.consequence)

    def verdict(self) -> Verdict:
        if self.missing:
            return Verdict.NO_GO
        if self.untested:
            return Verdict.UNKNOWN
        return Verdict.DEGRADED if self.waived or self.limited or self.losses else Verdict.GO

    def _root(self, judgement: CapabilityJudgement) -> str:
        return self.judge.roots.get(judgement.id, judgement.id)

    def _require(self, judgement: CapabilityJudgement) -> None:
        if judgement.state is State.LIMITED:
            self.limited.setdefault(judgement.id, []).append(judgement.id)
        if judgement.state.usable:
            return
        if self.judge.is_waived(judgement.id):
            table = self.waived
        else:
            table = self.untested if judgement.state is State.NOT_TESTED else self.missing
        table.setdefault(self._root(judgement), []).append(judgement.id)

    def _require_one(self, group: list[CapabilityJudgement]) -> None:
        """The best of a group counts; of those that are not there, all are named."""
        usable = [judgement for judgement in group if judgement.state.usable]
        best = sorted(usable, key=lambda judgement: judgement.state is State.LIMITED)[:1]
        self.required += best
        waived = [judgement for judgement in group if self.judge.is_waived(judgement.id)]
        untested = [judgement for judgement in group if judgement.state is State.NOT_TESTED]
        for judgement in best or waived[:1] or untested or group:
            self._require(judgement)

    def _better(self, judgement: CapabilityJudgement, consequence: str) -> None:
        if judgement.state is State.NOT_TESTED:
            self.not_tested.append(judgement.id)
        elif judgement.state in MISSING:
            accepted = self.judge.is_waived(judgement.id)
            losses = self.accepted_losses if accepted else self.losses
            root = self._root(judgement)
            losses[root] = f"{losses[root]}; {consequence}" if root in losses else consequence

    def reasons(self) -> tuple[WorkloadReason, ...]:
        told: dict[str, WorkloadReason] = {}
        for table, waived in ((self.missing, False), (self.untested, False), (self.limited, False)):
            for root, names in table.items():
                told.setdefault(root, self._reason(root, self._consequence(root, names), waived=waived))
        for root, consequence in self.losses.items():
            told.setdefault(root, self._reason(root, consequence))
        for root, names in self.waived.items():
            told.setdefault(root, self._reason(root, self._consequence(root, names), waived=True))
        for root, consequence in self.accepted_losses.items():
            told.setdefault(root, self._reason(root, consequence, waived=True))
        return tuple(told.values())

    def _reason(self, root: str, consequence: str, *, waived: bool = False) -> WorkloadReason:
        judgement = self.judge.capability(root)
        return WorkloadReason(root, judgement.state, consequence, judgement.remedy, waived)

    def _consequence(self, root: str, names: list[str]) -> str:
        judgement = self.judge.capability(root)
        titles = [self.judge.capability(name).title for name in names if name != root]
        if not titles:
            return judgement.reason
        more = f" and {len(titles) - _SHOWN_TITLES} more" if len(titles) > _SHOWN_TITLES else ""
        return f"{judgement.reason}; needed for: {', '.join(titles[:_SHOWN_TITLES])}{more}"

    def confidence(self) -> Confidence | None:
        """The least of what decided it: of the reasons, or of all that is required for a GO."""
        deciding = [*(self.missing or self.untested or [*self.limited, *self.waived, *self.losses])]
        chosen = [self.judge.capability(root) for root in deciding] if deciding else self.required
        return _least(judgement.confidence for judgement in chosen)


def _least(confidences: Iterable[Confidence | None]) -> Confidence | None:
    known = [confidence for confidence in confidences if confidence is not None]
    return min(known, key=_CONFIDENCES.index) if known else None
