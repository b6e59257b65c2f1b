"""What needs two processes: legacy IPC, and the checkpoint of a process with a context.

The second process, the companion, is forked before either has loaded libcuda, because a context does not survive a
fork. It holds what it made until its pipe closes, and the kernel ends it with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from .call import UnavailableError
from .child import Emit
from .cuda_driver import Driver, RefusedError, started, with_context
from .cuda_structures import FLAGS, CheckpointArguments, CheckpointLockArguments, IpcHandle

SHARED_BYTES = 2 << 20
COMPANION_TIME_S = 8.0
LOCK_TIMEOUT_MS = 4000
CHECKPOINT_IDS = (
    "cuda.checkpoint.state",
    "cuda.checkpoint.lock",
    "cuda.checkpoint.checkpoint",
    "cuda.checkpoint.restore",
)
_PR_SET_PDEATHSIG = 1
_READY, _FAILED = b"+", b"-"


class Companion:
    """A second process that has called ``make`` and waits.

    :param make: returns the bytes that this process needs, at most a page
    :raises UnavailableError: it could not, did not in time, or died
    """

    def __init__(self, make: Callable[[], bytes]) -> None:
        from_it, to_us = os.pipe()
        its_end, self._ours = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _live(make, to_us, its_end)
        os.close(to_us)
        os.close(its_end)
        self._reader = from_it

    def answer(self) -> bytes:
        """What ``make`` returned."""
        poller = select.poll()
        poller.register(self._reader, select.POLLIN)
        if not poller.poll(COMPANION_TIME_S * 1000):
            raise UnavailableError("the second process did not answer in time")
        data = os.read(self._reader, 4096)
        if data[:1] == _READY:
            return data[1:]
        text = data[1:].decode("utf-8", "replace") or "it died"
        raise UnavailableError(f"the second process could not do its part: {text}")

    def end(self) -> None:
        """Let it go; kill it when it does not."""
        os.close(self._ours)
        os.close(self._reader)
        for _ in range(100):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    return
            time.sleep(0.01)
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _live(make: Callable[[], bytes], writer: int, reader: int) -> None:
    """The companion's life. Never returns, and keeps no descriptor that its parent waits on."""
    try:
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in (writer, reader):
                with contextlib.suppress(OSError):
                    os.close(int(name))
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        try:
            message = _READY + make()
        except Exception as error:
            message = _FAILED + str(error).encode()[:1000]
        os.write(writer, message)
        os.read(reader, 1)
    finally:
        os._exit(0)


def ipc_handle(driver: Driver) -> bytes:
    """The handle of fresh device memory.

    :raises RefusedError: there is none
    """
    address = driver.alloc(SHARED_BYTES)
    handle = IpcHandle()
    driver.do("cuIpcGetMemHandle", ctypes.byref(handle), address)
    return ctypes.string_at(ctypes.addressof(handle), ctypes.sizeof(handle))


def ipc_get(driver: Driver) -> dict[str, Any]:
    """cuda.ipc.get: a handle in one process, which says nothing about opening it in another."""

    def work() -> None:
        ipc_handle(driver)

    return driver.tried(work)


def ipc_event(driver: Driver) -> dict[str, Any]:
    """cuda.ipc.event: the handle of an event."""

    def work() -> None:
        event, handle = ctypes.c_void_p(), IpcHandle()
        flags = FLAGS["CU_EVENT_INTERPROCESS"] | FLAGS["CU_EVENT_DISABLE_TIMING"]
        driver.do("cuEventCreate", ctypes.byref(event), flags)
        driver.do("cuIpcGetEventHandle", ctypes.byref(handle), event)
        driver.do("cuEventDestroy_v2", event)

    return driver.tried(work)


def ipc_open(emit: Emit) -> None:
    """cuda.ipc.open: this process opens the handle that the companion made."""
    companion = Companion(lambda: ipc_handle(with_context()))
    data = companion.answer()
    driver = with_context()
    handle, address = IpcHandle(), ctypes.c_uint64()
    ctypes.memmove(ctypes.addressof(handle), data, min(len(data), ctypes.sizeof(handle)))

    def work() -> None:
        flags = FLAGS["CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS"]
        driver.do("cuIpcOpenMemHandle_v2", ctypes.byref(address), handle, flags)
        driver.do("cuIpcCloseMemHandle", address)

    emit("cuda.ipc.open", driver.tried(work))
    companion.end()


def holds_memory() -> bytes:
    """A companion's part: a context and 1 MiB."""
    driver = with_context()
    driver.alloc(1 << 20)
    return b""


def checkpoint(emit: Emit) -> None:
    """cuda.checkpoint.*: the companion is locked, checkpointed, restored and unlocked, until one is refused."""
    companion = Companion(holds_memory)
    companion.answer()
    driver = started()
    pid = companion.pid
    state = ctypes.c_int(-1)

    def get_state() -> dict[str, Any]:
        driver.do("cuCheckpointProcessGetState", pid, ctypes.byref(state))
        return {"state": state.value}

    def lock() -> None:
        driver.do("cuCheckpointProcessLock", pid, ctypes.byref(CheckpointLockArguments(timeoutMs=LOCK_TIMEOUT_MS)))

    def make() -> None:
        driver.do("cuCheckpointProcessCheckpoint", pid, ctypes.byref(CheckpointArguments()))

    def unlock() -> None:
        driver.do("cuCheckpointProcessUnlock", pid, ctypes.byref(CheckpointArguments()))

    def restore() -> None:
        driver.do("cuCheckpointProcessRestore", pid, ctypes.byref(CheckpointArguments()))
        unlock()

    steps: tuple[Callable[[], dict[str, Any] | None], ...] = (get_state, lock, make, restore)
    stopped = ""
    for observation_id, step in zip(CHECKPOINT_IDS, steps):  # noqa: B905 - strict is not in Python 3.8
        if stopped:
            emit.unknown(observation_id, stopped)
            continue
        emit.begin(observation_id)
        more = {"state": -1} if step is get_state else {}
        try:
            value = driver.tried(step, **more)
        except UnavailableError as error:
            emit.unknown(observation_id, str(error))
            stopped = str(error)
            continue
        emit(observation_id, value)
        if value["result"] != 0 and step is not get_state:
            stopped = "not tried, because {} answered {}".format(observation_id, value["name"])
        if value["result"] != 0 and step is make:
            with contextlib.suppress(RefusedError, UnavailableError):
                unlock()
    companion.end()


def peer_copy(driver: Driver) -> dict[str, Any]:
    """cuda.peer.copy: from device 0 to device 1, read back there and compared; not whether it went by the host."""
    try:
        count = driver.count()
    except RefusedError as error:
        raise UnavailableError(str(error)) from None
    if count < 2:
        raise UnavailableError(f"needs two devices, and there is {count}")
    size = 1 << 20
    written, read = os.urandom(4096) * (size // 4096), ctypes.create_string_buffer(size)

    def work() -> dict[str, Any]:
        second = driver.context(1)
        target = driver.alloc(size)
        first = driver.context(0)
        source = driver.alloc(size)
        driver.do("cuMemcpyHtoD_v2", source, written, ctypes.c_size_t(size))
        driver.do("cuMemcpyPeer", target, second, source, first, ctypes.c_size_t(size))
        driver.do("cuCtxSynchronize")
        driver.do("cuCtxSetCurrent", second)
        driver.do("cuMemcpyDtoH_v2", read, target, ctypes.c_size_t(size))
        driver.do("cuCtxSetCurrent", first)
        return {"correct": read.raw == written}

    return driver.tried(work, correct=False)
