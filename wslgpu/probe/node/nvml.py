"""NVML through libnvidia-ml.so.1: reads in one child, and at ``standard`` what it knows of a program that computes."""

from __future__ import annotations

from typing import Any

from .base import Probe
from .call import READ_TIMEOUT_S, NoLibraryError, no_ctypes, run_steps
from .child import Emit
from .cuda import without_devices

IDS = ("nvml.library", "nvml.init", "nvml.versions", "nvml.device_count", "nvml.fields")
PROCESS_MEMORY = "nvml.process_memory"


def observe(probe: Probe) -> None:
    """All of nvml.*."""
    if no_ctypes(probe, (*IDS, PROCESS_MEMORY) if probe.wants("standard") else IDS):
        return
    probe.in_child(IDS, _read, READ_TIMEOUT_S)
    if not probe.wants("standard"):
        return
    reason = without_devices(probe)
    if reason:
        probe.unknown(PROCESS_MEMORY, reason)
    else:
        run_steps(probe, [(PROCESS_MEMORY, _process_memory)], lambda: None)


def _read(emit: Emit) -> None:
    import ctypes

    from .nvml_fields import read_fields
    from .nvml_library import Nvml
    from .nvml_numbers import CONSTANTS

    emit.begin("nvml.library")
    try:
        nvml = Nvml()
    except NoLibraryError as error:
        emit("nvml.library", None)
        _rest(emit, 1, str(error))
        return
    emit("nvml.library", {"path": nvml.library.path("nvmlInit_v2")})
    emit.begin("nvml.init")
    result = nvml.result("nvmlInit_v2")
    emit("nvml.init", nvml.answer(result))
    if result != 0:
        _rest(emit, 2, f"nvmlInit_v2: {nvml.name_of(result)}")
        return
    emit.begin("nvml.versions")
    cuda = ctypes.c_int()
    result = nvml.result("nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(cuda))
    versions = {
        "driver": nvml.text("nvmlSystemGetDriverVersion", CONSTANTS["NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE"]),
        "nvml": nvml.text("nvmlSystemGetNVMLVersion", CONSTANTS["NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE"]),
        "cuda": cuda.value if result == 0 else 0,
    }
    emit("nvml.versions", versions)
    emit.begin("nvml.device_count")
    result, count = nvml.count()
    if result != 0:
        _rest(emit, 3, f"nvmlDeviceGetCount_v2: {nvml.name_of(result)}")
        return
    emit("nvml.device_count", count)
    emit.begin("nvml.fields")
    found = [nvml.device(index) for index in range(count)]
    devices = [device for result, device in found if result == 0]
    if not devices:
        refused = next((nvml.name_of(result) for result, _ in found), "NVML counts no device")
        _rest(emit, 4, f"there is no device to ask: {refused}")
        return
    emit("nvml.fields", read_fields(nvml, devices))
    nvml.result("nvmlShutdown")


def _rest(emit: Emit, first: int, reason: str) -> None:
    for observation_id in IDS[first:]:
        emit.unknown(observation_id, reason)


def _process_memory(_: None) -> dict[str, Any]:
    """nvml.process_memory: a companion holds memory of the GPU, and NVML is asked what each program holds.

    :raises UnavailableError: there is no context, or NVML lists no program at all, as in a container
    """
    from .cuda_processes import Companion, holds_memory
    from .nvml_fields import process_memory
    from .nvml_library import Nvml

    companion = Companion(holds_memory)
    companion.answer()
    nvml = Nvml()
    result = nvml.result("nvmlInit_v2")
    if result == 0:
        result, count = nvml.count()
        devices = [nvml.device(index)[1] for index in range(count)]
        result = result or process_memory(nvml, devices)
    companion.end()
    return nvml.answer(result)
