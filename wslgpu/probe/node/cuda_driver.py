"""libcuda.so.1 with its results told apart: what refused, by the name that cuda.h gives it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from .call import Library, UnavailableError
from .cuda_numbers import ATTRIBUTES, RESULT_NAMES

LIBRARY = "libcuda.so.1"


class RefusedError(Exception):
    """A call that did not end with CUDA_SUCCESS."""

    def __init__(self, function: str, result: int, name: str) -> None:
        super().__init__(f"{function}: {name}")
        self.function = function
        self.result = result
        self.name = name


class Driver:
    """The driver API.

    :raises NoLibraryError: libcuda.so.1 is not loaded
    """

    def __init__(self) -> None:
        self.library = Library(LIBRARY)

    def result(self, function: str, *arguments: Any) -> int:
        """Call it and give its CUresult.

        :raises UnavailableError: there is no such function
        """
        return int(self.library.function(function)(*arguments))

    def do(self, function: str, *arguments: Any) -> None:
        """Call it.

        :raises RefusedError: the answer is not CUDA_SUCCESS
        :raises UnavailableError: there is no such function
        """
        result = self.result(function, *arguments)
        if result != 0:
            raise RefusedError(function, result, self.name_of(result))

    def name_of(self, result: int) -> str:
        """``CUDA_ERROR_INVALID_VALUE`` for 1; what the driver calls a number that is not in our table."""
        if result in RESULT_NAMES:
            return RESULT_NAMES[result]
        text = ctypes.c_char_p()
        if self.library.has("cuGetErrorName"):
            self.library.handle.cuGetErrorName(result, ctypes.byref(text))
        return (text.value or b"CUDA_ERROR_%d" % result).decode("ascii", "replace")

    def answer(self, result: int, **more: Any) -> dict[str, Any]:
        """The value of an observation that is a call."""
        return {"result": result, "name": self.name_of(result), **more}

    def tried(self, work: Callable[[], dict[str, Any] | None], **refused: Any) -> dict[str, Any]:
        """Do the work: success with what it returns, or the first refusal with ``refused``."""
        try:
            more = work()
        except RefusedError as error:
            return self.answer(error.result, **refused)
        return self.answer(0, **{**refused, **(more or {})})

    def count(self) -> int:
        """How many devices there are."""
        number = ctypes.c_int()
        self.do("cuDeviceGetCount", ctypes.byref(number))
        return max(0, min(number.value, 64))

    def device(self, ordinal: int) -> int:
        """The CUdevice of an ordinal number."""
        device = ctypes.c_int()
        self.do("cuDeviceGet", ctypes.byref(device), ordinal)
        return device.value

    def attribute(self, name: str, device: int) -> int:
        """One attribute of :data:`ATTRIBUTES`."""
        value = ctypes.c_int()
        self.do("cuDeviceGetAttribute", ctypes.byref(value), ATTRIBUTES[name], device)
        return value.value

    def context(self, ordinal: int = 0) -> ctypes.c_void_p:
        """Make the device's primary context current."""
        device = self.device(ordinal)
        context = ctypes.c_void_p()
        self.do("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.do("cuCtxSetCurrent", context)
        return context

    def alloc(self, size: int) -> ctypes.c_uint64:
        """Device memory."""
        address = ctypes.c_uint64()
        self.do("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address

    def free(self, address: ctypes.c_uint64) -> None:
        """Give device memory back; a failure is no news, because the process ends."""
        self.result("cuMemFree_v2", address)


def started() -> Driver:
    """The driver after cuInit.

    :raises UnavailableError: it has none, or it refuses
    """
    driver = Driver()
    try:
        driver.do("cuInit", 0)
    except RefusedError as error:
        raise UnavailableError(str(error)) from None
    return driver


def with_context() -> Driver:
    """The driver with a context of device 0 current.

    :raises UnavailableError: as :func:`started`, or there is no context
    """
    driver = started()
    try:
        driver.context()
    except RefusedError as error:
        raise UnavailableError(f"there is no context: {error}") from None
    return driver


def spoilt(driver: Driver) -> bool:
    """Whether an error has stuck to the context, so that whatever comes next would be told it."""
    return driver.library.has("cuCtxSynchronize") and driver.result("cuCtxSynchronize") != 0
