"""Kernels: PTX text that the driver compiles itself, so that no CUDA toolkit is needed; and a graph.

PTX 6.0 for compute capability 5.0 is what drivers from R384 on compile for every GPU that they serve.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from .call import UnavailableError
from .cuda_driver import Driver
from .cuda_structures import FLAGS

COUNT = 4096
BLOCK = 256
#: What wslgpu_spin leaves in its cell.
MARK = 0x5EED

PTX = b"""
.version 6.0
.target sm_50
.address_size 64

.visible .entry wslgpu_add(.param .u64 left, .param .u64 right, .param .u64 sums, .param .u32 count)
{
    .reg .pred %outside;
    .reg .b32 %block, %width, %index, %limit, %x, %y;
    .reg .b64 %xs, %ys, %outs, %offset;

    ld.param.u64 %xs, [left];
    ld.param.u64 %ys, [right];
    ld.param.u64 %outs, [sums];
    ld.param.u32 %limit, [count];
    cvta.to.global.u64 %xs, %xs;
    cvta.to.global.u64 %ys, %ys;
    cvta.to.global.u64 %outs, %outs;
    mov.u32 %block, %ctaid.x;
    mov.u32 %width, %ntid.x;
    mov.u32 %index, %tid.x;
    mad.lo.u32 %index, %block, %width, %index;
    setp.ge.u32 %outside, %index, %limit;
    @%outside bra done;
    mul.wide.u32 %offset, %index, 4;
    add.u64 %xs, %xs, %offset;
    add.u64 %ys, %ys, %offset;
    add.u64 %outs, %outs, %offset;
    ld.global.u32 %x, [%xs];
    ld.global.u32 %y, [%ys];
    add.u32 %x, %x, %y;
    st.global.u32 [%outs], %x;
done:
    ret;
}

.visible .entry wslgpu_spin(.param .u64 cell, .param .u64 cycles)
{
    .reg .pred %more;
    .reg .b32 %mark;
    .reg .b64 %address, %limit, %begin, %now;

    ld.param.u64 %address, [cell];
    ld.param.u64 %limit, [cycles];
    cvta.to.global.u64 %address, %address;
    mov.u64 %begin, %clock64;
again:
    mov.u64 %now, %clock64;
    sub.u64 %now, %now, %begin;
    setp.lt.u64 %more, %now, %limit;
    @%more bra again;
    mov.u32 %mark, 24301;
    st.global.u32 [%address], %mark;
    ret;
}

.visible .entry wslgpu_nothing()
{
    ret;
}
"""


class Kernel:
    """One entry of :data:`PTX`.

    :raises RefusedError: the driver does not compile it, or does not find the entry
    """

    def __init__(self, driver: Driver, entry: str) -> None:
        self.driver = driver
        module, self.function = ctypes.c_void_p(), ctypes.c_void_p()
        driver.do("cuModuleLoadData", ctypes.byref(module), PTX)
        driver.do("cuModuleGetFunction", ctypes.byref(self.function), module, entry.encode())

    def launch(
        self, arguments: Sequence[Any], blocks: int = 1, threads: int = 1, stream: ctypes.c_void_p | None = None
    ) -> None:
        """Start it. ``arguments`` are ctypes values, as wide as the parameters."""
        pointers = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(item) for item in arguments))
        shape = (blocks, 1, 1, threads, 1, 1, 0)
        self.driver.do("cuLaunchKernel", self.function, *shape, stream, pointers if arguments else None, None)


def added(driver: Driver, left: Any, right: Any, sums: Any) -> None:
    """Run wslgpu_add over :data:`COUNT` numbers at three addresses, and wait."""
    Kernel(driver, "wslgpu_add").launch([left, right, sums, ctypes.c_uint32(COUNT)], COUNT // BLOCK, BLOCK)
    driver.do("cuCtxSynchronize")


def kernel(driver: Driver) -> dict[str, Any]:
    """cuda.kernel: two rows of numbers added on the GPU, all sums compared."""
    numbers = ctypes.c_uint32 * COUNT
    left = numbers(*((index * 2654435761) & 0xFFFFFFFF for index in range(COUNT)))
    right = numbers(*((index ^ 0x5BD1E995) & 0xFFFFFFFF for index in range(COUNT)))
    sums = numbers()

    def work() -> dict[str, Any]:
        size = ctypes.sizeof(numbers)
        addresses = [driver.alloc(size) for _ in range(3)]
        driver.do("cuMemcpyHtoD_v2", addresses[0], left, ctypes.c_size_t(size))
        driver.do("cuMemcpyHtoD_v2", addresses[1], right, ctypes.c_size_t(size))
        added(driver, *addresses)
        driver.do("cuMemcpyDtoH_v2", sums, addresses[2], ctypes.c_size_t(size))
        for address in addresses:
            driver.free(address)
        correct = all(sums[index] == (left[index] + right[index]) & 0xFFFFFFFF for index in range(COUNT))
        return {"correct": correct}

    return driver.tried(work, correct=False)


def new_stream(driver: Driver) -> ctypes.c_void_p:
    """A stream that does not wait for the default one."""
    stream = ctypes.c_void_p()
    driver.do("cuStreamCreate", ctypes.byref(stream), FLAGS["CU_STREAM_NON_BLOCKING"])
    return stream


def graph(driver: Driver) -> dict[str, Any]:
    """cuda.graph: memory set by a graph that was captured from a stream."""

    def work() -> None:
        address = driver.alloc(4096)
        stream, captured, executable = new_stream(driver), ctypes.c_void_p(), ctypes.c_void_p()
        driver.do("cuStreamBeginCapture_v2", stream, FLAGS["CU_STREAM_CAPTURE_MODE_RELAXED"])
        driver.do("cuMemsetD32Async", address, ctypes.c_uint(MARK), ctypes.c_size_t(1024), stream)
        driver.do("cuStreamEndCapture", stream, ctypes.byref(captured))
        _instantiate(driver, executable, captured)
        driver.do("cuGraphLaunch", executable, stream)
        driver.do("cuStreamSynchronize", stream)
        driver.do("cuGraphExecDestroy", executable)
        driver.do("cuGraphDestroy", captured)
        found = (ctypes.c_uint32 * 1024)()
        driver.do("cuMemcpyDtoH_v2", found, address, ctypes.c_size_t(4096))
        driver.free(address)
        if any(word != MARK for word in found):
            raise UnavailableError("the graph was launched without an error, but did not set the memory")

    return driver.tried(work)


def _instantiate(driver: Driver, executable: ctypes.c_void_p, captured: ctypes.c_void_p) -> None:
    """By the function that CUDA 11.4 and later have, or else by the one before it."""
    if driver.library.has("cuGraphInstantiateWithFlags"):
        driver.do("cuGraphInstantiateWithFlags", ctypes.byref(executable), captured, ctypes.c_ulonglong(0))
    else:
        driver.do("cuGraphInstantiate_v2", ctypes.byref(executable), captured, None, None, ctypes.c_size_t(0))
