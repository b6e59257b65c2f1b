"""Whether an artifact can run on a node, and which packages it needs there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wslgpu.build import targets
from wslgpu.build.record import ArtifactRecord, Requirements
from wslgpu.facts.artifact import ArtifactsState


@dataclass(frozen=True)
class Misfit:
    """One reason why an artifact cannot run on a node."""

    error_class: str
    what: str
    next_step: str


def misfits(record: ArtifactRecord, state: ArtifactsState) -> list[Misfit]:
    """All reasons; none where it fits. What the node has counts; its distribution's row says what is packaged."""
    if state.architecture != record.architecture:
        what = f"{record.name} is for {record.architecture}, and the node is {state.architecture or 'of no known kind'}"
        return [Misfit("usage", what, "Take the node out of the groups that get it.")]
    found = list(_symbols(record, state))
    if not found:
        found = [
            Misfit("platform", f"{record.name} cannot run on this node: {problem}", "Build it without what needs that.")
            for problem in (
                targets.problems(_libraries(record), state.distribution) if _libraries(record).sonames else ()
            )
        ]
    return found


def _symbols(record: ArtifactRecord, state: ArtifactsState) -> Iterator[Misfit]:
    asked = record.requirements
    step = f"Build it on an older base than {record.base}, or use a newer distribution."
    # a node that has no libstdc++ yet gets its distribution's
    has = {"GLIBC": state.glibc or "0", **state.symbols}
    for family, version in targets.families(asked).items():
        if family in has and targets.number(version) > targets.number(has[family]):
            what = f"{record.name} asks for {family}_{version}, and this node ({state.distribution}) has {has[family]}"
            yield Misfit("platform", what, step)


def _libraries(record: ArtifactRecord) -> Requirements:
    return Requirements(sonames=record.requirements.sonames)


def packages(record: ArtifactRecord, state: ArtifactsState) -> tuple[str, ...]:
    """The packages that have the libraries that an artifact links.

    :raises DataError: its distribution or one of its libraries is not known; :func:`misfits` says so before
    """
    libraries = _libraries(record)
    return tuple(targets.packages_for(libraries, state.distribution)) if libraries.sonames else ()
