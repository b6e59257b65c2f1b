"""NCCL: the library that the loader takes, and its version as a number, 22703 for 2.27.3."""

from __future__ import annotations

from typing import Any

from .base import Probe
from .call import Library, NoLibraryError, UnavailableError, no_ctypes, run_steps

ID = "nccl.library"


def observe(probe: Probe) -> None:
    """nccl.library."""
    if not no_ctypes(probe, [ID]):
        run_steps(probe, [(ID, _version)], lambda: None)


def _version(_: None) -> dict[str, Any] | None:
    import ctypes

    try:
        library = Library("libnccl.so.2", fallback=False)
    except NoLibraryError as error:
        if "No such file" in str(error):
            return None
        raise
    number = ctypes.c_int()
    result = int(library.function("ncclGetVersion")(ctypes.byref(number)))
    if result != 0:
        raise UnavailableError(f"ncclGetVersion answered {result}")
    return {"path": library.path("ncclGetVersion"), "version": number.value}
