"""Asks many nodes at once: one session each, bounded in number, time and what is read; the dead hold up nobody.

::

    targets ──> at most ``concurrency`` clients at a time ──> payload on standard input, document on standard output
                each in a session of its own, ended as a whole at its deadline, at a signal, or when it says too much
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from wslgpu.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, WslgpuError
from wslgpu.probe.channels import Target
from wslgpu.probe.document import DocumentError, Level, Observations, View
from wslgpu.probe.failures import client_missing, deadline_passed, failure, interrupted

OUTPUT_LIMIT_BYTES = 4 << 20
ERRORS_KEPT_BYTES = 16 << 10
DEADLINES_S = {Level.QUICK: 30.0, Level.STANDARD: 200.0, Level.FULL: 600.0}
"""Longer than the program's own deadline, which keeps what it has found by then, and the connection together."""
END_GRACE_S = 2.0
"""What is asked to end has this long to remove what it made; then it is killed."""

Progress = Callable[[str], None]
Reader = Callable[[bytes, str], Observations]


@dataclass(frozen=True)
class Answer:
    """What came of one target: a document, or why there is none."""

    target: Target
    document: Observations | None = None
    error: WslgpuError | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Gathered:
    """All answers, in the targets' order.

    :param interrupted: 130 or 143 when a signal ended it early, else 0
    """

    answers: tuple[Answer, ...]
    interrupted: int = 0


class TooMuchError(Exception):
    """A client wrote more than it may."""


def silent(_line: str) -> None:
    """A progress that says nothing."""


def gather(
    targets: Sequence[Target],
    level: Level,
    *,
    concurrency: int = 16,
    timeout_s: float | None = None,
    progress: Progress = silent,
) -> list[Answer]:
    """Probe every target; see :func:`gather_all`, which also tells whether a signal ended it."""
    return list(gather_all(targets, level, concurrency=concurrency, timeout_s=timeout_s, progress=progress).answers)


def gather_all(
    targets: Sequence[Target],
    level: Level,
    *,
    concurrency: int = 16,
    timeout_s: float | None = None,
    progress: Progress = silent,
) -> Gathered:
    """Send the probe to every target and read the documents, each stamped with the time at which it came.

    Ctrl-C and SIGTERM end the clients and give back what was found so far.

    :param timeout_s: for each target, from its client's start; the level's own deadline when None
    :param progress: called with one line per target that is through
    """
    from wslgpu.probe.program import answer, payload

    payloads = {view: payload(level, view) for view in {target.view for target in targets}}
    limit = DEADLINES_S[level] if timeout_s is None else timeout_s
    return send(targets, payloads, answer, concurrency=concurrency, timeout_s=limit, progress=progress)


def send(
    targets: Sequence[Target],
    payloads: dict[View, bytes],
    reader: Reader,
    *,
    concurrency: int = 16,
    timeout_s: float = 30.0,
    progress: Progress = silent,
) -> Gathered:
    """As :func:`gather_all`, with the scripts that are sent and the reader of what comes back.

    :param reader: makes a document of standard output, or raises DocumentError
    """
    return asyncio.run(_Run(payloads, reader, concurrency, timeout_s, progress).all(targets))


