"""Answers become one judgement: of each node, and of all together."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from wslgpu import __version__
from wslgpu.catalogue.load import Catalogue
from wslgpu.check.names import require_known
from wslgpu.probe.gather import Answer
from wslgpu.project import PROJECT_ROOT
from wslgpu.verdict.model import Judgement, NodeJudgement


@dataclass(frozen=True)
class Rules:
    """What is judged by.

    :param workloads: required by the command line; empty: what the site requires, else the standard ones
    :param capabilities: required by the command line
    """

    catalogue: Catalogue
    workloads: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    strict: bool = False


@dataclass(frozen=True)
class Clock:
    """When the work began: by the calendar, and for its duration."""

    started: str
    began: float

    @classmethod
    def now(cls) -> Clock:
        now = datetime.datetime.now(datetime.timezone.utc)
        return cls(now.isoformat(timespec="seconds"), time.monotonic())


def require_names(rules: Rules) -> None:
    """Refuse workloads and capabilities that the catalogue does not have.

    :raises UsageError: with the nearest names
    """
    catalogue = rules.catalogue
    require_known(rules.workloads, catalogue.workloads, "workload", "--workload", "wslgpu catalogue list")
    require_known(rules.capabilities, catalogue.capabilities, "capability", "--require", "wslgpu catalogue list")


def judge(answers: Sequence[Answer], rules: Rules, clock: Clock, interrupted: int = 0) -> Judgement:
    """Judge each node, and all of them together."""
    from wslgpu.verdict.fleet import fleet_findings
    from wslgpu.verdict.judge import judge_node

    today = datetime.datetime.now().astimezone().date()
    nodes: list[NodeJudgement] = []
    for answer in answers:
        if answer.document is None:
            error = answer.error.as_json() if answer.error else {}
            nodes.append(NodeJudgement(answer.target.name, error=error))
            continue
        nodes.append(
            judge_node(
                answer.target.name,
                answer.document,
                rules.catalogue,
                required_workloads=rules.workloads,
                required_capabilities=rules.capabilities,
                today=today,
            )
        )
    return Judgement(
        tuple(nodes),
        catalogue_digest=rules.catalogue.digest,
        tool_version=__version__,
        started=clock.started,
        duration_s=time.monotonic() - clock.began,
        operator=operator(),
        lock_digest=lock_digest(),
        strict=rules.strict,
        interrupted=interrupted,
        findings=fleet_findings([(one.target.name, one.document) for one in answers if one.document is not None]),
    )


def operator() -> str:
    """Who ran it: the login name, without host or address."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())


def lock_digest() -> str:
    """SHA-256 of the file of locked packages; empty where only the wheel is."""
    path = PROJECT_ROOT / "requirements.txt"
    return hashlib.sha256(path.read_bytes()).hexdigest() if (PROJECT_ROOT / "deploy.py").exists() else ""
