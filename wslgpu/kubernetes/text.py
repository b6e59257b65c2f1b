"""What the commands of :mod:`wslgpu.kubernetes.cli` print for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wslgpu.kubernetes.chain_model import LINKS, Chain, LinkState
from wslgpu.kubernetes.check_model import Judgement, Verdict
from wslgpu.kubernetes.drift import Drift, State
from wslgpu.kubernetes.leftovers import Leftover
from wslgpu.kubernetes.plan import Planned

_LINK_MARKS = {
    LinkState.HOLDS: "ok",
    LinkState.BROKEN: "BROKEN",
    LinkState.BECAUSE: "because",
    LinkState.UNKNOWN: "unknown",
    LinkState.NOT_ASKED: "-",
}
_VERDICT_MARKS = {
    Verdict.FITS: "ok",
    Verdict.REFUSED: "REFUSED",
    Verdict.WARNING: "warning",
    Verdict.CANNOT_TELL: "unknown",
    Verdict.NOTE: "note",
}
_STATES = {
    State.MISSING: "not there",
    State.SAME: "same",
    State.CHANGED: "different: the data changed",
    State.EDITED: "edited on the cluster",
    State.FOREIGN: "not wslgpu's, and different",
    State.FOREIGN_SAME: "not wslgpu's, and right as it is",
}


def chain_lines(chain: Chain) -> Iterator[str]:
    """The chain link by link; of the broken one all that is known, of others a line."""
    where = f" on {chain.node}" if chain.node else ""
    yield f"From CDI spec to pod{where}{' (lab node: the driver is a stand-in)' if chain.stand_in else ''}"
    width = max(len(title) for title in LINKS.values())
    for link in chain.links:
        because = f", because of: {LINKS[link.because]}" if link.because else ""
        yield f"  {_LINK_MARKS[link.state]:8} {link.title:{width}}  {link.what}{because}"
        if link.state in (LinkState.BROKEN, LinkState.UNKNOWN):
            yield from (f"           {line}" for line in link.evidence)
        if link.state is LinkState.BROKEN:
            yield f"           -> {link.remedy}"
        yield from (f"           note: {note}" for note in link.notes)
    if chain.finding is None and chain.exit_code == 0:
        yield "Every link that was asked for holds."
    elif chain.finding is None:
        unknown = [link.title for link in chain.links if link.state is LinkState.UNKNOWN]
        yield f"No link is known to be broken; nobody could look at: {', '.join(unknown)}."


def pod_lines(chain: Chain) -> Iterator[str]:
    """What the pod printed."""
    link = chain.link("pod")
    if link.state is LinkState.HOLDS:
        yield "What the pod saw:"
        yield from (f"  {line}" for line in link.evidence)


def plan_lines(plan: Planned) -> Iterator[str]:
    """A check of one workload."""
    worst = [one for one in plan.judgements if one.verdict is Verdict.REFUSED]
    fits = "does not fit" if worst else "fits"
    if not worst and any(one.verdict is Verdict.CANNOT_TELL for one in plan.judgements):
        fits = "cannot be judged whole"
    yield f"{plan.name}: {fits}"
    for one in sorted(plan.judgements, key=lambda one: list(_VERDICT_MARKS).index(one.verdict)):
        yield from judgement_lines(one)
    yield from (f"  note     {note}" for note in plan.notes)
    yield from leftover_lines(plan.leftovers)


def judgement_lines(one: Judgement) -> Iterator[str]:
    yield f"  {_VERDICT_MARKS[one.verdict]:8} {one.id}: {one.what}"
    if one.verdict is not Verdict.FITS:
        yield from (f"           {line}" for line in one.evidence if line)
        if one.next_step:
            yield f"           -> {one.next_step}"


def leftover_lines(leftovers: Sequence[Leftover]) -> Iterator[str]:
    """What earlier data left on the cluster."""
    for one in leftovers:
        end = f"stays: {one.stays}" if one.stays else "`wslgpu workload apply --prune` removes it"
        yield f"  {one.who}: left by earlier data; {end}"


def drift_lines(drifts: Sequence[Drift]) -> Iterator[str]:
    """Objects with the fields in which they differ."""
    for one in drifts:
        yield f"  {one.who}: {_STATES[one.state]}"
        edited = {difference.path for difference in one.edited}
        if one.state in (State.CHANGED, State.EDITED, State.FOREIGN):
            for difference in dict.fromkeys((*one.differences, *one.edited)):
                yield f"    {difference}{' (by hand)' if difference.path in edited else ''}"
