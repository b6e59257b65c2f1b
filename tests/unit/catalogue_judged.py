"""The hand-made nodes by name, judged against the product's catalogue."""

import datetime
import functools
from typing import Any

from tests.unit.catalogue_more_nodes import DESKTOP, KUBERNETES, POOR, RADEON, RICH
from tests.unit.catalogue_nodes import (
    BARE_METAL,
    CRASHED,
    NOTHING,
    WSL2_PAIR,
    WSL2_QUICK,
    WSL2_STANDARD,
    document,
)
from wslgpu.catalogue.load import load_catalogue
from wslgpu.probe.document import Level
from wslgpu.verdict.judge import judge_node
from wslgpu.verdict.model import NodeJudgement, State, WorkloadJudgement

TODAY = datetime.date(2026, 11, 21)
NODES = {
    "wsl2-quick": (WSL2_QUICK, Level.QUICK, None),
    "wsl2": (WSL2_STANDARD, Level.STANDARD, CRASHED),
    "wsl2-pair": (WSL2_PAIR, Level.STANDARD, CRASHED),
    "no-gpu": (NOTHING, Level.STANDARD, None),
    "bare-metal": (BARE_METAL, Level.STANDARD, None),
}
OTHERS = {
    "kubernetes": (KUBERNETES, Level.STANDARD, CRASHED),
    "docker-desktop": (DESKTOP, Level.STANDARD, CRASHED),
    "radeon": (RADEON, Level.STANDARD, None),
    "rich": (RICH, Level.FULL, None),
    "poor": (POOR, Level.FULL, None),
}


@functools.cache
def judged(name: str) -> NodeJudgement:
    values, level, crashed = {**NODES, **OTHERS}[name]
    return judge_node(name, document(values, level, crashed), load_catalogue(), today=TODAY)


def workload(node: NodeJudgement, workload_id: str) -> WorkloadJudgement:
    return next(row for row in node.workloads if row.id == workload_id)


def state(node: NodeJudgement, capability_id: str) -> State:
    return node.capability(capability_id).state


def judge(
    values: dict[str, Any], level: Level = Level.STANDARD, crashed: dict[str, str] | None = None
) -> NodeJudgement:
    return judge_node("node", document(values, level, crashed), load_catalogue(), today=TODAY)
