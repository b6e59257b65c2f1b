"""A link of the chain, and what was found of it. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_FAILED, EXIT_OK


class LinkState(str, enum.Enum):
    """How a link stands."""

    HOLDS = "holds"
    BROKEN = "broken"
    """The first one of the chain is the finding."""
    BECAUSE = "because-of"
    """It does not hold either, and an earlier link is why."""
    UNKNOWN = "unknown"
    """Nobody could look, or it depends on one that is broken."""
    NOT_ASKED = "not-asked"


LINKS = {
    "cdi-spec": "CDI spec",
    "runtime-handler": "runtime handler in the running containerd",
    "runtime-class": "RuntimeClass",
    "registration": "the plugin's registration with the kubelet",
    "allocatable": "allocatable nvidia.com/gpu",
    "label": "label of the node",
    "pod": "a pod's view",
}
"""Identifier and title, in the chain's order."""


@dataclass(frozen=True)
class Link:
    """One link as it was found.

    :param what: one sentence without a full stop
    :param evidence: what was observed, a line each
    :param remedy: what to do about it; empty when it holds
    :param cause: identifier of a recognised cause, such as ``spec-stale``; empty for none
    :param because: identifier of the earlier link that explains it
    :param notes: what a person should know though it holds
    """

    id: str
    state: LinkState
    what: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    cause: str = ""
    because: str = ""
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return LINKS[self.id]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "state": self.state.value,
            "what": self.what,
            "evidence": list(self.evidence),
            "remedy": self.remedy,
            "cause": self.cause,
            "because": self.because,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Chain:
    """All links of one node, in order.

    :param node: its name in the cluster
    :param stand_in: it is a lab's node, with a stand-in driver
    """

    node: str
    links: tuple[Link, ...]
    stand_in: bool = False

    @property
    def finding(self) -> Link | None:
        """The first broken link."""
        return next((link for link in self.links if link.state is LinkState.BROKEN), None)

    @property
    def exit_code(self) -> int:
        """1 for a broken link, 2 when one that was asked for could not be looked at, else 0."""
        if self.finding is not None:
            return EXIT_FAILED
        return EXIT_CANNOT_JUDGE if any(link.state is LinkState.UNKNOWN for link in self.links) else EXIT_OK

    def link(self, link_id: str) -> Link:
        return next(link for link in self.links if link.id == link_id)

    def as_json(self) -> dict[str, Any]:
        """The document of ``--json``."""
        finding = self.finding
        return {
            "schema": 1,
            "node": self.node,
            "stand_in": self.stand_in,
            "finding": finding.as_json() if finding else None,
            "links": [link.as_json() for link in self.links],
            "exit_code": self.exit_code,
        }
