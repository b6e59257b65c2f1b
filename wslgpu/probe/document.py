"""The observation document: what one probe of one node answered, checked as the untrusted text that it is.

A document is plain JSON, at most :data:`SIZE_LIMIT_BYTES` long, and of one version, :data:`SCHEMA`. An observation
has a status: ``observed`` (``value`` holds what was found; an error that a library returned is a value too),
``crash`` (the child process that looked was killed by a signal), ``hang`` (it had to be ended), or ``unknown``
(it was not looked at, and ``reason`` says why). Only ``observed`` carries a value.
"""

from __future__ import annotations

import enum
import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.report.plain import clean

SCHEMA = "wslgpu.observations/1"
SIZE_LIMIT_BYTES = 2 << 20
DEPTH_LIMIT = 12
TEXT_LIMIT_CHARACTERS = 64 << 10
OBSERVATION_LIMIT = 1000
_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+){1,4}")


class Status(str, enum.Enum):
    """How an observation ended."""

    OBSERVED = "observed"
    CRASH = "crash"
    HANG = "hang"
    UNKNOWN = "unknown"


class Level(str, enum.Enum):
    """How much a probe does: reads only, short functional probes, benchmarks."""

    QUICK = "quick"
    STANDARD = "standard"
    FULL = "full"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class View(str, enum.Enum):
    """Where the program ran: on the node itself, or in a container or pod on it."""

    NODE = "node"
    CONTAINER = "container"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Observation(_Strict):
    """One thing that was looked at.

    :param value: plain JSON; its shape is the registry's
    :param reason: why there is no value, or what the signal was; empty when observed
    :param command: what a person would type to see the same
    :param seconds: how long it took
    """

    status: Status
    value: Any = None
    reason: str = ""
    command: str = ""
    seconds: float = Field(default=0.0, ge=0.0, le=86400.0)

    @field_validator("status", mode="before")
    @classmethod
    def _status(cls, value: Any) -> Any:
        return Status(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _only_observed_has_value(self) -> Observation:
        if self.status is not Status.OBSERVED and self.value is not None:
            raise ValueError(f"an observation that is {self.status.value!r} has no value")
        return self


class ProbeRun(_Strict):
    """The run that made the document.

    :param program: sha256 of the program that was sent
    :param interpreter: ``python3 3.11.2`` or ``sh``
    :param started: the node's clock, seconds since 1970
    :param cpu_s: CPU time of the program and its children, user and system
    """

    level: Level
    view: View
    program: str = ""
    interpreter: str
    started: float = Field(ge=0)
    duration_s: float = Field(ge=0)
    cpu_s: float = Field(ge=0)
    uid: int

    @field_validator("level", mode="before")
    @classmethod
    def _level(cls, value: Any) -> Any:
        return Level(value) if isinstance(value, str) else value

    @field_validator("view", mode="before")
    @classmethod
    def _view(cls, value: Any) -> Any:
        return View(value) if isinstance(value, str) else value


class Identity(_Strict):
    """What tells one node from another. Saved and shown only as digests unless asked for otherwise."""

    hostname: str = ""
    machine_id: str = ""
    ssh_host_keys: tuple[str, ...] = ()

    @field_validator("ssh_host_keys", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Observations(_Strict):
    """One node's document.

    :param stand_in: the node is a lab's, with stand-in drivers: nothing here is true of a real GPU
    :param received: the controller's clock when the document came, seconds since 1970; 0 when nobody noted it
    :param redacted: identities and addresses were taken out
    """

    document_schema: str = Field(alias="schema")
    probe: ProbeRun
    identity: Identity = Identity()
    stand_in: bool = False
    received: float = Field(default=0.0, ge=0)
    redacted: bool = False
    observations: dict[str, Observation]

    @field_validator("document_schema")
    @classmethod
    def _known_schema(cls, value: str) -> str:
        if value != SCHEMA:
            raise ValueError(f"this wslgpu reads {SCHEMA}")
        return value

    @field_validator("observations")
    @classmethod
    def _bounded(cls, value: dict[str, Observation]) -> dict[str, Observation]:
        if len(value) > OBSERVATION_LIMIT:
            raise ValueError(f"holds {len(value)} observations, more than {OBSERVATION_LIMIT}")
        for key in value:
            if not _ID.fullmatch(key):
                raise ValueError(f"{clean(key, 60)!r} cannot be an observation's id")
        return value

    def get(self, observation_id: str) -> Observation:
        """One observation; ``unknown`` when the document does not have it."""
        missing = Observation(status=Status.UNKNOWN, reason="the probe did not answer this")
        return self.observations.get(observation_id, missing)

    def as_json(self) -> str:
        """The document's text; :func:`parse` reads it back to an equal document."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=1, sort_keys=True) + "\n"


class DocumentError(WslgpuError):
    """What came back is no observation document."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(
            what,
            where,
            "Run the probe again; when it stays so, treat the node as untrusted.",
            ErrorClass.INTEGRITY,
        )


def parse(raw: bytes | str, where: str = "") -> Observations:
    """Read a document.

    :param where: the node or file, for the error
    :raises DocumentError: too long, too deep, not UTF-8, not JSON, a key twice, NaN, another schema, a wrong shape
    """
    data = raw.encode() if isinstance(raw, str) else raw
    if len(data) > SIZE_LIMIT_BYTES:
        raise DocumentError(f"the answer is {len(data)} bytes long, more than {SIZE_LIMIT_BYTES}", where)
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_bounded_int
        )
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"the answer is not a JSON document: {clean(str(error), 120)}", where) from error
    try:
        _check_bounds(value, DEPTH_LIMIT)
        _check_keys(value)
        return Observations.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = clean(".".join(str(part) for part in first["loc"]), 120)
        raise DocumentError(f"the answer has a wrong shape: {place}: {clean(first['msg'], 160)}", where) from error
    except ValueError as error:
        raise DocumentError(f"the answer has a wrong shape: {clean(str(error), 160)}", where) from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _bounded_int(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a number has more than 20 digits")
    return int(text)


def _check_keys(value: Any) -> None:
    """Refuse what has keys of its own choice, or too many of them: pydantic would write down a fault for each."""
    if not isinstance(value, dict):
        return
    found = value.get("observations")
    rows = list(found.items())[: OBSERVATION_LIMIT + 1] if isinstance(found, dict) else []
    if len(rows) > OBSERVATION_LIMIT:
        raise ValueError(f"holds {len(found)} observations, more than {OBSERVATION_LIMIT}")  # type: ignore[arg-type]
    parts: list[tuple[str, Any, type[BaseModel]]] = [("", value, Observations)]
    parts += [(name, value.get(name), model) for name, model in (("probe", ProbeRun), ("identity", Identity))]
    parts += [(f"observations.{name}", row, Observation) for name, row in rows]
    for place, part, model in parts:
        if isinstance(part, dict):
            known = {field.alias or name for name, field in model.model_fields.items()}
            odd = next((key for key in part if key not in known), None)
            if odd is not None:
                raise ValueError(f"{clean(place, 60)}: {clean(odd, 60)!r} is no key of it")


def _check_bounds(value: Any, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"values are nested more than {DEPTH_LIMIT} deep")
    if isinstance(value, str):
        if len(value) > TEXT_LIMIT_CHARACTERS:
            raise ValueError(f"a text is {len(value)} characters long")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("a text has half of a surrogate pair")
    elif isinstance(value, float):
        if value in (float("inf"), float("-inf")):
            raise ValueError("a number is too large")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_bounds(key, depth - 1)
            _check_bounds(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_bounds(item, depth - 1)
