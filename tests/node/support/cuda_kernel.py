"""Runs a kernel on the first GPU through libcuda's driver API, and compares its result exactly.

A program of its own: standard library only, one JSON object on standard output, run by any python3 from 3.8 on
(inside a container by the host's). The kernel is PTX text, compiled by the driver itself, so no CUDA toolkit is
needed. It computes ``y[i] = a * x[i] + y[i]`` on unsigned 32-bit integers and adds every result into one 64-bit sum,
whose overflow, order and rounding cannot matter.

Answers: ``{"state": "ran" | "stand-in" | "no-gpu" | "no-driver" | "failed", "library", "device", "detail"}``.
"""

from __future__ import annotations

import ctypes
import json
import sys

COUNT = 1 << 20
FACTOR = 2654435761
BLOCK = 256

PTX = b"""
.version 6.0
.target sm_50
.address_size 64

.visible .entry saxpy_sum(
    .param .u64 x_address, .param .u64 y_address, .param .u64 sum_address, .param .u32 factor, .param .u32 count)
{
    .reg .pred %outside;
    .reg .b32 %block, %width, %thread, %index, %limit, %a, %x, %y;
    .reg .b64 %xs, %ys, %sum, %offset, %wide, %old;

    ld.param.u64 %xs, [x_address];
    ld.param.u64 %ys, [y_address];
    ld.param.u64 %sum, [sum_address];
    ld.param.u32 %a, [factor];
    ld.param.u32 %limit, [count];
    cvta.to.global.u64 %xs, %xs;
    cvta.to.global.u64 %ys, %ys;
    cvta.to.global.u64 %sum, %sum;
    mov.u32 %block, %ctaid.x;
    mov.u32 %width, %ntid.x;
    mov.u32 %thread, %tid.x;
    mad.lo.u32 %index, %block, %width, %thread;
    setp.ge.u32 %outside, %index, %limit;
    @%outside bra done;
    mul.wide.u32 %offset, %index, 4;
    add.u64 %xs, %xs, %offset;
    add.u64 %ys, %ys, %offset;
    ld.global.u32 %x, [%xs];
    ld.global.u32 %y, [%ys];
    mad.lo.u32 %y, %a, %x, %y;
    st.global.u32 [%ys], %y;
    cvt.u64.u32 %wide, %y;
    atom.global.add.u64 %old, [%sum], %wide;
done:
    ret;
}
"""


class CudaError(Exception):
    """A call of the driver API that did not end with CUDA_SUCCESS."""


class Cuda:
    """libcuda, with its error codes as exceptions."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def __call__(self, name: str, *arguments: object) -> None:
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            text = ctypes.c_char_p()
            self.library.cuGetErrorName(code, ctypes.byref(text))
            raise CudaError(f"{name}: {(text.value or b'unknown error').decode()} ({code})")


def stand_in(library: ctypes.CDLL) -> str:
    """What the library says of itself when it is the lab's stand-in; empty for a genuine one."""
    try:
        symbol = ctypes.c_char.in_dll(library, "wslgpu_stand_in")
    except ValueError:
        return ""
    return ctypes.string_at(ctypes.addressof(symbol)).decode(errors="replace")


def loaded_from(name: str) -> list[str]:
    """The file that a loaded library came from."""
    with open("/proc/self/maps") as maps:  # noqa: PTH123
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if len(line.split(maxsplit=5)) == 6}
    return sorted(path for path in paths if f"/{name}" in path)


def expected() -> tuple[int, list[int]]:
    """The kernel's results, computed here: the sum and the values themselves."""
    values = [(FACTOR * i + (i ^ 0x5BD1E995)) & 0xFFFFFFFF for i in range(COUNT)]
    return sum(values) & 0xFFFFFFFFFFFFFFFF, values


def run(cuda: Cuda) -> tuple[str, str]:
    """Run the kernel on device 0; the device's name, and what differs from the expected result ('' for nothing)."""
    device, context, module, function = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    cuda("cuDeviceGet", ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(128)
    cuda("cuDeviceGetName", name, len(name), device)
    cuda("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    try:
        cuda("cuCtxSetCurrent", context)
        cuda("cuModuleLoadData", ctypes.byref(module), PTX)
        cuda("cuModuleGetFunction", ctypes.byref(function), module, b"saxpy_sum")
        numbers = ctypes.c_uint32 * COUNT
        x = numbers(*range(COUNT))
        y = numbers(*(i ^ 0x5BD1E995 for i in range(COUNT)))
        total = ctypes.c_uint64(0)
        pairs = []
        for host in (x, y, total):
            address = ctypes.c_uint64()
            size = ctypes.c_size_t(ctypes.sizeof(host))
            cuda("cuMemAlloc_v2", ctypes.byref(address), size)
            cuda("cuMemcpyHtoD_v2", address, ctypes.byref(host), size)
            pairs.append((host, address, size))
        arguments = [address for _, address, _ in pairs] + [ctypes.c_uint32(FACTOR), ctypes.c_uint32(COUNT)]
        pointers = (ctypes.c_void_p * len(arguments))(*(ctypes.addressof(argument) for argument in arguments))
        blocks = (COUNT + BLOCK - 1) // BLOCK
        cuda("cuLaunchKernel", function, blocks, 1, 1, BLOCK, 1, 1, 0, None, pointers, None)
        cuda("cuCtxSynchronize")
        for host, address, size in pairs:
            cuda("cuMemcpyDtoH_v2", ctypes.byref(host), address, size)
            cuda("cuMemFree_v2", address)
    finally:
        cuda.library.cuDevicePrimaryCtxRelease_v2(device)
    wanted_sum, wanted = expected()
    wrong = next((i for i in range(COUNT) if y[i] != wanted[i]), None)
    difference = ""
    if wrong is not None:
        difference = f"element {wrong} is {y[wrong]}, not {wanted[wrong]}"
    elif total.value != wanted_sum:
        difference = f"the sum is {total.value}, not {wanted_sum}"
    return name.value.decode(errors="replace"), difference


def answer() -> dict[str, object]:
    """Everything, as the JSON object that is printed."""
    try:
        library = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        return {"state": "no-driver", "library": [], "detail": str(error)}
    found: dict[str, object] = {"library": loaded_from("libcuda")}
    if said := stand_in(library):
        return {**found, "state": "stand-in", "detail": said}
    cuda = Cuda(library)
    count = ctypes.c_int()
    try:
        cuda("cuInit", 0)
        cuda("cuDeviceGetCount", ctypes.byref(count))
    except CudaError as error:
        return {**found, "state": "no-gpu", "detail": str(error)}
    if count.value == 0:
        return {**found, "state": "no-gpu", "detail": "the driver counts no GPU"}
    try:
        device, difference = run(cuda)
    except CudaError as error:
        return {**found, "state": "failed", "detail": str(error)}
    if difference:
        return {**found, "state": "failed", "device": device, "detail": difference}
    return {**found, "state": "ran", "device": device, "detail": f"{COUNT} results and their sum are exact"}


if __name__ == "__main__":
    json.dump(answer(), sys.stdout)
    sys.stdout.write("\n")
