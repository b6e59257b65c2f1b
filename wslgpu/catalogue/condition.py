"""The language in which the catalogue speaks of observations.

A condition is one of::

    {all: [CONDITION, ...]}   {any: [CONDITION, ...]}   {not: CONDITION}
    {of: OBSERVATION, path: KEY.KEY, TEST}

``path`` may be left out; it walks into objects, and into each item of a list, which gives the list of what is found
there (lists within are joined, items without it are left out). A key that itself holds dots is found too:
``labels.nvidia.com/gpu.present``. With no test the condition is that the value is there and is not
null, false, 0 or empty. A test is one of ``equals``, ``in``, ``at_least``, ``at_most``, ``matches`` (a regular
expression, searched), ``contains`` (an item of a list, or a part of a text), ``version_at_least``,
``version_below``, ``count_at_least`` (items of a list or keys of an object), ``exists``, and ``status``.
A list that meets ``equals``, ``in``, ``at_least``, ``at_most`` or ``matches`` meets it when it is not empty and all of
its items do.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from wslgpu.probe.document import Status

Scalar = bool | int | float | str
TESTS = (
    "equals",
    "in_",
    "at_least",
    "at_most",
    "matches",
    "contains",
    "version_at_least",
    "version_below",
    "count_at_least",
    "exists",
    "status",
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Test(_Model):
    """A test of one observation's value, or of its status."""

    __test__ = False  # this is no pytest class

    of: str
    path: str = ""
    equals: Scalar | None = None
    in_: tuple[Scalar, ...] | None = Field(default=None, alias="in")
    at_least: float | None = None
    at_most: float | None = None
    matches: str | None = None
    contains: Scalar | None = None
    version_at_least: str | None = None
    version_below: str | None = None
    count_at_least: int | None = None
    exists: bool | None = None
    status: Status | None = None

    @model_validator(mode="after")
    def _one_test(self) -> Test:
        given = [name.rstrip("_") for name in TESTS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"has more than one test: {', '.join(given)}; join them with all")
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as error:
                raise ValueError(f"{self.matches!r} is no regular expression: {error}") from error
        return self

    @property
    def test(self) -> tuple[str, Any]:
        """The test's name and its operand; ``("truthy", None)`` when none is written."""
        for name in TESTS:
            if (operand := getattr(self, name)) is not None:
                return name.rstrip("_"), operand
        return "truthy", None


class All(_Model):
    """Every one holds."""

    all: tuple[Condition, ...] = Field(min_length=1)


class AnyOf(_Model):
    """At least one holds."""

    any: tuple[Condition, ...] = Field(min_length=1)


class Not(_Model):
    """It does not hold."""

    not_: Condition = Field(alias="not")


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        for key in ("all", "any", "not"):
            if key in value:
                return key
        return "test"
    return {"All": "all", "AnyOf": "any", "Not": "not"}.get(type(value).__name__, "test")


Condition = Annotated[
    Annotated[All, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Not, Tag("not")]
    | Annotated[Test, Tag("test")],
    Discriminator(_kind),
]

All.model_rebuild()
AnyOf.model_rebuild()
Not.model_rebuild()


def observations_of(condition: Any) -> tuple[str, ...]:
    """The ids that a condition speaks of, each once, in reading order."""
    if isinstance(condition, Test):
        return (condition.of,)
    if isinstance(condition, Not):
        return observations_of(condition.not_)
    parts = condition.all if isinstance(condition, All) else condition.any
    return tuple(dict.fromkeys(name for part in parts for name in observations_of(part)))
