"""libnvidia-ml.so.1 with its results by name."""

from __future__ import annotations

import ctypes
from typing import Any

from .call import Library
from .nvml_numbers import RETURN_NAMES, RETURNS

LIBRARY = "libnvidia-ml.so.1"
NOT_THERE = RETURNS["NVML_ERROR_FUNCTION_NOT_FOUND"]


class Nvml:
    """NVML.

    :raises NoLibraryError: libnvidia-ml.so.1 is not loaded
    """

    def __init__(self) -> None:
        self.library = Library(LIBRARY)

    def result(self, function: str, *arguments: Any) -> int:
        """Call it; NVML_ERROR_FUNCTION_NOT_FOUND where this library does not have it, as NVIDIA's own binding says."""
        if not self.library.has(function):
            return NOT_THERE
        return int(getattr(self.library.handle, function)(*arguments))

    def first_of(self, *functions: str) -> str:
        """The first of these names that the library has, or else the last."""
        return next((name for name in functions if self.library.has(name)), functions[-1])

    def name_of(self, result: int) -> str:
        """``NVML_ERROR_NOT_SUPPORTED`` for 3."""
        return RETURN_NAMES.get(result, f"NVML_ERROR_{result}")

    def answer(self, result: int, **more: Any) -> dict[str, Any]:
        """The value of an observation that is a call."""
        return {"result": result, "name": self.name_of(result), **more}

    def text(self, function: str, size: int) -> str:
        """What the system says in words; empty when it does not."""
        buffer = ctypes.create_string_buffer(size)
        return buffer.value.decode("utf-8", "replace") if self.result(function, buffer, size) == 0 else ""

    def count(self) -> tuple[int, int]:
        """The result, and how many devices there are."""
        number = ctypes.c_uint()
        result = self.result("nvmlDeviceGetCount_v2", ctypes.byref(number))
        return result, min(number.value, 64) if result == 0 else 0

    def device(self, index: int) -> tuple[int, ctypes.c_void_p]:
        """The result, and a device's handle."""
        handle = ctypes.c_void_p()
        return self.result("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle)), handle
