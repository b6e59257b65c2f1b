"""Device memory, and managed memory."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from .call import UnavailableError
from .cuda_driver import Driver, RefusedError
from .cuda_kernel import COUNT, MARK, Kernel, added, new_stream
from .cuda_structures import FLAGS, Location

MIB = 1 << 20
ALLOC_BYTES = 16 * MIB
#: Cycles of the GPU's clock, 1 to 3 GHz: 0.1 to 0.3 seconds, far below Windows' limit of two.
SPIN_CYCLES = 300_000_000
_NOT_READY = 600


def memory(driver: Driver) -> list[dict[str, int]]:
    """cuda.memory: cuMemGetInfo of each device, in its own context."""
    found = []
    try:
        for ordinal in range(driver.count()):
            driver.context(ordinal)
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            driver.do("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
            found.append({"free_bytes": free.value, "total_bytes": total.value})
        driver.context(0)
    except RefusedError as error:
        raise UnavailableError(str(error)) from None
    return found


def alloc(driver: Driver) -> dict[str, Any]:
    """cuda.alloc: 16 MiB written, copied on the device, read back and compared."""
    written = os.urandom(4096) * (ALLOC_BYTES // 4096)
    read = ctypes.create_string_buffer(ALLOC_BYTES)

    def work() -> dict[str, Any]:
        size = ctypes.c_size_t(ALLOC_BYTES)
        first, second = driver.alloc(ALLOC_BYTES), driver.alloc(ALLOC_BYTES)
        driver.do("cuMemcpyHtoD_v2", first, written, size)
        driver.do("cuMemcpyDtoD_v2", second, first, size)
        driver.do("cuMemcpyDtoH_v2", read, second, size)
        driver.free(first)
        driver.free(second)
        return {"correct": read.raw == written}

    return driver.tried(work, correct=False, bytes=ALLOC_BYTES)


def _managed(driver: Driver, size: int = MIB) -> ctypes.c_uint64:
    address = ctypes.c_uint64()
    driver.do("cuMemAllocManaged", ctypes.byref(address), ctypes.c_size_t(size), FLAGS["CU_MEM_ATTACH_GLOBAL"])
    return address


def managed_alloc(driver: Driver) -> dict[str, Any]:
    """cuda.managed.alloc: managed memory is given out; nothing touches it."""
    return driver.tried(lambda: driver.free(_managed(driver)))


def managed_prefetch(driver: Driver) -> dict[str, Any]:
    """cuda.managed.prefetch: moved to device 0 by the function of CUDA 12.2 and later, or else by the older one."""

    def work() -> None:
        address = _managed(driver)
        size = ctypes.c_size_t(MIB)
        if driver.library.has("cuMemPrefetchAsync_v2"):
            place = Location(FLAGS["CU_MEM_LOCATION_TYPE_DEVICE"], 0)
            driver.do("cuMemPrefetchAsync_v2", address, size, place, 0, None)
        else:
            driver.do("cuMemPrefetchAsync", address, size, driver.device(0), None)
        driver.do("cuCtxSynchronize")
        driver.free(address)

    return driver.tried(work)


def managed_touch(driver: Driver) -> dict[str, Any]:
    """cuda.managed.touch: written by the CPU, doubled by the GPU, read by the CPU, never at the same time."""

    def work() -> dict[str, Any]:
        address = _managed(driver)
        cells = (ctypes.c_uint32 * COUNT).from_address(address.value)
        for index in range(COUNT):
            cells[index] = index
        added(driver, address, address, address)
        correct = all(cells[index] == 2 * index for index in range(COUNT))
        driver.free(address)
        return {"correct": correct}

    return driver.tried(work, correct=False)


def managed_touch_concurrent(driver: Driver) -> dict[str, Any]:
    """cuda.managed.touch_concurrent: the CPU reads and writes while a kernel runs that owns the same memory.

    Where the platform does not have it, this process is killed by SIGSEGV, which is the observation.

    :raises UnavailableError: the kernel had ended before, and nothing was killed: that says nothing
    """

    def work() -> dict[str, Any]:
        address = _managed(driver)
        cells = (ctypes.c_uint32 * 3).from_address(address.value)
        cells[0], cells[1], cells[2] = 1, 2, 3
        stream = new_stream(driver)
        Kernel(driver, "wslgpu_spin").launch([address, ctypes.c_uint64(SPIN_CYCLES)], stream=stream)
        # asking also makes WDDM submit what it has gathered
        running = driver.result("cuStreamQuery", stream) == _NOT_READY
        seen = cells[2]
        cells[1] = 4
        driver.do("cuStreamSynchronize", stream)
        correct = (seen, cells[0], cells[1], cells[2]) == (3, MARK, 4, 3)
        driver.free(address)
        if not running:
            raise UnavailableError("the kernel had ended before the memory was touched")
        return {"correct": correct}

    return driver.tried(work, correct=False)
