"""What stands in the way of a deploy: a node's shape, the settings and the controller's clock -> findings, all at once.

Pure. The shape is read by :mod:`wslgpu.facts.node_shape`, and a task shows what is found here.
"""

from __future__ import annotations

from wslgpu.errors import ErrorClass
from wslgpu.facts.node_shape import NodeShape
from wslgpu.preflight.finding import ControllerClock, Finding, Severity
from wslgpu.preflight.machine import judge_gpu, judge_machine
from wslgpu.preflight.room import TOOLKIT_PACKAGES, fetch_finding, judge_room
from wslgpu.preflight.state import judge_clock, judge_file_systems, judge_packages, judge_services
from wslgpu.settings import Settings

__all__ = ["ControllerClock", "Finding", "Severity", "judge", "packages_to_come", "refusals"]


def judge(shape: NodeShape, settings: Settings, clock: ControllerClock, *, gpu: bool) -> list[Finding]:
    """All findings, those that refuse first, and among them those that end with 1 before those that end with 2.

    :param gpu: the node is to become a GPU node
    """
    if not shape.complete:
        what = "the node could not be examined: the script that reads its state did not reach its end"
        return [Finding("node.unreadable", Severity.REFUSE, what, "Run it again with -vv.", ErrorClass.INTERNAL)]
    findings = [
        *judge_machine(shape, settings),
        *judge_gpu(shape, gpu=gpu and settings.gpu_at == "now"),
        *judge_packages(shape),
        *judge_clock(shape, settings, clock),
        *judge_file_systems(shape, settings),
        *judge_room(shape, settings, gpu=gpu),
        *judge_services(shape),
        fetch_finding(shape, settings, gpu=gpu),
    ]
    order = list(Severity)
    return sorted(findings, key=lambda finding: (order.index(finding.severity), finding.exit_code))


def refusals(findings: list[Finding]) -> list[Finding]:
    """Those that stop the deploy."""
    return [finding for finding in findings if finding.severity is Severity.REFUSE]


def packages_to_come(settings: Settings, *, gpu: bool) -> tuple[str, ...]:
    """The packages that a deploy installs, for node_shape.sh: ``a|b`` where either will do."""
    if not gpu:
        return tuple(settings.base_packages)
    containerd = {"auto": "containerd|containerd.io"}.get(settings.containerd_package, settings.containerd_package)
    return (*settings.base_packages, containerd, *TOOLKIT_PACKAGES)
