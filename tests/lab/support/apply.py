"""`wslgpu apply` on a lab, as its user runs it: to its end, or started and then disturbed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab.support.command import wslgpu
from wslgpu.lab import Lab

PROJECT = Path(__file__).resolve().parents[3]
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Outcome:
    """The end of one apply: exit code, JSON document (empty when none was printed), and what it told people."""

    code: int
    document: dict[str, Any]
    told: str

    def host(self, name: str = "node1") -> dict[str, Any]:
        found: dict[str, Any] = self.document["hosts"][name]
        return found

    def errors(self, name: str = "node1") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.host(name)["errors"]
        return found

    def __str__(self) -> str:
        return f"exit {self.code}\n{json.dumps(self.document, indent=1)}\n{self.told}"


def command(lab: Lab, *words: str, inventory: Path | None = None, verb: str = "apply") -> list[str]:
    return [sys.executable, "-m", "wslgpu.cli", *_words(lab, *words, inventory=inventory, verb=verb)]


def _words(lab: Lab, *words: str, inventory: Path | None, verb: str = "apply") -> list[str]:
    where = [str(inventory)] if inventory else ["--lab", lab.name]
    return [verb, *where, "--json", *words]


def apply(
    lab: Lab,
    *words: str,
    inventory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    verb: str = "apply",
) -> Outcome:
    """Run it to its end.

    :param verb: another command that says as apply does what became of each host, such as ``remove``
    """
    done = wslgpu(*_words(lab, *words, inventory=inventory, verb=verb), environment=environment, timeout_s=timeout_s)
    return Outcome(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)


def converge(lab: Lab, *words: str, verb: str = "apply") -> Outcome:
    """Run it until no command of an earlier run holds a node any more: what a person does who is told to wait."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        outcome = apply(lab, *words, verb=verb)
        held = [error["what"] for host in outcome.document["hosts"].values() for error in host["errors"]]
        if not any("another run holds this node" in what for what in held) or time.monotonic() > deadline:
            return outcome
        time.sleep(0.5)


class Started:
    """An apply that goes on while the test disturbs it."""

    def __init__(self, lab: Lab, *words: str, verb: str = "apply") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="wslgpu-test-"))
        self._told, self._out = self._folder / "stderr", self._folder / "stdout"
        with self._told.open("wb") as told, self._out.open("wb") as out:
            self.process = subprocess.Popen(
                command(lab, *words, verb=verb),
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=told,
                start_new_session=True,
            )

    def told(self) -> str:
        return self._told.read_text()

    def wait_for(self, text: str, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until it has said this, such as the name of an operation that begins."""
        deadline = time.monotonic() + timeout_s
        while text not in self.told():
            assert self.process.poll() is None, f"ended with {self.process.returncode} before {text!r}: {self.told()}"
            assert time.monotonic() < deadline, f"{text!r} was not said: {self.told()}"
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9 of the controller with its children: pyinfra runs in a process group of its own."""
        for pid in [*descendants(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the foreground process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, timeout_s: float = TIMEOUT_S) -> Outcome:
        code = self.process.wait(timeout_s)
        text = self._out.read_text()
        return Outcome(code, json.loads(text) if text else {}, self.told())

    def end(self) -> None:
        """Kill it if it still runs, and delete what it wrote."""
        if self.process.returncode is None:
            self.kill()
        shutil.rmtree(self._folder)


@contextlib.contextmanager
def started(lab: Lab, *words: str, verb: str = "apply") -> Iterator[Started]:
    """An apply that is killed at the end of the block if it still runs."""
    run = Started(lab, *words, verb=verb)
    try:
        yield run
    finally:
        run.end()


def descendants(pid: int) -> list[int]:
    """The processes below a process, deepest first."""
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*(below for child in children for below in descendants(child)), *children]


@contextlib.contextmanager
def site(lab: Lab, **changes: Any) -> Iterator[None]:
    """The lab's site file with other values; the old ones come back at the end."""
    text = lab.site_file.read_text()
    lab.site_file.write_text(yaml.safe_dump({**yaml.safe_load(text), **changes}, sort_keys=False))
    try:
        yield
    finally:
        lab.site_file.write_text(text)


def refused(
    outcome: Outcome, error_class: str, *words: str, retryable: bool = False, node: str = "node1", step: str = ""
) -> dict[str, Any]:
    """Assert that the run failed on this host with one error that names host and step, holds all words, and says
    what to do; that the exit code fits; and that there was no traceback. Returns the error."""
    assert outcome.document, outcome
    assert "Traceback" not in outcome.told, outcome
    fitting = [
        error
        for error in outcome.errors(node)
        if (error["class"], error["retryable"]) == (error_class, retryable)
        and all(word.lower() in f"{error['what']} {error['next_step']}".lower() for word in words)
    ]
    assert fitting, f"no {error_class} error (retryable: {retryable}) with {words} in {outcome}"
    error: dict[str, Any] = fitting[0]
    assert error["where"].startswith(node), outcome
    assert step in error["where"], outcome
    assert error["next_step"], outcome
    worth_a_retry = retryable or error_class in ("usage", "network")
    assert outcome.code == (2 if worth_a_retry else 1), outcome
    return error
