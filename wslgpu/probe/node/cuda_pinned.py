"""Host memory pinned for the GPU."""

from __future__ import annotations

import ctypes
import mmap
import time
from typing import Any

from .call import UnavailableError
from .cuda_driver import Driver
from .cuda_structures import FLAGS
from .files import read_text, read_word

MIB = 1 << 20
STEP_BYTES = 64 * MIB
LIMIT_BYTES = 4 << 30
TIME_S = 7.0
REGISTER_BYTES = 4 * MIB
CGROUPS = "/sys/fs/cgroup"


def pinned_limit(meminfo: str, room: int | None = None) -> int:
    """How much is tried: a quarter of what is available, 4 GiB at most, in whole steps.

    :param meminfo: the text of /proc/meminfo
    :param room: what the control group has left; None without a limit
    """
    for line in meminfo.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "MemAvailable:" and words[1].isdigit():
            available = int(words[1]) * 1024
            if room is not None:
                available = max(0, min(available, room))
            return min(LIMIT_BYTES, available // 4) // STEP_BYTES * STEP_BYTES
    return 0


def group_room(cgroup: str | None = None, root: str = CGROUPS) -> int | None:
    """What the memory limits of this process's control groups leave, the least of them; None without a limit.

    A container's limit is not in /proc/meminfo, and whoever exceeds it makes the kernel kill its largest process.

    :param cgroup: the text of /proc/self/cgroup
    """
    text = read_text("/proc/self/cgroup") or "" if cgroup is None else cgroup
    places: list[tuple[str, str, str]] = []
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            places += [(root + folder, "memory.max", "memory.current") for folder in _upwards(path)]
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            places += [(f"{root}/memory{folder}", *files) for folder in _upwards(path)]
    rooms = []
    for folder, limit_file, used_file in places:
        limit, used = read_word(f"{folder}/{limit_file}"), read_word(f"{folder}/{used_file}")
        if limit.isdigit() and used.isdigit():
            rooms.append(int(limit) - int(used))
    return min(rooms) if rooms else None


def _upwards(path: str) -> list[str]:
    """``/a/b`` and all above it, as what is put behind the root: ``/a/b``, ``/a``, and nothing."""
    parts = [part for part in path.split("/") if part]
    return ["".join("/" + part for part in parts[:length]) for length in range(len(parts), -1, -1)]


def pinned_budget(driver: Driver) -> dict[str, Any]:
    """cuda.pinned.budget: 64 MiB more each time, until one is refused; then all are given back.

    ``stopped_by`` is ``time`` when the steps took longer than they may. ``tried_bytes`` is what was granted and the
    step that was refused.
    """
    limit = pinned_limit(read_text("/proc/meminfo") or "", group_room())
    if limit == 0:
        raise UnavailableError("too little memory is available to pin some of it")
    started = time.monotonic()
    held: list[ctypes.c_void_p] = []
    stopped = "limit"
    while len(held) * STEP_BYTES < limit:
        if time.monotonic() - started > TIME_S:
            stopped = "time"
            break
        pointer = ctypes.c_void_p()
        result = driver.result("cuMemHostAlloc", ctypes.byref(pointer), ctypes.c_size_t(STEP_BYTES), 0)
        if result != 0:
            stopped = driver.name_of(result)
            break
        held.append(pointer)
    for pointer in held:
        driver.result("cuMemFreeHost", pointer)
    granted = len(held) * STEP_BYTES
    tried = granted + (STEP_BYTES if stopped not in ("limit", "time") else 0)
    return {"granted_bytes": granted, "step_bytes": STEP_BYTES, "tried_bytes": tried, "stopped_by": stopped}


def pinned_register(driver: Driver) -> dict[str, Any]:
    """cuda.pinned.register: 4 MiB of this process's own memory."""
    with mmap.mmap(-1, REGISTER_BYTES) as area:
        address = ctypes.addressof(ctypes.c_char.from_buffer(area))
        pointer = ctypes.c_void_p(address)

        def work() -> None:
            driver.do("cuMemHostRegister_v2", pointer, ctypes.c_size_t(REGISTER_BYTES), 0)
            driver.do("cuMemHostUnregister", pointer)

        return driver.tried(work)


def pinned_mapped(driver: Driver) -> dict[str, Any]:
    """cuda.pinned.mapped: pinned memory that the device sees at an address of its own."""

    def work() -> None:
        pointer, address = ctypes.c_void_p(), ctypes.c_uint64()
        driver.do("cuMemHostAlloc", ctypes.byref(pointer), ctypes.c_size_t(MIB), FLAGS["CU_MEMHOSTALLOC_DEVICEMAP"])
        driver.do("cuMemHostGetDevicePointer_v2", ctypes.byref(address), pointer, 0)
        driver.do("cuMemFreeHost", pointer)

    return driver.tried(work)
