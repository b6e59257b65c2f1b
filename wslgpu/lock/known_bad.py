"""Versions that are known not to go together: catalogue/known_bad.yml, held against a lock."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from wslgpu.errors import DataError
from wslgpu.lock.debian_version import compare
from wslgpu.lock.inputs import INPUTS
from wslgpu.lock.model import Lock
from wslgpu.pins import Strict, Url
from wslgpu.yaml_source import load_yaml, validate

KNOWN_BAD_FILE = Path(__file__).parent.parent / "catalogue" / "known_bad.yml"
Version = Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+:~-]*$")]


class Source(Strict):
    """Where it is written, and when that was published or read."""

    url: Url
    date: datetime.date


class Condition(Strict):
    """What of a lock it looks at (exactly one of three), and how that is tested; without a test: that it is there.

    :param package: of any distribution of the lock
    :param image: repository; its tag is tested
    :param input: a setting of the lock's inputs
    :param differs_from: another package of the same distribution, whose version should be the same
    """

    package: str = ""
    image: str = ""
    input: str = ""
    equals: str = ""
    version_at_least: Version | Literal[""] = ""
    version_below: Version | Literal[""] = ""
    differs_from: str = ""

    @model_validator(mode="after")
    def _one_subject(self) -> Condition:
        if sum(map(bool, (self.package, self.image, self.input))) != 1:
            raise ValueError("looks at exactly one of package, image and input")
        if self.differs_from and not self.package:
            raise ValueError("differs_from goes with package")
        if self.input and self.input not in INPUTS:
            raise ValueError(f"{self.input!r} is no input of a lock")
        return self


class Combination(Strict):
    """One row. All conditions must hold, packages in one and the same distribution."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    what: str
    when: Annotated[list[Condition], Field(min_length=1)]
    why: str
    sources: Annotated[list[Source], Field(min_length=1)]
    remedy: str
    severity: Literal["refuse", "warn"]


class KnownBad(Strict):
    """The file."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    combinations: list[Combination]

    @model_validator(mode="after")
    def _ids_once(self) -> KnownBad:
        ids = [row.id for row in self.combinations]
        if doubled := {one for one in ids if ids.count(one) > 1}:
            raise ValueError(f"the id {sorted(doubled)[0]} is there twice")
        return self


@functools.cache
def load_known_bad(path: Path = KNOWN_BAD_FILE) -> KnownBad:
    """The rows.

    :raises DataError: anything wrong, by file and line
    """
    return validate(KnownBad, load_yaml(path))


def found_in(lock: Lock, table: KnownBad | None = None) -> list[Combination]:
    """The rows that the lock holds."""
    rows = (table or load_known_bad()).combinations
    return [row for row in rows if any(_holds(row, lock, name) for name in (*lock.distributions, ""))]


def refuse_known_bad(lock: Lock, where: str = "", table: KnownBad | None = None) -> list[Combination]:
    """The rows of severity warn that the lock holds.

    :param where: the lock's file
    :raises DataError: it holds one of severity refuse
    """
    found = found_in(lock, table)
    if bad := [row for row in found if row.severity == "refuse"]:
        text = "; ".join(f"{row.what}: {row.why} ({row.sources[0].url}) [{row.id}]" for row in bad)
        raise DataError(f"holds what is known not to go together: {text}", where or "the lock", bad[0].remedy)
    return found


def _holds(row: Combination, lock: Lock, distribution: str) -> bool:
    return all(
        any(_meets(condition, text, lock, distribution) for text in _subjects(condition, lock, distribution))
        for condition in row.when
    )


def _subjects(condition: Condition, lock: Lock, distribution: str) -> Iterator[str]:
    """The texts that a condition is about; none where the lock has nothing of the kind."""
    if condition.package:
        packages = lock.distributions[distribution].packages if distribution else {}
        if condition.package in packages:
            yield packages[condition.package].version
    elif condition.image:
        for name in lock.images:
            repository, _, tag = name.rpartition(":")
            if repository == condition.image:
                yield tag
    elif condition.input in lock.inputs:
        yield str(lock.inputs[condition.input])


def _meets(condition: Condition, text: str, lock: Lock, distribution: str) -> bool:
    if condition.equals and text != condition.equals:
        return False
    if condition.version_at_least and compare(text, condition.version_at_least) < 0:
        return False
    if condition.version_below and compare(text, condition.version_below) >= 0:
        return False
    if condition.differs_from:
        other = lock.distributions[distribution].packages.get(condition.differs_from)
        return other is not None and other.version != text
    return True
