"""OpenCL: the platforms that its loader finds. Result -1001 is CL_PLATFORM_NOT_FOUND_KHR: a loader without drivers."""

from __future__ import annotations

from typing import Any

from .base import Probe
from .call import Library, NoLibraryError, no_ctypes, run_steps

ID = "opencl.platforms"
_CL_PLATFORM_NAME = 0x0902
_PLATFORMS = 16


def observe(probe: Probe) -> None:
    """opencl.platforms."""
    if probe.wants("standard") and not no_ctypes(probe, [ID]):
        run_steps(probe, [(ID, _platforms)], lambda: None)


def _platforms(_: None) -> dict[str, Any] | None:
    import ctypes

    try:
        library = Library("libOpenCL.so.1", fallback=False)
    except NoLibraryError as error:
        if "No such file" in str(error):
            return None
        raise
    rows, count = (ctypes.c_void_p * _PLATFORMS)(), ctypes.c_uint32()
    result = int(library.function("clGetPlatformIDs")(_PLATFORMS, rows, ctypes.byref(count)))
    names = []
    for row in rows[: min(count.value, _PLATFORMS)] if result == 0 else ():
        text = ctypes.create_string_buffer(256)
        told = library.function("clGetPlatformInfo")(
            ctypes.c_void_p(row), _CL_PLATFORM_NAME, ctypes.c_size_t(len(text)), text, None
        )
        names.append(text.value.decode("utf-8", "replace") if told == 0 else "")
    return {"result": result, "names": names}
