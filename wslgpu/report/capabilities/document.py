"""The JSON report's shape, ``wslgpu.check/1``. ``schema.json`` is made from it, and a report is read back through it.

A later version may add keys, which then have defaults here, so that reports that were kept stay readable. A key is
never renamed or given another meaning under the same schema name.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wslgpu.catalogue.model import Confidence, Expected, Platform
from wslgpu.errors import ErrorClass
from wslgpu.probe.document import Level, Status
from wslgpu.verdict.model import State, Verdict

SCHEMA = "wslgpu.check/1"
SCHEMA_ADDRESS = "https://json-schema.org/draft/2020-12/schema"
Text = Annotated[str, Field(max_length=4000)]
Ids = Annotated[tuple[Text, ...], Field(max_length=2000)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SourceShape(_Shape):
    """A public page that an expectation rests on."""

    url: Annotated[str, Field(pattern=r"^https://\S+$", max_length=2000)]
    date: datetime.date = Field(description="when it was read or published")
    what: Text


class WaiverShape(_Shape):
    """A site accepts that a capability is missing, until a day."""

    capability: Text
    reason: Text
    person: Text
    expires: datetime.date = Field(description="the last day on which it holds")


class EvidenceShape(_Shape):
    """One observation that a judgement rests on."""

    observation: Text
    status: Status = Field(description="observed, or why there is no value: crash, hang, unknown")
    value: Any = Field(default=None, description="what the node answered; long texts and lists are cut")
    reason: Text = ""
    command: Text = Field(default="", description="what a person would type to see the same")
    level: Level = Field(default=Level.QUICK, description="the least level of probing that makes it")


class CapabilityShape(_Shape):
    """One capability on one node."""

    id: Text
    title: Text
    state: State = Field(
        description="cannot: the platform lacks it; broken: the platform has it, this node does not; "
        "not-tested: nobody could look; blocked: see cause"
    )
    reason: Text
    cause: Text = Field(default="", description="the capability at the root when it is blocked")
    expected: Expected | None = Field(default=None, description="what the platform gives; null when nobody knows")
    confidence: Confidence | None = Field(default=None, description="of the expectation")
    note: Text = ""
    remedy: Text = ""
    sources: tuple[SourceShape, ...] = Field(default=(), max_length=100)
    evidence: tuple[EvidenceShape, ...] = Field(default=(), max_length=200)
    waiver: WaiverShape | None = None
    waiver_expired: bool = False


class WorkloadReasonShape(_Shape):
    """Why a workload is not GO."""

    capability: Text
    state: State
    consequence: Text
    remedy: Text = ""
    waived: bool = False


class WorkloadShape(_Shape):
    """One workload on one node."""

    id: Text
    title: Text
    verdict: Verdict
    required: bool = Field(default=False, description="it counts for the exit code")
    reasons: tuple[WorkloadReasonShape, ...] = Field(default=(), max_length=500, description="the decisive ones first")
    not_tested: Ids = Field(default=(), description="it would be better with these, and nobody looked at them")
    confidence: Confidence | None = None
    notes: Ids = ()
    capabilities: Ids = Field(default=(), description="all that its rule names and that was judged")


class FindingShape(_Shape):
    """Something about several nodes, or about a node as a whole."""

    id: Text
    what: Text
    nodes: Ids = ()
    remedy: Text = ""
    fails: bool = Field(default=True, description="it makes the exit code 1")


class ErrorShape(_Shape):
    """Why a node could not be probed."""

    error_class: ErrorClass = Field(alias="class")
    what: Text
    where: Text = ""
    next_step: Text = ""
    retryable: bool = False


class NodeShape(_Shape):
    """One node."""

    name: Text
    platform: Platform = Platform.UNKNOWN
    level: Level = Level.QUICK
    stand_in: bool = Field(default=False, description="a lab's, with stand-in drivers: nothing is true of a real GPU")
    exit_code: int = Field(description="0, 1 or 2, as of a check of this node alone")
    error: ErrorShape | None = Field(default=None, description="it could not be probed; then nothing else is filled")
    facts: dict[str, Text] = Field(default={}, max_length=200)
    required_capabilities: Ids = Field(default=(), description="they must hold for exit code 0, beside the workloads")
    workloads: tuple[WorkloadShape, ...] = Field(default=(), max_length=1000)
    capabilities: tuple[CapabilityShape, ...] = Field(default=(), max_length=2000)
    findings: tuple[FindingShape, ...] = Field(default=(), max_length=1000)
    benchmarks: dict[str, Any] = Field(default={}, max_length=200, description="observation id -> value")
    probe: dict[str, Any] = Field(default={}, max_length=50, description="the probe's own run")


class Report(_Shape):
    """What one `wslgpu check` or `wslgpu judge` found."""

    document_schema: Literal["wslgpu.check/1"] = Field(alias="schema")
    tool: Literal["wslgpu"] = "wslgpu"
    tool_version: Text
    catalogue_digest: Text = Field(description="SHA-256 of the catalogue that judged")
    lock_digest: Text = Field(default="", description="SHA-256 of the file of locked packages; empty when unknown")
    started: Text = Field(default="", description="ISO 8601 with zone")
    duration_s: float = Field(default=0.0, ge=0)
    operator: Text = ""
    mark: Literal["", "lab, stand-in driver"] = Field(default="", description="set when any node is a lab's")
    strict: bool = Field(default=False, description="DEGRADED counts as a failure")
    interrupted: Literal[0, 130, 143] = 0
    exit_code: int = Field(description="0 all that is required can run, 1 something cannot, 2 could not be judged")
    findings: tuple[FindingShape, ...] = Field(default=(), max_length=10000)
    nodes: tuple[NodeShape, ...] = Field(max_length=2000)


def schema() -> dict[str, Any]:
    """The published JSON Schema of a report, draft 2020-12."""
    made = Report.model_json_schema(by_alias=True)
    return {"$schema": SCHEMA_ADDRESS, "$id": "urn:wslgpu:check:1", **made, "title": SCHEMA}
