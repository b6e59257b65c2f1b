"""Preflight as an operation: shows all that it finds, changes nothing, and fails a host that should not be touched."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, cast

from pyinfra import host
from pyinfra.api import Host, StringCommand, operation
from pyinfra.context import ctx_host

from wslgpu.facts import bound
from wslgpu.facts.node_shape import NodeShapes
from wslgpu.node_script import command_line
from wslgpu.operations.notes import tell, would_refuse
from wslgpu.operations.script import SCRIPTS, script
from wslgpu.preflight import ControllerClock, Finding, Severity, judge, packages_to_come, refusals
from wslgpu.settings import Settings


def examine(settings: Settings, *, gpu: bool) -> list[Finding]:
    """Read the host in context and judge it; one round trip."""
    before = time.time()
    shape = bound.read(
        NodeShapes,
        data_dir=settings.data_dir,
        namespace=settings.cuda_images_namespace,
        packages=packages_to_come(settings, gpu=gpu),
    )
    return judge(shape, settings, ControllerClock(before, time.time()), gpu=gpu)


@operation()
def check(settings: Settings, *, gpu: bool) -> Generator[StringCommand, None, None]:
    """Refuse a node that a deploy would harm or fail on, with every reason at once; say what else there is to know.

    Where apt being locked is the only reason, its holder is waited for first: on a machine that has just started it
    is the distribution's own update.

    :param gpu: the node is to become a GPU node
    """
    # a stored answer would be older than the clock reading that it is compared with
    bound.forget()
    findings = examine(settings, gpu=gpu)
    if (
        host.state.is_executing
        and [finding.id for finding in refusals(findings)] == ["apt.lock"]
        and settings.apt_lock_timeout_s
    ):
        tell(f"{refusals(findings)[0].what}; waiting up to {settings.apt_lock_timeout_s} s")
        _wait_for_apt(settings.apt_lock_timeout_s)
        bound.forget()
        findings = examine(settings, gpu=gpu)
    for finding in findings:
        text = ". ".join(part for part in (finding.what, finding.next_step) if part)
        if finding.severity is Severity.DEGRADED:
            tell(f"degraded: {text}", warning=True)
        elif finding.severity is Severity.NOTE:
            tell(text)
    found = refusals(findings)
    if not found:
        host.noop("nothing stands in the way")
        return
    for finding in found:
        would_refuse(finding.script_class, finding.what, finding.next_step)
    problems = [text for finding in found for text in (finding.script_class, finding.what, finding.next_step)]
    yield script("fail", *problems)


def _wait_for_apt(timeout_s: int) -> None:
    """Wait on the node until nobody holds apt's locks, or the time is up. No change, so no yielded command."""
    arguments: dict[str, Any] = dict(host.current_op_global_arguments or {})
    cast(Host, ctx_host.get()).run_shell_command(  # type: ignore[no-untyped-call]
        StringCommand(command_line(SCRIPTS / "wait_for_apt.sh", (timeout_s,))),
        _sudo=bool(arguments.get("_sudo")),
        _timeout=timeout_s + 30,
    )
