"""Virtual memory management and memory pools, by function: on WSL2 the attributes say more than the functions do."""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import Any

from .cuda_driver import Driver
from .cuda_structures import FLAGS, AccessDescription, AllocationProperties, Location, PoolProperties

RESERVE_BYTES = 32 << 30
POOL_BYTES = 1 << 20
_POSIX = FLAGS["CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR"]


def _place() -> Location:
    return Location(FLAGS["CU_MEM_LOCATION_TYPE_DEVICE"], 0)


def _properties(handle_type: int) -> AllocationProperties:
    return AllocationProperties(
        type=FLAGS["CU_MEM_ALLOCATION_TYPE_PINNED"], requestedHandleTypes=handle_type, location=_place()
    )


def _granule(driver: Driver, properties: AllocationProperties) -> int:
    size = ctypes.c_size_t()
    driver.do(
        "cuMemGetAllocationGranularity",
        ctypes.byref(size),
        ctypes.byref(properties),
        FLAGS["CU_MEM_ALLOC_GRANULARITY_MINIMUM"],
    )
    return size.value


def _reserved(driver: Driver, size: int) -> ctypes.c_uint64:
    address = ctypes.c_uint64()
    driver.do(
        "cuMemAddressReserve",
        ctypes.byref(address),
        ctypes.c_size_t(size),
        ctypes.c_size_t(0),
        ctypes.c_uint64(0),
        ctypes.c_ulonglong(0),
    )
    return address


def _created(driver: Driver, size: int, properties: AllocationProperties) -> ctypes.c_ulonglong:
    handle = ctypes.c_ulonglong()
    driver.do(
        "cuMemCreate", ctypes.byref(handle), ctypes.c_size_t(size), ctypes.byref(properties), ctypes.c_ulonglong(0)
    )
    return handle


def reserve(driver: Driver) -> dict[str, Any]:
    """cuda.vmm.reserve: 32 GiB of addresses, no memory behind them."""

    def work() -> None:
        address = _reserved(driver, RESERVE_BYTES)
        driver.do("cuMemAddressFree", address, ctypes.c_size_t(RESERVE_BYTES))

    return driver.tried(work, bytes=RESERVE_BYTES)


def map_one(driver: Driver) -> dict[str, Any]:
    """cuda.vmm.map: one granule made, mapped and opened for reading and writing."""

    def work() -> None:
        properties = _properties(FLAGS["CU_MEM_HANDLE_TYPE_NONE"])
        granule = _granule(driver, properties)
        size = ctypes.c_size_t(granule)
        address = _reserved(driver, granule)
        handle = _created(driver, granule, properties)
        driver.do("cuMemMap", address, size, ctypes.c_size_t(0), handle, ctypes.c_ulonglong(0))
        access = AccessDescription(_place(), FLAGS["CU_MEM_ACCESS_FLAGS_PROT_READWRITE"])
        driver.do("cuMemSetAccess", address, size, ctypes.byref(access), ctypes.c_size_t(1))
        driver.do("cuMemUnmap", address, size)
        driver.do("cuMemRelease", handle)
        driver.do("cuMemAddressFree", address, size)

    return driver.tried(work)


def shared(driver: Driver) -> dict[str, Any]:
    """cuda.vmm.posix_fd: one granule that can be shared, and the file descriptor for it."""

    def work() -> None:
        properties = _properties(_POSIX)
        handle = _created(driver, _granule(driver, properties), properties)
        _exported(driver, "cuMemExportToShareableHandle", handle)
        driver.do("cuMemRelease", handle)

    return driver.tried(work)


def _exported(driver: Driver, function: str, handle: Any) -> None:
    descriptor = ctypes.c_int(-1)
    driver.do(function, ctypes.byref(descriptor), handle, _POSIX, ctypes.c_ulonglong(0))
    if descriptor.value > 2:
        with contextlib.suppress(OSError):
            os.close(descriptor.value)


def pool_default(driver: Driver) -> dict[str, Any]:
    """cuda.pool.default: 1 MiB by cuMemAllocAsync."""

    def work() -> None:
        address = ctypes.c_uint64()
        driver.do("cuMemAllocAsync", ctypes.byref(address), ctypes.c_size_t(POOL_BYTES), None)
        driver.do("cuMemFreeAsync", address, None)
        driver.do("cuCtxSynchronize")

    return driver.tried(work)


def pool_shared(driver: Driver) -> dict[str, Any]:
    """cuda.pool.posix_fd: a pool that can be shared, and the file descriptor for it."""

    def work() -> None:
        properties = PoolProperties(
            allocType=FLAGS["CU_MEM_ALLOCATION_TYPE_PINNED"], handleTypes=_POSIX, location=_place()
        )
        pool = ctypes.c_void_p()
        driver.do("cuMemPoolCreate", ctypes.byref(pool), ctypes.byref(properties))
        _exported(driver, "cuMemPoolExportToShareableHandle", pool)
        driver.do("cuMemPoolDestroy", pool)

    return driver.tried(work)
