"""The record of one verification: plain values that every writer reads and nothing else.

The JSON document is this record, key by key; its version is :data:`SCHEMA`. A check's outcome follows the
capability tests' meaning: a skip is "unknown", with its reason, and fails where the check was required.
"""

from __future__ import annotations

import datetime
import enum
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from wslgpu import __version__
from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_FAILED, EXIT_OK, worst_exit_code

SCHEMA = 1


class Outcome(str, enum.Enum):
    """What one check found."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "unknown"
    WAIVED = "waived"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True)
class Check:
    """One check on one host.

    :param id: permanent, ``component.thing[.aspect]``
    :param reason: why it is not a pass; empty for one
    :param remedy: what to do when it is red
    :param evidence: what the node answered, shortened
    :param notices: what is worth knowing though it is no failure
    """

    id: str
    component: str
    host: str
    outcome: Outcome
    title: str = ""
    reason: str = ""
    remedy: str = ""
    evidence: str = ""
    duration_s: float = 0.0
    notices: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "component": self.component,
            "host": self.host,
            "outcome": self.outcome.value,
            "title": self.title,
            "reason": self.reason,
            "remedy": self.remedy,
            "evidence": self.evidence,
            "duration_s": round(self.duration_s, 3),
            "notices": list(self.notices),
        }


@dataclass(frozen=True)
class Host:
    """One host that was to be verified.

    :param unknown: why it could not be judged; empty when it was
    :param lab: a lab node with a stand-in driver: nothing found there is true of a real GPU
    :param profile: the profile of pins that its settings name
    :param not_deployed: components that its groups do not give it; their suites did not run
    """

    name: str
    checks: tuple[Check, ...] = ()
    unknown: str = ""
    retryable: bool = False
    lab: bool = False
    profile: str = ""
    not_deployed: tuple[str, ...] = ()

    def count(self, outcome: Outcome) -> int:
        return Counter(check.outcome for check in self.checks)[outcome]

    @property
    def judged(self) -> bool:
        """Whether anything at all was found out about the host."""
        return any(check.outcome in (Outcome.PASS, Outcome.FAIL) for check in self.checks)

    @property
    def exit_code(self) -> int:
        """1 when a check is red, 2 when nothing was judged or judging broke off, else 0."""
        if self.count(Outcome.FAIL):
            return EXIT_FAILED
        return EXIT_CANNOT_JUDGE if self.unknown or not self.judged else EXIT_OK

    @property
    def notices(self) -> list[str]:
        return [notice for check in self.checks for notice in check.notices]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "exit_code": self.exit_code,
            "unknown": self.unknown,
            "retryable": self.retryable,
            "lab": self.lab,
            "profile": self.profile,
            "not_deployed": list(self.not_deployed),
            "counts": {outcome.value: self.count(outcome) for outcome in Outcome},
            "checks": [check.as_json() for check in self.checks],
        }


@dataclass(frozen=True)
class Record:
    """One verification of several hosts.

    :param interrupted: the exit code of the signal that ended it early, 130 or 143; 0 when none did
    """

    hosts: tuple[Host, ...]
    started: str = ""
    duration_s: float = 0.0
    interrupted: int = 0
    strict: bool = False

    @property
    def exit_code(self) -> int:
        """The worst host's code (1 before 2 before 0); no host is 2; an interrupted run has the signal's.

        ``strict`` makes a check that stayed unknown count as red.
        """
        if self.interrupted:
            return self.interrupted
        codes = [host.exit_code for host in self.hosts]
        if self.strict and self.checks(Outcome.UNKNOWN):
            codes.append(EXIT_FAILED)
        return worst_exit_code(codes)

    @property
    def lab(self) -> bool:
        return any(host.lab for host in self.hosts)

    def checks(self, outcome: Outcome) -> list[Check]:
        return [check for host in self.hosts for check in host.checks if check.outcome is outcome]

    def as_json(self) -> dict[str, Any]:
        """The JSON document of ``wslgpu verify --json``."""
        return {
            "schema": SCHEMA,
            "tool": "wslgpu",
            "tool_version": __version__,
            "kind": "verify",
            "started": self.started,
            "duration_s": round(self.duration_s, 3),
            "interrupted": bool(self.interrupted),
            "exit_code": self.exit_code,
            "mark": mark_of(self),
            "hosts": [host.as_json() for host in self.hosts],
        }


def mark_of(record: Record) -> str:
    """What stands over every report of a lab node, so that none can pass for a real one's."""
    return "lab, stand-in driver" if record.lab else ""


def now() -> str:
    """The time in UTC, as records write it."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def check_from_json(data: dict[str, Any]) -> Check:
    """Read back :meth:`Check.as_json`.

    :raises KeyError, ValueError: it is not one
    """
    return Check(
        id=data["id"],
        component=data["component"],
        host=data["host"],
        outcome=Outcome(data["outcome"]),
        title=data["title"],
        reason=data["reason"],
        remedy=data["remedy"],
        evidence=data["evidence"],
        duration_s=float(data["duration_s"]),
        notices=tuple(data["notices"]),
    )


def with_required(checks: Iterable[Check], required: Iterable[str]) -> tuple[Check, ...]:
    """The checks, with the unknown ones that are required made red; a required check that does not exist is red too.

    :param required: ids, or components as a whole
    """
    checks, names = list(checks), set(required)
    known = {name for check in checks for name in (check.id, check.component)}
    nowhere = tuple(
        Check(name, name.split(".", 1)[0], checks[0].host, Outcome.FAIL, reason="required, and there is no such check")
        for name in sorted(names - known)
        if name.split(".", 1)[0] in known
    )
    return nowhere + tuple(
        replace(check, outcome=Outcome.FAIL, reason=f"required, and unknown: {check.reason}")
        if check.outcome is Outcome.UNKNOWN and names & {check.id, check.component}
        else check
        for check in checks
    )
