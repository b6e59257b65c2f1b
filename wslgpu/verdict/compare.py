"""What differs between two nodes, or between one node last week and now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wslgpu.verdict.model import NodeJudgement, State, Verdict

_STATES_BEST_FIRST = (
    (State.BETTER, State.WORKS),
    (State.LIMITED,),
    (State.RECORDED, State.CANNOT, State.BLOCKED, State.BROKEN),
)
_VERDICTS_BEST_FIRST = (Verdict.GO, Verdict.DEGRADED, Verdict.NO_GO)


@dataclass(frozen=True)
class CapabilityChange:
    """A capability whose state is another one; None on the side that did not judge it.

    :param better: the new side has it better, or worse; None when that cannot be said, as with something not tested
    """

    id: str
    title: str
    old: State | None
    new: State | None
    old_reason: str = ""
    new_reason: str = ""
    better: bool | None = None


@dataclass(frozen=True)
class WorkloadChange:
    """A workload whose verdict is another one, or is the same for other reasons."""

    id: str
    title: str
    old: Verdict | None
    new: Verdict | None
    old_causes: tuple[str, ...] = ()
    new_causes: tuple[str, ...] = ()
    better: bool | None = None


@dataclass(frozen=True)
class FactChange:
    """A version, a GPU's name, the platform; empty on the side that does not tell it."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class BenchmarkRatio:
    """A quantity that both sides measured, equal ones too.

    :param ratio: new / old; None when the old one is 0
    """

    id: str
    quantity: str
    old: float
    new: float
    ratio: float | None


@dataclass(frozen=True)
class Comparison:
    """Everything that differs; ``benchmarks`` holds whatever both sides measured.

    :param notes: why some of it says less than it seems: another level, a side that was not judged
    """

    old: str
    new: str
    capabilities: tuple[CapabilityChange, ...] = ()
    workloads: tuple[WorkloadChange, ...] = ()
    facts: tuple[FactChange, ...] = ()
    benchmarks: tuple[BenchmarkRatio, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing but measurements differs."""
        return not (self.capabilities or self.workloads or self.facts)


def compare(old: NodeJudgement, new: NodeJudgement) -> Comparison:
    """Hold two judgements against each other, in the order of the new one."""
    return Comparison(
        old=old.name,
        new=new.name,
        capabilities=tuple(_capabilities(old, new)),
        workloads=tuple(_workloads(old, new)),
        facts=tuple(
            FactChange(name, old.facts.get(name, ""), new.facts.get(name, ""))
            for name in dict.fromkeys([*new.facts, *old.facts])
            if old.facts.get(name, "") != new.facts.get(name, "")
        ),
        benchmarks=tuple(_benchmarks(old, new)),
        notes=tuple(_notes(old, new)),
    )


def _capabilities(old: NodeJudgement, new: NodeJudgement) -> Iterator[CapabilityChange]:
    before = {judgement.id: judgement for judgement in old.capabilities}
    after = {judgement.id: judgement for judgement in new.capabilities}
    for name in dict.fromkeys([*after, *before]):
        first, second = before.get(name), after.get(name)
        states = first.state if first else None, second.state if second else None
        if states[0] is states[1]:
            continue
        title = second.title if second else first.title if first else ""
        reasons = first.reason if first else "", second.reason if second else ""
        yield CapabilityChange(
            name, title, *states, *reasons, _is_better(_state_rank(states[0]), _state_rank(states[1]))
        )


def _workloads(old: NodeJudgement, new: NodeJudgement) -> Iterator[WorkloadChange]:
    before = {judgement.id: judgement for judgement in old.workloads}
    after = {judgement.id: judgement for judgement in new.workloads}
    for name in dict.fromkeys([*after, *before]):
        first, second = before.get(name), after.get(name)
        verdicts = first.verdict if first else None, second.verdict if second else None
        causes = tuple(tuple(row.capability for row in side.reasons) if side else () for side in (first, second))
        if verdicts[0] is verdicts[1] and set(causes[0]) == set(causes[1]):
            continue
        title = second.title if second else first.title if first else ""
        ranks = _verdict_rank(verdicts[0]), _verdict_rank(verdicts[1])
        yield WorkloadChange(name, title, *verdicts, causes[0], causes[1], _is_better(*ranks))


def _state_rank(state: State | None) -> int | None:
    return next((rank for rank, states in enumerate(_STATES_BEST_FIRST) if state in states), None)


def _verdict_rank(verdict: Verdict | None) -> int | None:
    return _VERDICTS_BEST_FIRST.index(verdict) if verdict in _VERDICTS_BEST_FIRST else None


def _is_better(old: int | None, new: int | None) -> bool | None:
    return None if old is None or new is None or old == new else new < old


def _benchmarks(old: NodeJudgement, new: NodeJudgement) -> Iterator[BenchmarkRatio]:
    for name, value in new.benchmarks.items():
        before = old.benchmarks.get(name)
        if not isinstance(value, dict) or not isinstance(before, dict):
            continue
        for quantity, number in value.items():
            # how much was copied, and how often, is no result
            if quantity in ("bytes", "runs") or not (_is_number(number) and _is_number(before.get(quantity))):
                continue
            first, second = float(before[quantity]), float(number)
            yield BenchmarkRatio(name, quantity, first, second, second / first if first else None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _notes(old: NodeJudgement, new: NodeJudgement) -> Iterator[str]:
    for side in (old, new):
        if side.error is not None:
            yield f"{side.name} could not be judged: {side.error.get('what', '')}"
        if side.stand_in:
            yield f"{side.name} is a lab's node with stand-in drivers"
    if old.level is not new.level and old.error is None and new.error is None:
        yield f"{old.name} was probed at level {old.level.value}, {new.name} at level {new.level.value}"
