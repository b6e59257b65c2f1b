"""Numbers and structures of NVML, by the names of its public header nvml.h.

Compared with the genuine header by tests/unit/test_probe_cuda_headers.py.
"""

from __future__ import annotations

import ctypes

#: nvmlReturn_t: what a call answers.
RETURNS = {
    "NVML_SUCCESS": 0,
    "NVML_ERROR_UNINITIALIZED": 1,
    "NVML_ERROR_INVALID_ARGUMENT": 2,
    "NVML_ERROR_NOT_SUPPORTED": 3,
    "NVML_ERROR_NO_PERMISSION": 4,
    "NVML_ERROR_ALREADY_INITIALIZED": 5,
    "NVML_ERROR_NOT_FOUND": 6,
    "NVML_ERROR_INSUFFICIENT_SIZE": 7,
    "NVML_ERROR_INSUFFICIENT_POWER": 8,
    "NVML_ERROR_DRIVER_NOT_LOADED": 9,
    "NVML_ERROR_TIMEOUT": 10,
    "NVML_ERROR_IRQ_ISSUE": 11,
    "NVML_ERROR_LIBRARY_NOT_FOUND": 12,
    "NVML_ERROR_FUNCTION_NOT_FOUND": 13,
    "NVML_ERROR_CORRUPTED_INFOROM": 14,
    "NVML_ERROR_GPU_IS_LOST": 15,
    "NVML_ERROR_RESET_REQUIRED": 16,
    "NVML_ERROR_OPERATING_SYSTEM": 17,
    "NVML_ERROR_LIB_RM_VERSION_MISMATCH": 18,
    "NVML_ERROR_IN_USE": 19,
    "NVML_ERROR_MEMORY": 20,
    "NVML_ERROR_NO_DATA": 21,
    "NVML_ERROR_VGPU_ECC_NOT_SUPPORTED": 22,
    "NVML_ERROR_INSUFFICIENT_RESOURCES": 23,
    "NVML_ERROR_FREQ_NOT_SUPPORTED": 24,
    "NVML_ERROR_ARGUMENT_VERSION_MISMATCH": 25,
    "NVML_ERROR_DEPRECATED": 26,
    "NVML_ERROR_NOT_READY": 27,
    "NVML_ERROR_GPU_NOT_FOUND": 28,
    "NVML_ERROR_INVALID_STATE": 29,
    "NVML_ERROR_RESET_TYPE_NOT_SUPPORTED": 30,
    "NVML_ERROR_UNKNOWN": 999,
}
RETURN_NAMES = {number: name for name, number in RETURNS.items()}

#: Arguments and fields that the queries name.
CONSTANTS = {
    "NVML_TEMPERATURE_GPU": 0,
    "NVML_CLOCK_SM": 1,
    "NVML_CLOCK_MEM": 2,
    "NVML_PCIE_UTIL_TX_BYTES": 0,
    "NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS": 0,
    "NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR": 1,
    "NVML_FI_DEV_NVLINK_LINK_COUNT": 91,
    "nvmlEventTypeXidCriticalError": 8,
    "NVML_NVLINK_MAX_LINKS": 36,
    "NVML_GPM_SUPPORT_VERSION": 1,
    "NVML_DEVICE_NAME_V2_BUFFER_SIZE": 96,
    "NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE": 32,
    "NVML_DEVICE_PART_NUMBER_BUFFER_SIZE": 80,
    "NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE": 80,
    "NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE": 80,
}
#: NVML_VALUE_NOT_AVAILABLE in a field of 64 bits.
NOT_AVAILABLE = (1 << 64) - 1


class Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class MemoryV2(ctypes.Structure):
    """nvmlMemory_v2_t."""

    _fields_ = (
        ("version", ctypes.c_uint),
        ("total", ctypes.c_ulonglong),
        ("reserved", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class Bar1Memory(ctypes.Structure):
    """nvmlBAR1Memory_t."""

    _fields_ = (("bar1Total", ctypes.c_ulonglong), ("bar1Free", ctypes.c_ulonglong), ("bar1Used", ctypes.c_ulonglong))


class Utilization(ctypes.Structure):
    """nvmlUtilization_t, in percent."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class Pci(ctypes.Structure):
    """nvmlPciInfo_t."""

    _fields_ = (
        ("busIdLegacy", ctypes.c_char * 16),
        ("domain", ctypes.c_uint),
        ("bus", ctypes.c_uint),
        ("device", ctypes.c_uint),
        ("pciDeviceId", ctypes.c_uint),
        ("pciSubSystemId", ctypes.c_uint),
        ("busId", ctypes.c_char * 32),
    )


class Process(ctypes.Structure):
    """nvmlProcessInfo_t, as the functions that end in _v3 fill it."""

    _fields_ = (
        ("pid", ctypes.c_uint),
        ("usedGpuMemory", ctypes.c_ulonglong),
        ("gpuInstanceId", ctypes.c_uint),
        ("computeInstanceId", ctypes.c_uint),
    )


class FieldValue(ctypes.Structure):
    """nvmlFieldValue_t; of its union the widest integer."""

    _fields_ = (
        ("fieldId", ctypes.c_uint),
        ("scopeId", ctypes.c_uint),
        ("timestamp", ctypes.c_longlong),
        ("latencyUsec", ctypes.c_longlong),
        ("valueType", ctypes.c_int),
        ("nvmlReturn", ctypes.c_int),
        ("value", ctypes.c_ulonglong),
    )


class GpmSupport(ctypes.Structure):
    """nvmlGpmSupport_t."""

    _fields_ = (("version", ctypes.c_uint), ("isSupportedDevice", ctypes.c_uint))


class Temperature(ctypes.Structure):
    """nvmlTemperature_v1_t."""

    _fields_ = (("version", ctypes.c_uint), ("sensorType", ctypes.c_int), ("temperature", ctypes.c_int))


#: The header's name of each structure, for the comparison with it.
STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "nvmlMemory_t": Memory,
    "nvmlMemory_v2_t": MemoryV2,
    "nvmlBAR1Memory_t": Bar1Memory,
    "nvmlUtilization_t": Utilization,
    "nvmlPciInfo_t": Pci,
    "nvmlProcessInfo_t": Process,
    "nvmlFieldValue_t": FieldValue,
    "nvmlGpmSupport_t": GpmSupport,
    "nvmlTemperature_v1_t": Temperature,
}


def version_of(structure: type[ctypes.Structure], number: int) -> int:
    """What NVML wants in ``version``: the size, and the version in the highest byte."""
    return ctypes.sizeof(structure) | number << 24
