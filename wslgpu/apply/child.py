"""The process in which pyinfra runs: its command line interface, watched.

``python -m wslgpu.apply.child RESULT_FILE quiet|verbose PYINFRA_ARGUMENT...``. RESULT_FILE gets a JSON document
whatever way the run ends, short of SIGKILL; the parent reads it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import time
import types
from pathlib import Path
from typing import Any, TextIO

import click
import pyinfra
from gevent.hub import Hub
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.output import set_echo, set_formatter
from pyinfra.api.state import BaseStateCallback
from pyinfra.connectors import util as connector_util
from pyinfra.context import ctx_host, ctx_state
from pyinfra_cli import cli
from pyinfra_cli.log import setup_logging

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
NOTICE_S = 0.2
"""A connection that was cut in a command is known to be closed a moment after the command's end."""
SLOW_S = 2.0
"""An operation that took longer says so."""


class _Watcher(BaseStateCallback):
    """Prints how far the run is, and remembers which connections went away.

    The signatures are pyinfra's.
    """

    def __init__(self, *, verbose: bool) -> None:
        self.verbose = verbose
        self.lost: dict[str, str] = {}
        self.operation = "reading what is there"
        self.sudo_asks: set[str] = set()
        self.number = 0
        self.started = 0.0

    def operation_start(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        self.number += 1
        self.started = time.monotonic()
        self.operation = ", ".join(sorted(state.get_op_meta(op_hash).names))
        if not self.verbose:
            total = len(state.get_op_order())  # type: ignore[no-untyped-call]
            sys.stderr.write(f"[{self.number:>2}/{total}] {self.operation}\n")

    def operation_host_success(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, retry_count: int = 0
    ) -> None:
        if not self.verbose and (seconds := time.monotonic() - self.started) >= SLOW_S:
            sys.stderr.write(f"        {host.name}: {seconds:.0f} s\n")

    def operation_host_error(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        if not self.verbose:
            sys.stderr.write(f"        {host.name}: FAILED\n")

    def failing(self, hosts: set[Host]) -> None:
        """Hosts are about to count as failed: is it that they went away? A moment later their ends are closed."""
        time.sleep(NOTICE_S if hosts else 0)
        for host in hosts:
            if host.connected and not is_connected(host):
                self.lost.setdefault(host.name, self.operation)

    def no_password(self, prompt: str = "", stream: TextIO | None = None) -> str:
        """In the place of pyinfra's prompt, which would end the run with a traceback: there is no terminal here."""
        self.sudo_asks.add(ctx_host.get().name)  # type: ignore[no-untyped-call]
        return ""


def is_connected(host: Host) -> bool:
    """Whether the host's connection still stands; a host without one (this machine) always has it."""
    client = getattr(host.connector, "client", None)
    if client is None:
        return True
    transport = client.get_transport()
    return transport is not None and bool(transport.is_active())


class _Lines(logging.Handler):
    """Keeps the log lines: the reason why a connection failed is found nowhere else. Shows what operations tell."""

    def __init__(self, *, show_notes: bool) -> None:
        super().__init__(logging.INFO)
        self.show_notes = show_notes
        self.lines: list[str] = []
        self.refusals: list[tuple[str, str]] = []
        self.notes: list[tuple[str, str, bool]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if refusal := getattr(record, "wslgpu_refusal", None):
            self.refusals.append((record.__dict__["wslgpu_host"], refusal))
        self.lines.append(_STYLE.sub("", record.getMessage()))
        note = getattr(record, "wslgpu_note", None)
        if note is not None:
            host: str = record.__dict__["wslgpu_host"]
            self.notes.append((host, note, record.levelno >= logging.WARNING))
            if self.show_notes:
                sys.stderr.write(f"        {host}: {note}\n")


def record_of(state: State, watcher: _Watcher, lines: _Lines) -> dict[str, Any]:
    """What happened, by host, as plain values."""
    hosts: dict[str, Any] = {}
    for host in state.inventory:
        if state.limit_hosts is not None and host not in state.limit_hosts:
            continue
        operations = []
        for op_hash, op in state.ops[host].items():
            meta = op.operation_meta
            if not meta.is_complete():
                if not state.is_executing:
                    changes = bool(getattr(meta, "_maybe_is_change", False))
                    operations.append(_operation(state, op_hash, changes, False, []))
                continue
            failed = not meta.did_succeed()
            output = [*meta.stdout_lines, *meta.stderr_lines] if failed else []
            operations.append(_operation(state, op_hash, meta.did_change(), failed, output))
        own_lines = [line for line in lines.lines if f"[{host.name}]" in line]
        connected = host in state.activated_hosts
        hosts[host.name] = {
            "connected": connected,
            "lost": watcher.lost.get(host.name, ""),
            "sudo_asks": host.name in watcher.sudo_asks,
            "failed": host in state.failed_hosts,
            "reason": "" if connected else next((_plain(line) for line in own_lines), ""),
            "operations": operations,
            "notes": [note for name, note, degraded in lines.notes if name == host.name and not degraded],
            "degraded": [note for name, note, degraded in lines.notes if name == host.name and degraded],
            "refusals": [] if state.is_executing else [text for name, text in lines.refusals if name == host.name],
            "log": own_lines[-20:],
        }
    return hosts


def _operation(state: State, op_hash: str, changed: bool, failed: bool, output: list[str]) -> dict[str, Any]:
    name = ", ".join(sorted(state.get_op_meta(op_hash).names))
    return {"name": name, "changed": changed, "failed": failed, "output": output[-200:]}


def _count(state: State) -> str:
    hosts = state.limit_hosts if state.limit_hosts is not None else list(state.inventory)
    return hosts[0].name if len(hosts) == 1 else f"{len(hosts)} hosts"


def _plain(line: str) -> str:
    return line.split("] ", 1)[-1].strip()


def main(arguments: list[str]) -> None:
    """Run pyinfra's own ``main`` and write the result file whatever happens."""
    result_file, mode, *pyinfra_arguments = arguments
    watcher = _Watcher(verbose=mode == "verbose")
    lines = _Lines(show_notes=mode == "quiet")
    original = State.init

    def init(self: State, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.add_callback_handler(watcher)  # type: ignore[no-untyped-call]
        logger.addHandler(lines)
        if mode == "quiet":
            sys.stderr.write(f"Connecting to {_count(self)} and reading what is there\n")

    fail_hosts = State.fail_hosts

    def failing(self: State, hosts_to_fail: set[Host], activated_count: int | None = None) -> None:
        watcher.failing(hosts_to_fail)
        fail_hosts(self, hosts_to_fail, activated_count)  # type: ignore[no-untyped-call]

    State.init = init  # type: ignore[method-assign]
    State.fail_hosts = failing  # type: ignore[method-assign]
    connector_util.getpass = watcher.no_password
    # such an error ends the run and is told there; gevent would show where it came from as well, with a traceback
    Hub.NOT_ERROR = (*Hub.NOT_ERROR, PyinfraError)
    sys.argv = ["pyinfra", *pyinfra_arguments]
    # what pyinfra_cli.main does before it calls its command, but for its way with signals, which ends with 0
    pyinfra.is_cli = True
    set_formatter(click.style)
    set_echo(click.echo)
    sys.path.append(".")
    if mode == "quiet":
        cli.print_results = lambda _state: None
        cli.setup_logging = _only_errors
        cli.print_meta = lambda _state: None
        # what it echoes beside that is advice about a list of changes that is not shown here
        silent = types.ModuleType("click")
        vars(silent).update(vars(click), echo=lambda *_args, **_options: None)
        cli.click = silent

    result = _Result(Path(result_file), watcher, lines)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # at once: a greenlet may be waiting for a peer that says nothing
        signal.signal(number, lambda received, _frame: result.write_and_end(received))
    try:
        cli.cli(standalone_mode=True)
    except SystemExit as end:
        result.ended = f"exit {end.code}"
        raise
    except BaseException as error:
        result.ended = f"{type(error).__name__}: {error}"
        raise
    finally:
        result.write()


def _only_errors(log_level: int, other_log_level: int | None = None) -> None:
    """pyinfra's own set-up of its log, which then shows what went wrong and nothing else."""
    setup_logging(log_level, other_log_level)
    for handler in logger.handlers:
        handler.setLevel(logging.ERROR)


class _Result:
    """The result file."""

    def __init__(self, path: Path, watcher: _Watcher, lines: _Lines) -> None:
        self.path, self.watcher, self.lines = path, watcher, lines
        self.ended = ""

    def write(self) -> None:
        """Write down what is known now."""
        hosts: dict[str, Any] = {}
        executed = False
        if ctx_state.isset() and pyinfra.state.initialised:  # type: ignore[no-untyped-call]
            state: State = ctx_state.get()  # type: ignore[no-untyped-call]
            hosts, executed = record_of(state, self.watcher, self.lines), state.is_executing
        self.path.write_text(json.dumps({"ended": self.ended, "executed": executed, "hosts": hosts}), encoding="utf-8")

    def write_and_end(self, signal_number: int) -> None:
        """Write it and end, without waiting for greenlets or connections."""
        self.ended = signal.Signals(signal_number).name
        try:
            self.write()
        finally:
            os._exit(128 + signal_number)


if __name__ == "__main__":
    main(sys.argv[1:])
