"""One thing that preflight found about a node."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wslgpu.errors import ErrorClass, exit_code_for


class Severity(enum.Enum):
    """What a finding means for the deploy."""

    REFUSE = "refuse"
    """Nothing may be changed before it is put right."""
    DEGRADED = "degraded"
    """The deploy goes on; the node is not as healthy as it should be."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True)
class Finding:
    """One thing about a node.

    :param id: permanent name
    :param what: what and where, one sentence without a full stop
    :param next_step: what to do about it; empty where nothing is to be done
    """

    id: str
    severity: Severity
    what: str
    next_step: str = ""
    error_class: ErrorClass = ErrorClass.PLATFORM
    retryable: bool = False

    @property
    def exit_code(self) -> int:
        """The exit code that a refusal for this reason ends with."""
        return exit_code_for(self.error_class, retryable=self.retryable)

    @property
    def script_class(self) -> str:
        """The class as node scripts print it."""
        return self.error_class.value + (" retryable" if self.retryable else "")


@dataclass(frozen=True)
class ControllerClock:
    """The controller's time, in seconds since 1970, before and after the node was asked for its own."""

    before: float
    after: float


def refuse(
    finding_id: str,
    what: str,
    next_step: str,
    error_class: ErrorClass = ErrorClass.PLATFORM,
    *,
    retryable: bool = False,
) -> Finding:
    """A finding that stops the deploy."""
    return Finding(finding_id, Severity.REFUSE, what, next_step, error_class, retryable)
