"""What may crash or hang is done in a forked child, which tells every observation at once over a pipe."""

from __future__ import annotations

import ast
import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .process import kill_group
from .values import plain

RECORD_LIMIT = 256 << 10
_TICK_MS = 50
_ORPHAN_S = 1.0
_running: set[int] = set()
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Emit:
    """How the child tells. ``emit(id, value)`` is an observation; ``begin`` says what it looks at next."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, observation_id: str, value: Any) -> None:
        self._send("observed", observation_id, plain(value))

    def unknown(self, observation_id: str, reason: str) -> None:
        """This one cannot be looked at."""
        self._send("unknown", observation_id, str(reason))

    def begin(self, observation_id: str) -> None:
        """When the child dies now, it is this observation that killed it."""
        self._send("begin", observation_id, None)

    def failed(self, reason: str) -> None:
        self._send("failed", "", reason)

    def _send(self, kind: str, observation_id: str, value: Any) -> None:
        # repr and literal_eval: no json in a python3-minimal
        data = (repr((kind, observation_id, value)).replace("\n", " ") + "\n").encode("utf-8", "replace")
        while data:
            data = data[os.write(self._descriptor, data) :]


class Ended(NamedTuple):
    """How the child ended: what it told, and in words why it told no more (empty when it came to its end).

    :param status: ``crash``, ``hang`` or ``unknown`` for what it was looking at
    """

    records: list[tuple[str, str, Any]]
    status: str
    reason: str


def in_child(function: Callable[[Emit], None], timeout_s: float, memory_bytes: int | None) -> Ended:
    """Fork, call ``function(emit)`` there, and read what it tells until it ends or its time or memory is over."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _run(function, writer, timeout_s)
    os.close(writer)
    _running.add(pid)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)  # both sides do: whoever comes first
    try:
        return _watch(pid, reader, timeout_s, memory_bytes)
    finally:
        _running.discard(pid)
        kill_group(pid)
        os.close(reader)


def kill_all() -> None:
    """End every child; for the end of the probe."""
    for pid in _running:
        kill_group(pid)


def _run(function: Callable[[Emit], None], writer: int, timeout_s: float) -> None:
    """The child. Never returns."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        # the kernel ends it when nobody is left who would
        signal.setitimer(signal.ITIMER_REAL, timeout_s + _ORPHAN_S)
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        _no_core()
        emit = Emit(writer)
        try:
            function(emit)
            code = 0
        except BaseException as error:
            emit.failed(f"{type(error).__name__}: {error}")
    finally:
        os._exit(code)


def _no_core() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        # 1, not 0: a core pattern that is a pipe, as WSL's, does not heed 0; a file of one byte is not written either
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def _watch(pid: int, reader: int, timeout_s: float, memory_bytes: int | None) -> Ended:
    deadline = time.monotonic() + timeout_s
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    buffer = b""
    total = 0
    records: list[tuple[str, str, Any]] = []
    while True:
        if poller.poll(_TICK_MS):
            data = os.read(reader, 65536)
            if not data:
                break
            total += len(data)
            *lines, buffer = (buffer + data).split(b"\n")
            records += [record for record in map(_record, lines) if record is not None]
        if total > RECORD_LIMIT * 4:
            return _killed(pid, records, "unknown", "the child told more than it may")
        if time.monotonic() >= deadline:
            return _killed(pid, records, "hang", f"did not end within {timeout_s:g} s and was killed")
        if memory_bytes is not None and resident_bytes(pid) > memory_bytes:
            text = f"took more than {memory_bytes >> 20} MiB of memory and was killed"
            return _killed(pid, records, "unknown", text)
    status = _reap(pid, max(0.0, deadline - time.monotonic()))
    if status is None:
        return _killed(pid, records, "hang", f"did not end within {timeout_s:g} s and was killed")
    if os.WIFSIGNALED(status):
        return Ended(records, "crash", "killed by signal " + signal_name(os.WTERMSIG(status)))
    failure = [value for kind, _, value in records if kind == "failed"]
    if failure:
        return Ended(records, "unknown", str(failure[0]))
    if os.WEXITSTATUS(status) != 0:
        return Ended(records, "unknown", f"the child ended by itself with status {os.WEXITSTATUS(status)}")
    return Ended(records, "unknown", "")


def _record(line: bytes) -> tuple[str, str, Any] | None:
    """One line of the child's; None when a wild write spoilt it."""
    try:
        kind, observation_id, value = ast.literal_eval(line.decode("utf-8", "replace"))
        return (str(kind), str(observation_id), plain(value))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _killed(pid: int, records: Sequence[tuple[str, str, Any]], status: str, reason: str) -> Ended:
    kill_group(pid)
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    _reap(pid, 1.0)
    return Ended(list(records), status, reason)


def _reap(pid: int, timeout_s: float) -> int | None:
    """Its wait status; None when it did not end, as one that hangs in the kernel."""
    deadline = time.monotonic() + timeout_s
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.005)


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as stream:
            return int(stream.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def signal_name(number: int) -> str:
    """``11 (SIGSEGV)``."""
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
