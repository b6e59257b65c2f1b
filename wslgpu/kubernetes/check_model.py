"""What a check found before anything is applied. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_FAILED, EXIT_OK


class Verdict(str, enum.Enum):
    """How one question ends."""

    FITS = "fits"
    REFUSED = "refused"
    """It cannot run: nothing is applied, and --force does not change that."""
    WARNING = "warning"
    """It would run, and a person should decide: applied with --force only."""
    CANNOT_TELL = "cannot-tell"
    NOTE = "note"


@dataclass(frozen=True)
class Judgement:
    """One question about one workload.

    :param id: the question: gpus, shared-memory, paths, ports, images, runtime-class, ...
    :param what: one sentence without a full stop
    :param evidence: what was observed
    :param next_step: what to do; empty when it fits
    """

    id: str
    verdict: Verdict
    what: str
    evidence: tuple[str, ...] = ()
    next_step: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "verdict": self.verdict.value,
            "what": self.what,
            "evidence": list(self.evidence),
            "next_step": self.next_step,
        }

    def __str__(self) -> str:
        return f"{self.what}. {self.next_step}" if self.next_step else self.what


def exit_code(judgements: Iterable[Judgement]) -> int:
    """1 when something cannot run, 2 when something could not be judged, else 0."""
    verdicts = {one.verdict for one in judgements}
    if Verdict.REFUSED in verdicts:
        return EXIT_FAILED
    return EXIT_CANNOT_JUDGE if Verdict.CANNOT_TELL in verdicts else EXIT_OK
