"""What NVML is asked of each device, one by one, because on WSL2 each is answered or refused for itself.

A query takes the library, a device and all devices, and gives the result and the value in NVML's own units: bytes,
per cent, degrees Celsius, milliwatts, MHz, millijoules, KB/s. No serial number and no UUID is asked for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .call import UnavailableError
from .nvml_library import Nvml
from .nvml_numbers import (
    CONSTANTS,
    NOT_AVAILABLE,
    RETURNS,
    Bar1Memory,
    FieldValue,
    GpmSupport,
    Memory,
    MemoryV2,
    Pci,
    Process,
    Temperature,
    Utilization,
    version_of,
)

if TYPE_CHECKING:
    Query = Callable[[Nvml, ctypes.c_void_p, Sequence[ctypes.c_void_p]], tuple[int, Any]]

_PROCESSES = 128
_PROCESSES_LIMIT = 4096
_COMPUTE = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")
_GRAPHICS = ("nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2")


def _number(function: str, *before: int, kind: Any = ctypes.c_uint) -> Query:
    """One number by reference, after the given arguments."""

    def query(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
        value = kind()
        return nvml.result(function, device, *before, ctypes.byref(value)), value.value

    return query


def _numbers(function: str, *names: str) -> Query:
    """Several numbers by reference, by name."""

    def query(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
        values = [ctypes.c_uint() for _name in names]
        result = nvml.result(function, device, *(ctypes.byref(value) for value in values))
        return result, {name: values[index].value for index, name in enumerate(names)}

    return query


def _first(function: str, name: str) -> Query:
    """The first of two numbers; the second says how long was measured, or what is pending."""
    both = _numbers(function, name, "second")

    def query(nvml: Nvml, device: ctypes.c_void_p, others: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
        result, value = both(nvml, device, others)
        return result, value[name]

    return query


def _text(function: str, size: int) -> Query:
    def query(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
        buffer = ctypes.create_string_buffer(size)
        return nvml.result(function, device, buffer, size), buffer.value.decode("utf-8", "replace")

    return query


def _memory(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    if nvml.library.has("nvmlDeviceGetMemoryInfo_v2"):
        new = MemoryV2(version=version_of(MemoryV2, 2))
        result = nvml.result("nvmlDeviceGetMemoryInfo_v2", device, ctypes.byref(new))
        return result, {
            "total_bytes": new.total,
            "free_bytes": new.free,
            "used_bytes": new.used,
            "reserved_bytes": new.reserved,
        }
    old = Memory()
    result = nvml.result("nvmlDeviceGetMemoryInfo", device, ctypes.byref(old))
    return result, {"total_bytes": old.total, "free_bytes": old.free, "used_bytes": old.used}


def _bar1(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    memory = Bar1Memory()
    result = nvml.result("nvmlDeviceGetBAR1MemoryInfo", device, ctypes.byref(memory))
    return result, {"total_bytes": memory.bar1Total, "free_bytes": memory.bar1Free, "used_bytes": memory.bar1Used}


def _pci(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    pci = Pci()
    result = nvml.result("nvmlDeviceGetPciInfo_v3", device, ctypes.byref(pci))
    bus = pci.busId.decode("ascii", "replace")
    return result, {"bus_id": bus, "device_id": f"0x{pci.pciDeviceId:08x}"}


def _utilization(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    used = Utilization()
    result = nvml.result("nvmlDeviceGetUtilizationRates", device, ctypes.byref(used))
    return result, {"gpu": used.gpu, "memory": used.memory}


def _temperature(nvml: Nvml, device: ctypes.c_void_p, others: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    """By the function that CUDA 13 calls deprecated and every driver so far has, or else by its successor."""
    sensor = CONSTANTS["NVML_TEMPERATURE_GPU"]
    if nvml.library.has("nvmlDeviceGetTemperature"):
        return _number("nvmlDeviceGetTemperature", sensor)(nvml, device, others)
    value = Temperature(version=version_of(Temperature, 1), sensorType=sensor)
    return nvml.result("nvmlDeviceGetTemperatureV", device, ctypes.byref(value)), value.temperature


def _throttle(nvml: Nvml, device: ctypes.c_void_p, others: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    names = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
    return _number(nvml.first_of(*names), kind=ctypes.c_ulonglong)(nvml, device, others)


def _list(nvml: Nvml, device: ctypes.c_void_p, functions: tuple[str, str]) -> tuple[int, list[Process]]:
    """The processes of a device, by the newest function whose rows are of that size; more than are usual are asked
    for again with the room that NVML wants."""
    function = nvml.first_of(*functions)
    room = _PROCESSES
    for _ in range(2):
        count, rows = ctypes.c_uint(room), (Process * room)()
        result = nvml.result(function, device, ctypes.byref(count), rows)
        if result != RETURNS["NVML_ERROR_INSUFFICIENT_SIZE"]:
            break
        room = min(2 * count.value, _PROCESSES_LIMIT)
    return result, list(rows[: min(count.value, room)]) if result == 0 else []


def _processes(functions: tuple[str, str]) -> Query:
    """How many; their names and numbers are nobody's business."""

    def query(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
        result, rows = _list(nvml, device, functions)
        return result, len(rows)

    return query


def process_memory(nvml: Nvml, devices: Sequence[ctypes.c_void_p]) -> int:
    """Whether any compute process's memory is told: success, or what refused.

    NVML_ERROR_NOT_SUPPORTED when the number that means "not available" stands for every one, which is WDDM's answer.

    :raises UnavailableError: the list is empty
    """
    answers = [_list(nvml, device, _COMPUTE) for device in devices]
    rows = [row for _, found in answers for row in found]
    if any(row.usedGpuMemory != NOT_AVAILABLE for row in rows):
        return 0
    refused = [result for result, _ in answers if result != 0]
    if refused and not rows:
        return refused[0]
    if not rows:
        raise UnavailableError("NVML lists no program that computes, though one does")
    return RETURNS["NVML_ERROR_NOT_SUPPORTED"]


def _nvlink_state(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    """How many links are up; the answer is the first link's."""
    up = 0
    for link in range(CONSTANTS["NVML_NVLINK_MAX_LINKS"]):
        state = ctypes.c_uint()
        result = nvml.result("nvmlDeviceGetNvLinkState", device, link, ctypes.byref(state))
        if result != 0:
            return (result, None) if link == 0 else (0, up)
        up += state.value == 1
    return 0, up


def _nvlink_count(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    field = FieldValue(fieldId=CONSTANTS["NVML_FI_DEV_NVLINK_LINK_COUNT"])
    result = nvml.result("nvmlDeviceGetFieldValues", device, 1, ctypes.byref(field))
    return result or field.nvmlReturn, field.value & 0xFFFFFFFF


def _topology(nvml: Nvml, device: ctypes.c_void_p, others: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    """The level of the common ancestor with each other device; NVML_ERROR_NOT_FOUND where there is no other."""
    levels = []
    for other in others:
        if other.value == device.value:
            continue
        level = ctypes.c_int()
        result = nvml.result("nvmlDeviceGetTopologyCommonAncestor", device, other, ctypes.byref(level))
        if result != 0:
            return result, None
        levels.append(level.value)
    return (0, levels) if levels else (RETURNS["NVML_ERROR_NOT_FOUND"], None)


def _events(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    """Whether critical errors (Xid) can be waited for."""
    events = ctypes.c_void_p()
    result = nvml.result("nvmlEventSetCreate", ctypes.byref(events))
    if result != 0:
        return result, None
    kinds = ctypes.c_ulonglong(CONSTANTS["nvmlEventTypeXidCriticalError"])
    result = nvml.result("nvmlDeviceRegisterEvents", device, kinds, events)
    nvml.result("nvmlEventSetFree", events)
    return result, True


def _gpm(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    support = GpmSupport(version=CONSTANTS["NVML_GPM_SUPPORT_VERSION"])
    result = nvml.result("nvmlGpmQueryDeviceSupport", device, ctypes.byref(support))
    return result, bool(support.isSupportedDevice)


def _retired_pages(nvml: Nvml, device: ctypes.c_void_p, _: Sequence[ctypes.c_void_p]) -> tuple[int, Any]:
    """How many, over both causes: asked for no address, NVML says how many there would be."""
    total = 0
    for cause in (
        CONSTANTS["NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS"],
        CONSTANTS["NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR"],
    ):
        count = ctypes.c_uint(0)
        result = nvml.result("nvmlDeviceGetRetiredPages", device, cause, ctypes.byref(count), None)
        if result not in (0, RETURNS["NVML_ERROR_INSUFFICIENT_SIZE"]):
            return result, None
        total += count.value
    return 0, total


FIELDS: dict[str, Query] = {
    "name": _text("nvmlDeviceGetName", CONSTANTS["NVML_DEVICE_NAME_V2_BUFFER_SIZE"]),
    "memory": _memory,
    "minor_number": _number("nvmlDeviceGetMinorNumber"),
    "pci": _pci,
    "utilization": _utilization,
    "temperature": _temperature,
    "power_usage": _number("nvmlDeviceGetPowerUsage"),
    "power_limit": _number("nvmlDeviceGetEnforcedPowerLimit"),
    "fan_speed": _number("nvmlDeviceGetFanSpeed"),
    "clock_sm": _number("nvmlDeviceGetClockInfo", CONSTANTS["NVML_CLOCK_SM"]),
    "clock_mem": _number("nvmlDeviceGetClockInfo", CONSTANTS["NVML_CLOCK_MEM"]),
    "max_clock_sm": _number("nvmlDeviceGetMaxClockInfo", CONSTANTS["NVML_CLOCK_SM"]),
    "performance_state": _number("nvmlDeviceGetPerformanceState"),
    "persistence_mode": _number("nvmlDeviceGetPersistenceMode"),
    "compute_mode": _number("nvmlDeviceGetComputeMode"),
    "ecc_mode": _numbers("nvmlDeviceGetEccMode", "current", "pending"),
    "mig_mode": _numbers("nvmlDeviceGetMigMode", "current", "pending"),
    "compute_processes": _processes(_COMPUTE),
    "graphics_processes": _processes(_GRAPHICS),
    "encoder_utilization": _first("nvmlDeviceGetEncoderUtilization", "percent"),
    "decoder_utilization": _first("nvmlDeviceGetDecoderUtilization", "percent"),
    "display_active": _number("nvmlDeviceGetDisplayActive"),
    "display_mode": _number("nvmlDeviceGetDisplayMode"),
    "accounting_mode": _number("nvmlDeviceGetAccountingMode"),
    "bar1_memory": _bar1,
    "throttle_reasons": _throttle,
    "total_energy": _number("nvmlDeviceGetTotalEnergyConsumption", kind=ctypes.c_ulonglong),
    "vbios_version": _text("nvmlDeviceGetVbiosVersion", CONSTANTS["NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE"]),
    "architecture": _number("nvmlDeviceGetArchitecture"),
    "brand": _number("nvmlDeviceGetBrand"),
    "pcie_link_generation": _number("nvmlDeviceGetCurrPcieLinkGeneration"),
    "pcie_throughput": _number("nvmlDeviceGetPcieThroughput", CONSTANTS["NVML_PCIE_UTIL_TX_BYTES"]),
    "nvlink_state": _nvlink_state,
    "nvlink_count": _nvlink_count,
    "topology": _topology,
    "event_registration": _events,
    "gpm_support": _gpm,
    "retired_pages": _retired_pages,
    "remapped_rows": _numbers("nvmlDeviceGetRemappedRows", "correctable", "uncorrectable", "pending", "failed"),
    "virtualization_mode": _number("nvmlDeviceGetVirtualizationMode"),
    "board_part_number": _text("nvmlDeviceGetBoardPartNumber", CONSTANTS["NVML_DEVICE_PART_NUMBER_BUFFER_SIZE"]),
}


def asked_of_each(nvml: Nvml, devices: Sequence[ctypes.c_void_p], query: Query) -> dict[str, Any]:
    """One query of every device; the result is the first that is not success, and what was refused is null."""
    answers = [query(nvml, device, devices) for device in devices]
    worst = next((result for result, _ in answers if result != 0), 0)
    return nvml.answer(worst, values=[value if result == 0 else None for result, value in answers])


def read_fields(nvml: Nvml, devices: Sequence[ctypes.c_void_p]) -> dict[str, Any]:
    """nvml.fields."""
    return {name: asked_of_each(nvml, devices, query) for name, query in FIELDS.items()}
