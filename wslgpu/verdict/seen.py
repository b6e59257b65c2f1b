"""Values of a document for those who compute from them: of the registry's shape, or not at all."""

from __future__ import annotations

from typing import Any

from wslgpu.probe.document import Observations, Status
from wslgpu.report.plain import clean
from wslgpu.verdict.shape import shape_of


class NotSeenError(Exception):
    """What something is computed from was not observed; the text says what and why."""


class Seen:
    """A document's observed values."""

    def __init__(self, document: Observations) -> None:
        self.document = document

    def value(self, observation_id: str) -> Any:
        """The value, which has its shape (so None only where the shape allows it).

        :raises NotSeenError: it is not there, or of another shape
        """
        observation = self.document.get(observation_id)
        if observation.status is not Status.OBSERVED:
            why = clean(observation.reason, 200) or observation.status.value
            raise NotSeenError(f"{observation_id} was not observed: {why}")
        if not shape_of(observation_id).has(observation.value):
            raise NotSeenError(f"{observation_id} is not of the expected shape")
        return observation.value

    def or_none(self, observation_id: str) -> Any:
        """The value, or None when it was not observed."""
        try:
            return self.value(observation_id)
        except NotSeenError:
            return None
