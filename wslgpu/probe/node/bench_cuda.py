"""What the GPU and its link do per second: recorded, compared with peers, never a gate.

The clock is the host's, around work that is waited for, so that every number holds what a program would wait.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Any

from .call import UnavailableError
from .cuda_driver import Driver, RefusedError
from .cuda_kernel import Kernel

MIB = 1 << 20
COPY_BYTES = 64 * MIB
DEVICE_COPY_BYTES = 256 * MIB
STEP_BYTES = 64 * MIB
WRITTEN_BYTES = 64 << 10
LAUNCHES = 400
COPIES = 12
TIME_S = 4.0
ALLOCATE_TIME_S = 15.0
#: What is left for the desktop and for others.
ALLOCATE_PART = 0.9


def median(values: Sequence[float]) -> float:
    """The middle one; of an even number the mean of the two."""
    rows = sorted(values)
    middle = len(rows) // 2
    return rows[middle] if len(rows) % 2 else (rows[middle - 1] + rows[middle]) / 2


def spread(values: Sequence[float]) -> float:
    """How far the middle half lies apart."""
    rows = sorted(values)
    return rows[(3 * (len(rows) - 1)) // 4] - rows[(len(rows) - 1) // 4]


def timed(work: Callable[[], Any], times: int, limit_s: float = TIME_S) -> list[float]:
    """Seconds of each run after one that is not counted, at least three."""
    work()
    seconds: list[float] = []
    began = time.perf_counter()
    while len(seconds) < times and (len(seconds) < 3 or time.perf_counter() - began < limit_s):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def _refusals(function: Callable[[Driver], dict[str, Any]]) -> Callable[[Driver], dict[str, Any]]:
    """A benchmark has no place for an error: what refused is the reason why it is unknown."""

    def work(driver: Driver) -> dict[str, Any]:
        try:
            return function(driver)
        except RefusedError as error:
            raise UnavailableError(str(error)) from None

    return work


@_refusals
def launch_latency(driver: Driver) -> dict[str, Any]:
    """bench.launch_latency: an empty kernel started and waited for, microseconds."""
    kernel = Kernel(driver, "wslgpu_nothing")

    def once() -> None:
        kernel.launch([])
        driver.do("cuCtxSynchronize")

    for _ in range(20):
        once()
    micros = [seconds * 1e6 for seconds in timed(once, LAUNCHES)]
    return {"median_us": round(median(micros), 2), "spread_us": round(spread(micros), 2), "runs": len(micros)}


def _rate(seconds: Sequence[float], counted: int, size: int) -> dict[str, Any]:
    middle = median(seconds)
    if middle <= 0:
        raise UnavailableError("the copies took no time at all")
    return {"bytes_per_s": round(counted / middle, 1), "bytes": size}


def _copies(driver: Driver, host: Any, to_device: bool) -> dict[str, Any]:
    address, size = driver.alloc(COPY_BYTES), ctypes.c_size_t(COPY_BYTES)

    def once() -> None:
        if to_device:
            driver.do("cuMemcpyHtoD_v2", address, host, size)
        else:
            driver.do("cuMemcpyDtoH_v2", host, address, size)
        driver.do("cuCtxSynchronize")

    try:
        return _rate(timed(once, COPIES), COPY_BYTES, COPY_BYTES)
    finally:
        driver.free(address)


def _pinned(driver: Driver, to_device: bool) -> dict[str, Any]:
    host = ctypes.c_void_p()
    driver.do("cuMemHostAlloc", ctypes.byref(host), ctypes.c_size_t(COPY_BYTES), 0)
    try:
        return _copies(driver, host, to_device)
    finally:
        driver.result("cuMemFreeHost", host)


def _pageable(driver: Driver, to_device: bool) -> dict[str, Any]:
    host = ctypes.create_string_buffer(COPY_BYTES)
    ctypes.memset(host, 1, COPY_BYTES)  # its pages are there before the clock runs
    return _copies(driver, host, to_device)


@_refusals
def host_to_device_pinned(driver: Driver) -> dict[str, Any]:
    """bench.host_to_device_pinned."""
    return _pinned(driver, True)


@_refusals
def host_to_device_pageable(driver: Driver) -> dict[str, Any]:
    """bench.host_to_device_pageable."""
    return _pageable(driver, True)


@_refusals
def device_to_host_pinned(driver: Driver) -> dict[str, Any]:
    """bench.device_to_host_pinned."""
    return _pinned(driver, False)


@_refusals
def device_to_host_pageable(driver: Driver) -> dict[str, Any]:
    """bench.device_to_host_pageable."""
    return _pageable(driver, False)


@_refusals
def device_memory(driver: Driver) -> dict[str, Any]:
    """bench.device_memory: copies larger than the caches, ten for each wait; read and written bytes both count."""
    first, second = driver.alloc(DEVICE_COPY_BYTES), driver.alloc(DEVICE_COPY_BYTES)
    size = ctypes.c_size_t(DEVICE_COPY_BYTES)

    def once() -> None:
        for _ in range(10):
            driver.do("cuMemcpyDtoD_v2", second, first, size)
        driver.do("cuCtxSynchronize")

    try:
        return _rate(timed(once, COPIES), 2 * 10 * DEVICE_COPY_BYTES, DEVICE_COPY_BYTES)
    finally:
        driver.free(first)
        driver.free(second)


@_refusals
def device_allocatable(driver: Driver) -> dict[str, Any]:
    """bench.device_allocatable: 64 MiB more each time, up to nine tenths of what is free; then all is given back.

    Each is written at its beginning, because Windows makes the whole of an allocation resident or nothing of it.
    """
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    driver.do("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    held: list[ctypes.c_uint64] = []
    began = time.monotonic()
    while (len(held) + 1) * STEP_BYTES <= free.value * ALLOCATE_PART:
        if time.monotonic() - began > ALLOCATE_TIME_S:
            break
        try:
            held.append(driver.alloc(STEP_BYTES))
            driver.do("cuMemsetD32_v2", held[-1], ctypes.c_uint(1), ctypes.c_size_t(WRITTEN_BYTES // 4))
            driver.do("cuCtxSynchronize")
        except RefusedError:
            break
    granted = len(held) * STEP_BYTES
    for address in held:
        driver.free(address)
    return {"granted_bytes": granted, "free_bytes": free.value}
