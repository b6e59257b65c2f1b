"""One host's pytest, in a child process; what it writes is read while it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from wslgpu.report.plain import clean
from wslgpu.report.record import Check, check_from_json
from wslgpu.settings import PROJECT_ROOT
from wslgpu.verify.connection import Connections

PYTEST_OK = 0
PYTEST_TESTS_FAILED = 1
PYTEST_NO_TESTS = 5


@dataclass
class Found:
    """What a child told.

    :param problem: why it did not come to its end; empty when it did
    """

    checks: list[Check] = field(default_factory=list)
    not_deployed: list[str] = field(default_factory=list)
    expected: int = 0
    problem: str = ""
    retryable: bool = False

    def take(self, line: str, host: str) -> None:
        """Read one line of the recorder's; a line that is none of its own is a problem."""
        try:
            data: dict[str, Any] = json.loads(line)
            event = data.pop("event")
            if event == "check":
                self.checks.append(replace(check_from_json(data), host=host))
            elif event == "collected":
                self.expected, self.not_deployed = int(data["number"]), list(data["not_deployed"])
            elif event == "lost":
                self.problem, self.retryable = f"the connection was lost: {data['reason']}", True
        except (ValueError, KeyError, TypeError):
            self.problem = self.problem or f"a record cannot be read: {clean(line, 100)}"


def command(name: str, needs_sudo: bool, connections: Connections, suites: Sequence[str], stream: int) -> list[str]:
    """The pytest command line; apart from the record and the inventory, what a person would type."""
    place = "local://" if name == "@local" else f"ssh://{name}"
    arguments = [sys.executable, "-m", "pytest", "-p", "wslgpu.report.pytest_records", "-p", "no:cacheprovider"]
    arguments += ["--quiet", "--tb=short", f"--rootdir={PROJECT_ROOT}", f"--wslgpu-records=/dev/fd/{stream}"]
    arguments += [f"--inventory={connections.inventory}", f"--hosts={place}"]
    if place != "local://":
        arguments.append(f"--ssh-config={connections.ssh_config}")
    if needs_sudo:
        arguments.append("--sudo")
    return [*arguments, *(str(path) for suite in suites for path in suite_files(suite))]


def suite_files(suite: str) -> list[Path]:
    """A suite's files: test_NAME.py, and the test_NAME_*.py that continue it."""
    folder = PROJECT_ROOT / "tests" / "node"
    return [folder / f"test_{suite}.py", *sorted(folder.glob(f"test_{suite}_*.py"))]


class Child:
    """A running pytest. ``run`` returns what it found; ``stop`` may be called from another thread."""

    def __init__(
        self, name: str, needs_sudo: bool, connections: Connections, suites: Sequence[str], environment: dict[str, str]
    ) -> None:
        self.name = name
        self._reader, writer = os.pipe()
        self._overdue = False
        self._output: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in run
        try:
            self._process = subprocess.Popen(
                command(name, needs_sudo, connections, suites, writer),
                cwd=PROJECT_ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                pass_fds=(writer,),
            )
        finally:
            os.close(writer)

    def run(self, on_check: Callable[[Check], None], timeout_s: float) -> Found:
        """Read to the end.

        :param on_check: called for every check as it comes
        """
        found = Found()
        timer = threading.Timer(timeout_s, self._stop_overdue)
        timer.daemon = True
        timer.start()
        with os.fdopen(self._reader, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                before = len(found.checks)
                found.take(line, self.name)
                if len(found.checks) > before:
                    on_check(found.checks[-1])
        code = self._process.wait()
        timer.cancel()
        with self._output as output:
            output.seek(0)
            said = output.read().decode(errors="replace")
        if not found.problem:
            found.problem = _problem(code, self._overdue, timeout_s, found, said)
        return found

    def stop(self) -> None:
        """End it: politely first, so that it leaves no container behind."""
        for number in (signal.SIGINT, signal.SIGKILL):
            if self._process.poll() is not None:
                return
            self._process.send_signal(number)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                continue

    def _stop_overdue(self) -> None:
        self._overdue = True
        self.stop()


def _problem(code: int, overdue: bool, timeout_s: float, found: Found, said: str) -> str:
    if overdue:
        return f"the suites did not end within {timeout_s:.0f} s"
    if code in (PYTEST_OK, PYTEST_TESTS_FAILED, PYTEST_NO_TESTS) and found.expected == len(found.checks):
        return "" if found.checks or found.not_deployed else "no check applies to this host"
    lines = [line.removeprefix("E ").strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or line.startswith("wslgpu")]
    reason = clean((errors or lines or ["it said nothing"])[-1], 300)
    return f"pytest ended with {code} after {len(found.checks)} of {found.expected} checks: {reason}"


def child_environment(site: Path | None, variable: str) -> dict[str, str]:
    """The child's environment: ours, without options for another pytest."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    if site is not None:
        environment[variable] = str(site.resolve())
    return environment