class _Run:
    def __init__(
        self, payloads: dict[View, bytes], reader: Reader, concurrency: int, timeout_s: float, progress: Progress
    ) -> None:
        self._payloads, self._reader = payloads, reader
        self._slots = asyncio.Semaphore(concurrency)
        self._timeout_s = timeout_s
        self._progress = progress
        self._interrupted = 0

    async def all(self, targets: Sequence[Target]) -> Gathered:
        tasks = [asyncio.ensure_future(self._one(target)) for target in targets]

        def stop(exit_code: int) -> None:
            if not self._interrupted:
                self._interrupted = exit_code
                for task in tasks:
                    task.cancel()

        with _signals(stop):
            done = await asyncio.gather(*tasks, return_exceptions=True)
        answers: list[Answer] = []
        for target, result in zip(targets, done, strict=True):
            if isinstance(result, asyncio.CancelledError):
                result = Answer(target, error=interrupted(target))
            if isinstance(result, BaseException):
                raise result
            answers.append(result)
        return Gathered(tuple(answers), self._interrupted)

    async def _one(self, target: Target) -> Answer:
        async with self._slots:
            started = time.monotonic()
            document, error = None, None
            try:
                document = await self._document(target)
            except WslgpuError as problem:
                error = problem
            answer = Answer(target, document, error, time.monotonic() - started)
        self._progress(f"{target.name}: {error.what if error else f'answered in {answer.seconds:.1f} s'}")
        return answer

    async def _document(self, target: Target) -> Observations:
        try:
            status, output, errors = await asyncio.wait_for(
                run_client(target.argv(), self._payloads[target.view]), self._timeout_s
            )
        except asyncio.TimeoutError:
            raise deadline_passed(target, self._timeout_s) from None
        except FileNotFoundError:
            raise client_missing(target) from None
        except OSError as error:
            raise WslgpuError(f"{target.client} cannot be started: {error.strerror}", target.name) from None
        except TooMuchError:
            raise DocumentError(
                f"the answer is more than {OUTPUT_LIMIT_BYTES >> 20} MiB long, and was cut off", target.name
            ) from None
        try:
            # whether anything was taken out is not the node's to say
            document = self._reader(output, target.name)
        except DocumentError:
            # without a word of the program's, the client's own words say more
            if status != 0 and not output.strip():
                raise failure(target, status, errors.decode("utf-8", "replace")) from None
            raise
        return document.model_copy(update={"received": time.time(), "redacted": False})


async def run_client(
    argv: Sequence[str], script: bytes, limit_bytes: int = OUTPUT_LIMIT_BYTES
) -> tuple[int, bytes, bytes]:
    """Run one client to its end: exit status, standard output, and the beginning of standard error.

    However it ends (a cancellation too), the client's whole session has ended with it.

    :raises TooMuchError: it wrote more than ``limit_bytes``
    :raises OSError: it could not be started
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    if stdin is None or stdout is None or stderr is None:  # never so with PIPE
        raise RuntimeError
    errors = bytearray()
    tasks = [
        asyncio.ensure_future(_write(stdin, script)),
        asyncio.ensure_future(_read_errors(stderr, errors)),
    ]
    try:
        output = await _read(stdout, limit_bytes)
        status = await process.wait()
        # what the client left in the background may hold standard error open
        await asyncio.wait(tasks, timeout=END_GRACE_S)
        return status, output, bytes(errors)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.shield(_end(process))
        await asyncio.gather(*tasks, return_exceptions=True)


async def _write(stream: asyncio.StreamWriter, script: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        stream.write(script)
        await stream.drain()
    stream.close()
    with contextlib.suppress(ConnectionError):
        await stream.wait_closed()


async def _read(stream: asyncio.StreamReader, limit_bytes: int) -> bytes:
    output = bytearray()
    while chunk := await stream.read(1 << 16):
        output += chunk
        if len(output) > limit_bytes:
            raise TooMuchError
    return bytes(output)


async def _read_errors(stream: asyncio.StreamReader, kept: bytearray) -> None:
    """Keep the beginning, and read on, so that the client is not held up by a full pipe."""
    while chunk := await stream.read(1 << 16):
        kept += chunk[: ERRORS_KEPT_BYTES - len(kept)]


async def _end(process: asyncio.subprocess.Process) -> None:
    """End what is left of the client's process group: ask, wait for :data:`END_GRACE_S`, kill. Its pipes are closed."""
    deadline = time.monotonic() + END_GRACE_S
    alive = _signal_group(process.pid, signal.SIGTERM)
    while alive and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
        alive = _signal_group(process.pid, None)
    if alive:
        _signal_group(process.pid, signal.SIGKILL)
    # our ends of pipes: somebody outside the group may hold the others, and wait() waits for them in some releases
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
    await process.wait()


def _signal_group(pid: int, number: signal.Signals | None) -> bool:
    """Whether the group still has a process that can be sent a signal."""
    try:
        os.killpg(pid, number or 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@contextlib.contextmanager
def _signals(stop: Callable[[int], None]) -> Iterator[None]:
    """SIGINT and SIGTERM stop the run instead of ending the process; only the main thread may say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    codes = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}
    previous = {number: signal.getsignal(number) for number in codes}
    for number, code in codes.items():
        loop.add_signal_handler(number, stop, code)
    try:
        yield
    finally:
        for number, handler in previous.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler or signal.SIG_DFL)
