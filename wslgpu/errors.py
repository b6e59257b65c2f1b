"""What can go wrong, and the exit code that follows.

::

    WslgpuError            what, where, next step; error class; retryable
    ├── DataError          a value in the data: file and line     -> usage, 2
    ├── UsageError         the command line                       -> usage, 2
    ├── UnreachableError   no connection to a host                -> network, 2, retryable
    └── (lab, build, ...)  each package subclasses for its own

Exit codes are the README's table; ``EXIT_CODES`` is its one source, and a test holds the two together.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any


class ErrorClass(str, enum.Enum):
    """The kind of a failure: ``error.class`` in every JSON document."""

    USAGE = "usage"
    NETWORK = "network"
    INTEGRITY = "integrity"
    SAFETY = "safety"
    PLATFORM = "platform"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CANNOT_JUDGE = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

EXIT_CODES: dict[int, str] = {
    EXIT_OK: "done, or already so; a degraded node counts as done unless --strict is given",
    EXIT_FAILED: "a change failed, a check is red, or something was refused as unsafe or of the wrong hash",
    EXIT_CANNOT_JUDGE: "nothing was judged or done: wrong usage or data, host unreachable, lock or network deadline",
    EXIT_INTERRUPTED: "interrupted (Ctrl-C)",
    EXIT_TERMINATED: "terminated (SIGTERM)",
}


def exit_code_for(error_class: ErrorClass, *, retryable: bool = False) -> int:
    """The exit code of one failure: 2 for usage, network and anything worth a retry as it is, else 1."""
    if retryable or error_class in (ErrorClass.USAGE, ErrorClass.NETWORK):
        return EXIT_CANNOT_JUDGE
    return EXIT_FAILED


def worst_exit_code(codes: list[int]) -> int:
    """The exit code of several hosts: 1 comes before 2, and 2 before 0. No host at all could not be judged."""
    if not codes:
        return EXIT_CANNOT_JUDGE
    for code in (EXIT_FAILED, EXIT_CANNOT_JUDGE):
        if code in codes:
            return code
    return EXIT_OK


@dataclass
class WslgpuError(Exception):
    """A failure that a person can act on.

    :param what: what is wrong, one sentence without a full stop
    :param where: the file and line, host and step, or address that it concerns
    :param next_step: what to do about it
    """

    what: str
    where: str = ""
    next_step: str = ""
    error_class: ErrorClass = ErrorClass.PLATFORM
    retryable: bool = False

    def __post_init__(self) -> None:
        super().__init__(self.what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.next_step}" if self.next_step else text

    @property
    def exit_code(self) -> int:
        """The process exit code that this failure ends with."""
        return exit_code_for(self.error_class, retryable=self.retryable)

    def as_json(self) -> dict[str, Any]:
        """The ``error`` object of JSON output: class, what, where, next_step, retryable."""
        return {
            "class": self.error_class.value,
            "what": self.what,
            "where": self.where,
            "next_step": self.next_step,
            "retryable": self.retryable,
        }


class DataError(WslgpuError):
    """A value in group_data, pins, site.yml or an inventory is wrong; ``where`` is ``file:line``."""

    def __init__(self, what: str, where: str, next_step: str = "") -> None:
        super().__init__(what, where, next_step, ErrorClass.USAGE)


class UsageError(WslgpuError):
    """The command line, or the place it was called in, is wrong."""

    def __init__(self, what: str, where: str = "", next_step: str = "") -> None:
        super().__init__(what, where, next_step, ErrorClass.USAGE)


class UnreachableError(WslgpuError):
    """No connection to a host; it stays unknown rather than failed."""

    def __init__(self, what: str, where: str, next_step: str = "") -> None:
        super().__init__(what, where, next_step, ErrorClass.NETWORK, True)
