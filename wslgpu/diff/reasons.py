"""What may differ, each with its reason: ``reasons.yml``, its schema and its loader."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from wslgpu.pins import Strict
from wslgpu.yaml_source import load_yaml, validate

REASONS = Path(__file__).parent / "reasons.yml"

Comparing = Literal["rebuild", "removal", "upgrade", "nodes"]
"""``rebuild``: two nodes made from nothing. ``removal``: one node before it was provisioned and after all was removed.
``upgrade``: a node that got there by way of an older lock, and one that did not. ``nodes``: any two nodes in use."""

_SECTIONS = ("path", "package", "unit", "user", "group", "image")


class Reason(Strict):
    """One reason.

    :param comparing: where it holds
    :param paths: patterns; ``*`` stays within a folder, ``**`` does not, and ``/**`` at the end is the folder too
    :param what: the properties that it explains (``content``, ``mode``, ``there`` ...); empty: all
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]+$")]
    comparing: Annotated[list[Comparing], Field(min_length=1)]
    paths: list[Annotated[str, Field(pattern=r"^/")]] = []
    packages: list[str] = []
    units: list[str] = []
    users: list[str] = []
    groups: list[str] = []
    images: list[str] = []
    what: list[str] = []
    why: Annotated[str, Field(min_length=20)]

    @model_validator(mode="after")
    def _about_something(self) -> Reason:
        if not any(self.patterns(section) for section in _SECTIONS):
            raise ValueError("names nothing that may differ: give paths, packages, units, users, groups or images")
        return self

    def patterns(self, section: str) -> list[str]:
        """Its patterns for ``path``, ``package``, ``unit``, ``user``, ``group`` or ``image``."""
        found: list[str] = getattr(self, f"{section}s")
        return found

    def explains(self, section: str, name: str, what: tuple[str, ...]) -> bool:
        """Whether a difference in these properties of that name is this one's."""
        if self.what and not set(what) <= set(self.what):
            return False
        return any(_pattern(pattern).fullmatch(name) for pattern in self.patterns(section))


class Reasons(Strict):
    """The whole file."""

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    reasons: list[Reason] = []

    @model_validator(mode="after")
    def _each_once(self) -> Reasons:
        names = [reason.id for reason in self.reasons]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the reason {name!r} is there twice")
        return self

    def reason_for(self, section: str, name: str, what: tuple[str, ...]) -> Reason | None:
        """The first that explains a difference."""
        return next((reason for reason in self.reasons if reason.explains(section, name, what)), None)


def load_reasons(comparing: Comparing, path: Path = REASONS) -> Reasons:
    """Those reasons that hold for one kind of comparison.

    :raises DataError: the file is wrong, by file and line
    """
    whole = validate(Reasons, load_yaml(path))
    return whole.model_copy(update={"reasons": [one for one in whole.reasons if comparing in one.comparing]})


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    below = text.endswith("/**")
    parts = re.split(r"(\*\*|\*|\?)", text[:-3] if below else text)
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(part) or re.escape(part) for part in parts) + ("(/.*)?" if below else ""), re.S)
