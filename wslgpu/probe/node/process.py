"""Commands: each in a process group of its own, in the C locale, its output bounded, killed at its deadline."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

GRACE_S = 1.0
_TICK_MS = 50


class Done(NamedTuple):
    """How a command ended.

    :param exit: its status; negative when a signal ended it
    :param missing: there is no such program
    :param hang: it had to be killed at its deadline
    :param cut: it was killed because it wrote more than it may
    """

    exit: int
    out: str
    err: str
    missing: bool
    hang: bool
    cut: bool = False
    seconds: float = 0.0


class Running:
    """A command that was started. ``done`` waits for it; what others write meanwhile is read too."""

    def __init__(self, argv: Sequence[str], timeout_s: float, env: dict[str, str] | None, limit: int) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + timeout_s
        self.limit = limit
        self.streams: dict[int, bytearray] = {}
        self.ended: Done | None = None
        environment = dict(os.environ, LC_ALL="C", LANGUAGE="C", TERM="dumb", **(env or {}))
        try:
            self.process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd="/",
                start_new_session=True,
                bufsize=0,
            )
        except FileNotFoundError:
            self.ended = Done(127, "", "", True, False)
            return
        except (OSError, ValueError) as error:
            self.ended = Done(126, "", str(error), False, False)
            return
        assert self.process.stdout is not None  # noqa: S101 - for the type checker
        assert self.process.stderr is not None  # noqa: S101
        self.out, self.err = self.process.stdout.fileno(), self.process.stderr.fileno()
        self.streams = {self.out: bytearray(), self.err: bytearray()}
        self.open = {self.out, self.err}
        self.written = 0

    def take(self, descriptor: int) -> None:
        """Read what is there; at the end of a stream forget it."""
        data = os.read(descriptor, 65536)
        self.written += len(data)
        room = self.limit - len(self.streams[descriptor])
        self.streams[descriptor] += data[: max(0, room)]
        if not data:
            self.open.discard(descriptor)

    def finish(self, hang: bool, cut: bool) -> None:
        """End it when it has not, and keep what it wrote."""
        if self.process.poll() is None and (hang or cut):
            kill_group(self.process.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_S)
        if self.open:
            kill_group(self.process.pid)  # what it left behind in the background
        code = self.process.returncode if self.process.returncode is not None else -signal.SIGKILL
        text = [self.streams[which].decode("utf-8", "replace") for which in (self.out, self.err)]
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.ended = Done(code, text[0], text[1], False, hang, cut, time.monotonic() - self.started)


class Commands:
    """All commands of one probe."""

    def __init__(self) -> None:
        self.running: list[Running] = []

    def start(self, argv: Sequence[str], timeout_s: float, env: dict[str, str] | None, limit: int) -> Running:
        command = Running(argv, timeout_s, env, limit)
        if command.ended is None:
            self.running.append(command)
        return command

    def wait(self, command: Running) -> Done:
        """Wait for one; all are read meanwhile, and those that are over their time or size are killed."""
        # what was not looked at for a while may have ended long ago, or wait for its pipe to be read
        command.deadline = max(command.deadline, time.monotonic() + 0.1)
        while command.ended is None:
            self._read()
            for one in list(self.running):
                self._judge(one)
        return command.ended

    def _read(self) -> None:
        poller = select.poll()
        owner: dict[int, Running] = {}
        for one in self.running:
            for descriptor in one.open:
                poller.register(descriptor, select.POLLIN)
                owner[descriptor] = one
        for descriptor, _ in poller.poll(_TICK_MS):
            owner[descriptor].take(descriptor)

    def _judge(self, one: Running) -> None:
        now = time.monotonic()
        cut = one.written > 4 * one.limit + 65536
        if not one.open or cut:
            one.finish(hang=False, cut=cut)
        elif one.process.poll() is not None:
            # ended, and a child of it still holds the streams
            one.deadline = min(one.deadline, now + 0.2)
            if now >= one.deadline:
                one.finish(hang=False, cut=False)
        elif now >= one.deadline:
            one.finish(hang=True, cut=False)
        if one.ended is not None:
            self.running.remove(one)

    def kill_all(self) -> None:
        """End what still runs; for the end of the probe."""
        for one in self.running:
            kill_group(one.process.pid)
        self.running = []


def kill_group(pid: int) -> None:
    """SIGKILL to a process group, gone or not."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
