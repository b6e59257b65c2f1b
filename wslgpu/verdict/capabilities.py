"""The state of every capability of the catalogue on one node."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field, replace

from wslgpu.catalogue.load import Catalogue
from wslgpu.catalogue.model import Capability, Expectation, Expected, Waiver
from wslgpu.catalogue.words import ranges
from wslgpu.probe.document import Observations
from wslgpu.verdict.evaluate import Outcome, evaluate
from wslgpu.verdict.evidence import evidence_of
from wslgpu.verdict.expectation import Place, expectation_for, place_of
from wslgpu.verdict.model import CapabilityJudgement, State
from wslgpu.verdict.seen import Seen

_NEEDS_LEVEL = re.compile(r"needs --level (standard|full)\b")
"""As the probe says it of what it left out."""
MISSING = (State.BROKEN, State.CANNOT, State.BLOCKED, State.RECORDED)


def waivers_by_capability(catalogue: Catalogue) -> dict[str, Waiver]:
    """Each capability's waiver; of several the one that holds longest."""
    ordered = sorted(catalogue.site.waivers, key=lambda waiver: waiver.expires)
    return {waiver.capability: waiver for waiver in ordered}


@dataclass
class Judge:
    """Judges the capabilities of one document, each once, those that it needs before it.

    :param document: with its ``derived.*``
    :param lab: the document is of a lab node, with stand-ins for what it has not
    :param roots: capability -> the one at the root of its not being there, or of its not being tested
    """

    document: Observations
    catalogue: Catalogue
    today: datetime.date
    roots: dict[str, str] = field(default_factory=dict)
    done: dict[str, CapabilityJudgement] = field(default_factory=dict)
    lab: bool = field(init=False)

    def __post_init__(self) -> None:
        self.place: Place = place_of(self.document)
        lab = Seen(self.document).or_none("system.lab")
        self.lab = self.document.stand_in or bool(lab and lab["stand_in"])
        self._hidden: set[str] = set()
        self._waivers = waivers_by_capability(self.catalogue)

    def all(self) -> tuple[CapabilityJudgement, ...]:
        """Every capability, in the catalogue's order."""
        return tuple(self.capability(capability_id) for capability_id in self.catalogue.capabilities)

    def capability(self, capability_id: str) -> CapabilityJudgement:
        """One of them."""
        if capability_id not in self.done:
            judgement = self._judge(self.catalogue.capabilities[capability_id])
            if waiver := self._waivers.get(capability_id):
                judgement = replace(judgement, waiver=waiver, waiver_expired=waiver.expires < self.today)
            self.done[capability_id] = judgement
        return self.done[capability_id]

    def is_waived(self, capability_id: str) -> bool:
        """Whether a waiver that still holds names it, or what is at its root."""
        judgements = (self.capability(name) for name in {capability_id, self.roots.get(capability_id, capability_id)})
        return any(judgement.waiver is not None and not judgement.waiver_expired for judgement in judgements)

    def _judge(self, capability: Capability) -> CapabilityJudgement:
        row = expectation_for(capability, self.place)
        needs = [self.capability(name) for name in capability.needs]
        missing = next((need for need in needs if need.state in MISSING), None)
        # what only the lab hides is there for all that anybody knows: what rests on it is looked at by itself
        untested = next((n for n in needs if n.state is State.NOT_TESTED and n.id not in self._hidden), None)
        applies = evaluate(capability.applies, self.document) if capability.applies else None
        # a look that crashed or hung does not show that the question makes no sense
        if applies is not None and not applies.failed and applies.holds is not True:
            if applies.holds is None:
                reason = f"whether it applies cannot be said: {applies.reason}"
                return self._judgement(capability, row, State.NOT_TESTED, applies, reason)
            return self._judgement(capability, row, State.NOT_APPLICABLE, applies)
        works = evaluate(capability.works, self.document)
        if missing is not None:
            return self._with_missing_need(capability, row, works, missing)
        if untested is not None:
            self.roots[capability.id] = self.roots.get(untested.id, untested.id)
            return self._judgement(capability, row, State.NOT_TESTED, works, untested.reason)
        return self._by_itself(capability, row, works)

    def _with_missing_need(
        self, capability: Capability, row: Expectation | None, works: Outcome, need: CapabilityJudgement
    ) -> CapabilityJudgement:
        if works.holds is False and row is not None and row.expect is Expected.CANNOT:
            return self._judgement(capability, row, State.CANNOT, works)
        root = self.capability(need.cause or need.id)
        self.roots[capability.id] = root.id
        # what holds by itself (a file is there, a version is new enough) is of no use without what it needs
        seen = f"; by itself: {works.reason}" if works.holds else ""
        reason = f"needs {root.id}: {root.reason}{seen}"
        return replace(self._judgement(capability, row, State.BLOCKED, works, reason), cause=root.id)

    def _by_itself(self, capability: Capability, row: Expectation | None, works: Outcome) -> CapabilityJudgement:
        if works.holds is None:
            return self._judgement(capability, row, State.NOT_TESTED, works)
        expected = row.expect if row else None
        limited = evaluate(capability.limited, self.document) if capability.limited else None
        if limited is not None and limited.holds:
            return self._judgement(capability, row, State.LIMITED, limited)
        if limited is not None and limited.holds is None:
            known = "it works" if works.holds else "it does not work in full"
            reason = f"{known}, but how far cannot be said: {limited.reason}"
            return self._judgement(capability, row, State.NOT_TESTED, limited, reason)
        if works.holds:
            if limited is not None and limited.failed:
                return self._judgement(capability, row, State.LIMITED, limited)
            better = expected is Expected.CANNOT or (expected is Expected.LIMITED and limited is not None)
            return self._judgement(capability, row, State.BETTER if better else State.WORKS, works)
        states = {Expected.CANNOT: State.CANNOT, Expected.VARIES: State.RECORDED, None: State.RECORDED}
        state = states.get(expected, State.BROKEN)
        if state is State.BROKEN and self.lab and capability.lab and not works.failed:
            self._hidden.add(capability.id)
            reason = f"a lab node cannot show it: {capability.lab} ({works.reason})"
            return self._judgement(capability, row, State.NOT_TESTED, works, reason)
        return self._judgement(capability, row, state, works)

    def _remedy(self, capability: Capability, state: State, reason: str) -> str:
        """What to do about it; of what nobody looked at, how to have it looked at, where a level does that."""
        if state is not State.NOT_TESTED:
            return capability.remedy_on(self.place.platform)
        level = _NEEDS_LEVEL.search(reason)
        return f"Look at it: wslgpu check --level {level[1]}." if level else ""

    def _judgement(
        self, capability: Capability, row: Expectation | None, state: State, outcome: Outcome, reason: str = ""
    ) -> CapabilityJudgement:
        reason = reason or outcome.reason
        if state is State.CANNOT and row is not None and row.when:
            reason += f", as is expected with {ranges(row)}"
        return CapabilityJudgement(
            id=capability.id,
            title=capability.title,
            state=state,
            reason=reason,
            expected=row.expect if row else None,
            confidence=row.confidence if row else None,
            note=(row.note or "") if row else "",
            remedy=self._remedy(capability, state, reason),
            sources=(row.sources if row else ()) or capability.sources,
            evidence=evidence_of(outcome.tests, self.document),
        )
