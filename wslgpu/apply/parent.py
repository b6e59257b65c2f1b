"""Starts the child, passes signals on, and judges what it wrote down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from wslgpu.apply.result import ApplyResult, host_result
from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_INTERRUPTED, EXIT_TERMINATED, ErrorClass, UsageError, WslgpuError
from wslgpu.settings import PROJECT_ROOT, SITE_VARIABLE

GRACE_S = 3.0
"""How long the child has, after a signal, to write down what it did."""


class InterruptedRunError(WslgpuError):
    """A signal ended the run; the command that ran on a node goes on to its own end, and keeps the node's lock."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(
            f"ended by {signal.Signals(signal_number).name}",
            "this machine",
            "Run it again: it takes up where it stopped.",
            ErrorClass.INTERNAL,
        )
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        return EXIT_INTERRUPTED if self.signal_number == signal.SIGINT else EXIT_TERMINATED


@dataclass(frozen=True)
class ApplyRequest:
    """What to apply, and where.

    :param only: components, in the order in which they run; empty: deploy.py
    :param deploy_file: another deploy file than the project's
    :param environment: variables for inventory files that read them, such as WSLGPU_LAB
    """

    inventory: Path
    only: tuple[str, ...] = ()
    limit: tuple[str, ...] = ()
    dry: bool = False
    verbose: bool = False
    site: Path | None = None
    environment: tuple[tuple[str, str], ...] = ()
    deploy_file: Path = PROJECT_ROOT / "deploy.py"

    def pyinfra_arguments(self, directory: Path) -> list[str]:
        """The command line of pyinfra that does the same; a deploy file of some components goes into ``directory``."""
        deploy_file = self.deploy_file
        if self.only:
            deploy_file = directory / "some_components.py"
            lines = [f"from tasks.{name} import {name}" for name in self.only]
            lines.append("from wslgpu.host_settings import needs_sudo")
            lines += [f"{name}(_sudo=needs_sudo())" for name in self.only]
            deploy_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        arguments = [str(self.inventory), str(deploy_file)]
        for pattern in self.limit:
            arguments += ["--limit", pattern]
        arguments.append("--dry" if self.dry else "--yes")
        if self.verbose:
            arguments.append("-vvv")
        return arguments


def run_apply(request: ApplyRequest) -> ApplyResult:
    """Run it; progress goes to standard error.

    :raises InterruptedRunError: SIGINT, SIGTERM or SIGHUP, after the child has ended
    """
    started = time.monotonic()
    environment = {**os.environ, **dict(request.environment), "PYINFRA_PROGRESS": "off"}
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (str(PROJECT_ROOT), environment.get("PYTHONPATH", "")) if part
    )
    if request.site is not None:
        environment[SITE_VARIABLE] = str(request.site.resolve())
    with tempfile.TemporaryDirectory(prefix="wslgpu-apply-") as directory:
        result_file = Path(directory) / "result.json"
        mode = "verbose" if request.verbose else "quiet"
        command = [sys.executable, "-m", "wslgpu.apply.child", str(result_file), mode]
        with (
            subprocess.Popen(
                [*command, *request.pyinfra_arguments(Path(directory))],
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=sys.stderr,
                # a group of its own, so that the terminal's Ctrl-C comes through us; but no session of its own: sudo
                # remembers a password for this terminal's session only. Python 3.10 has no process_group=
                preexec_fn=os.setpgrp,
                stdin=subprocess.DEVNULL,
            ) as child,
            _signals_passed_on(child) as received,
        ):
            code = _wait(child, received)
        if received:
            raise InterruptedRunError(received[0])
        document = _read(result_file)
    return _judge(document, code, request, time.monotonic() - started)


@contextmanager
def _signals_passed_on(child: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    received: list[int] = []

    def handler(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if child.poll() is None:
            child.send_signal(number)

    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield received
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _wait(child: subprocess.Popen[bytes], received: list[int]) -> int:
    """The child's exit code; one that does not heed a signal is killed, since it may be waiting for a dead peer."""
    while True:
        try:
            return child.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            if received:
                child.kill()


def _read(result_file: Path) -> dict[str, Any]:
    try:
        document = json.loads(result_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"ended": "killed", "hosts": {}}
    return document if isinstance(document, dict) else {"ended": "killed", "hosts": {}}


def _judge(document: dict[str, Any], code: int, request: ApplyRequest, seconds: float) -> ApplyResult:
    hosts = tuple(host_result(name, record) for name, record in sorted(document["hosts"].items()))
    if code not in (0, 1) or not (request.dry or document.get("executed")):
        hosts = tuple(host if host.errors else replace(host, outcome="unknown") for host in hosts)
    error: WslgpuError | None = None
    if not hosts:
        if code == EXIT_CANNOT_JUDGE:
            error = UsageError("the data was refused; see the line above", str(request.inventory))
        elif code == 0:
            error = UsageError(
                f"no host matches {' '.join(request.limit) or 'the inventory'}",
                str(request.inventory),
                "List them with: wslgpu inventory list",
            )
        else:
            error = WslgpuError(
                f"pyinfra ended with {code} before it reached a host ({document['ended']})",
                str(request.inventory),
                "Run it again with -v.",
                ErrorClass.INTERNAL,
            )
    elif code == EXIT_CANNOT_JUDGE:
        error = UsageError("the data was refused; see the line above", str(request.inventory))
    elif code != 0 and all(host.exit_code == 0 for host in hosts):
        error = WslgpuError(
            f"pyinfra ended with {code} ({document['ended']})",
            str(request.inventory),
            "Run it again with -v.",
            ErrorClass.INTERNAL,
        )
    return ApplyResult(hosts, error, request.dry, seconds)
