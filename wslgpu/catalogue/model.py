"""The schema of the catalogue and of a site's folder. Unknown keys are errors, everywhere."""

from __future__ import annotations

import datetime
import enum
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from wslgpu.catalogue.condition import Condition

_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+){1,3}")
_VERSION_RANGE = re.compile(r"(>=|<|==)\d[0-9A-Za-z.+~:-]*")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _permanent_id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError("an id is area.thing[.aspect], lower-case letters, digits and _")
    return value


Id = Annotated[str, AfterValidator(_permanent_id)]
Text = Annotated[str, Field(min_length=1), AfterValidator(lambda text: " ".join(text.split()))]


class Platform(str, enum.Enum):
    """Where the node runs, as judged from at least two signals."""

    WSL2 = "wsl2"
    WSL1 = "wsl1"
    LINUX = "linux"
    DOCKER_DESKTOP = "docker-desktop"
    UNKNOWN = "unknown"


class Expected(str, enum.Enum):
    """What a platform gives: ``varies`` is recorded and reported, never a gate."""

    WORKS = "works"
    LIMITED = "limited"
    CANNOT = "cannot"
    VARIES = "varies"


class Confidence(str, enum.Enum):
    """How sure the expectation is: confirmed by a primary source, likely, or a single report."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Source(_Model):
    """A public page that the expectation rests on; ``date`` is when it was read or published."""

    url: str = Field(pattern=r"https://\S+")
    date: datetime.date
    what: Text


class Expectation(_Model):
    """What is expected on one platform; the first row that fits counts.

    :param when: version ranges that all must hold, e.g. ``{toolkit: "<1.20"}`` or ``{driver: ">=580"}``; keys are
        those of the derived observation ``derived.versions``; several ranges are separated by commas
    """

    platform: Platform | None = None
    when: dict[str, str] = {}
    expect: Expected
    confidence: Confidence
    note: Text | None = None
    sources: tuple[Source, ...] = ()

    @field_validator("when")
    @classmethod
    def _ranges(cls, value: dict[str, str]) -> dict[str, str]:
        for ranges in value.values():
            for part in ranges.split(","):
                if not _VERSION_RANGE.fullmatch(part.strip()):
                    raise ValueError(f"{part.strip()!r} is no version range; write >=1.2, <1.2 or ==1.2")
        return value


class Remedies(_Model):
    """What to do, where that is not the same on every platform.

    :param docker_desktop: where it is not given, that of WSL2: both have Windows' driver
    """

    wsl2: Text
    linux: Text
    docker_desktop: Text | None = Field(default=None, alias="docker-desktop")

    def on(self, platform: Platform) -> str:
        """What to do on one platform; where it is not known which one it is, what to do on each."""
        if platform is Platform.LINUX:
            return self.linux
        if platform is Platform.DOCKER_DESKTOP and self.docker_desktop is not None:
            return self.docker_desktop
        if platform is Platform.UNKNOWN:
            return f"On WSL2: {_ended(self.wsl2)} On Linux: {self.linux}"
        return self.wsl2


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


Remedy = Annotated[
    Annotated[Text, Tag("text")] | Annotated[Remedies, Tag("platforms")],
    Discriminator(lambda value: "text" if isinstance(value, str) else "platforms"),
]


class Claim(_Model):
    """What a document in circulation claims, and why that is wrong."""

    claimed: Text
    in_fact: Text


class Capability(_Model):
    """One thing that a node can or cannot do.

    :param id: permanent
    :param meaning: what it means for users
    :param works: holds when the node has the capability
    :param limited: holds when it has it only in part
    :param applies: holds when the question makes sense on the node (Docker is there, a GPU of AMD's, ...)
    :param needs: capabilities without which it was never going to work: the first one missing is the cause
    :param remedy: what to do, in one text or by platform
    :param lab: why a lab node, which is no WSL, lacks it: what is missing there is not broken, and shows nothing
    :param seen: what of this has been observed on real hardware by this project, and on what; empty: nothing yet
    """

    id: Id
    title: Text
    meaning: Text
    works: Condition
    limited: Condition | None = None
    applies: Condition | None = None
    needs: tuple[Id, ...] = ()
    expectations: tuple[Expectation, ...] = Field(min_length=1)
    remedy: Remedy
    sources: tuple[Source, ...] = Field(min_length=1)
    claims: tuple[Claim, ...] = ()
    lab: Text | None = None
    seen: Text | None = None

    def remedy_on(self, platform: Platform) -> str:
        """What to do about it on a platform."""
        return self.remedy if isinstance(self.remedy, str) else self.remedy.on(platform)

    @property
    def area(self) -> str:
        """What the id begins with."""
        return self.id.split(".", 1)[0]


class Degradation(_Model):
    """A capability without which a workload runs, but worse.

    :param consequence: what is lost, as the user meets it
    """

    capability: Id
    consequence: Text


class Workload(_Model):
    """A rule over capabilities.

    :param requires: without one of them: NO-GO
    :param one_of: of each group at least one must be there
    :param better_with: without one of them: DEGRADED
    :param applies: when it does not hold the workload is not judged on the node
    :param standard: judged as required when a site requires nothing and none is named
    """

    id: Annotated[str, Field(pattern=r"[a-z][a-z0-9]*([-.][a-z0-9]+)*")]
    title: Text
    meaning: Text
    requires: tuple[Id, ...] = Field(min_length=1)
    one_of: tuple[tuple[Id, ...], ...] = ()
    better_with: tuple[Degradation, ...] = ()
    applies: Condition | None = None
    standard: bool = False
    notes: tuple[Text, ...] = ()
    sources: tuple[Source, ...] = ()


class Waiver(_Model):
    """A site accepts that a capability is missing, until a day.

    :param expires: the last day on which it holds; from the next day on it is a failure of its own
    """

    capability: Id
    reason: Text
    person: Text
    expires: datetime.date


class Override(_Model):
    """What a site says of a capability of ours in our place, and why. It makes nothing work that does not.

    :param remedy: what to do at this site
    :param expectations: rows that stand before ours, each with a source of its own
    """

    capability: Id
    reason: Text
    person: Text
    remedy: Remedy | None = None
    expectations: tuple[Expectation, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Override:
        if self.remedy is None and not self.expectations:
            raise ValueError("names neither a remedy nor expectations")
        if not all(row.sources for row in self.expectations):
            raise ValueError("has an expectation without sources: those of our entry do not say it")
        return self

    def over(self, capability: Capability) -> Capability:
        """The capability as the site has it."""
        why = f"at this site: {self.reason} ({self.person})"
        rows = [row.model_copy(update={"note": f"{row.note}; {why}" if row.note else why}) for row in self.expectations]
        changes = {"remedy": self.remedy or capability.remedy, "expectations": (*rows, *capability.expectations)}
        return capability.model_copy(update=changes)


class CapabilityFile(_Model):
    """``capabilities/*.yml``."""

    capabilities: tuple[Capability, ...]


class WorkloadFile(_Model):
    """``workloads/*.yml``."""

    workloads: tuple[Workload, ...]


class SiteFile(_Model):
    """``site.yml`` of a site's folder: what it requires, what it waives, and what it knows better."""

    require_workloads: tuple[str, ...] = ()
    require_capabilities: tuple[Id, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    overrides: tuple[Override, ...] = ()
