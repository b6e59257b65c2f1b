"""Structures of the CUDA driver API that calls take, as cuda.h lays them out, and the flags that go with them.

Sizes, offsets and numbers are compared with the genuine header by tests/unit/test_probe_cuda_headers.py.
"""

from __future__ import annotations

import ctypes

FLAGS = {
    "CU_MEM_ATTACH_GLOBAL": 1,
    "CU_MEMHOSTALLOC_DEVICEMAP": 2,
    "CU_MEM_ALLOCATION_TYPE_PINNED": 1,
    "CU_MEM_HANDLE_TYPE_NONE": 0,
    "CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR": 1,
    "CU_MEM_LOCATION_TYPE_DEVICE": 1,
    "CU_MEM_ALLOC_GRANULARITY_MINIMUM": 0,
    "CU_MEM_ACCESS_FLAGS_PROT_READWRITE": 3,
    "CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS": 1,
    "CU_EVENT_DISABLE_TIMING": 2,
    "CU_EVENT_INTERPROCESS": 4,
    "CU_STREAM_NON_BLOCKING": 1,
    "CU_STREAM_CAPTURE_MODE_RELAXED": 2,
    "CU_PROCESS_STATE_RUNNING": 0,
    "CU_PROCESS_STATE_LOCKED": 1,
    "CU_PROCESS_STATE_CHECKPOINTED": 2,
    "CU_PROCESS_STATE_FAILED": 3,
}


class Location(ctypes.Structure):
    """CUmemLocation. The id is a union in newer headers; its int is all that is used."""

    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class AllocationFlags(ctypes.Structure):
    """The unnamed structure allocFlags of CUmemAllocationProp."""

    _fields_ = (
        ("compressionType", ctypes.c_ubyte),
        ("gpuDirectRDMACapable", ctypes.c_ubyte),
        ("usage", ctypes.c_ushort),
        ("reserved", ctypes.c_ubyte * 4),
    )


class AllocationProperties(ctypes.Structure):
    """CUmemAllocationProp."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("requestedHandleTypes", ctypes.c_int),
        ("location", Location),
        ("win32HandleMetaData", ctypes.c_void_p),
        ("allocFlags", AllocationFlags),
    )


class AccessDescription(ctypes.Structure):
    """CUmemAccessDesc."""

    _fields_ = (("location", Location), ("flags", ctypes.c_int))


class PoolProperties(ctypes.Structure):
    """CUmemPoolProps. New members are taken from the reserved part, so that the size stays."""

    _fields_ = (
        ("allocType", ctypes.c_int),
        ("handleTypes", ctypes.c_int),
        ("location", Location),
        ("win32SecurityAttributes", ctypes.c_void_p),
        ("maxSize", ctypes.c_size_t),
        ("usage", ctypes.c_ushort),
        ("gpuDirectRDMACapable", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte * 53),
    )


class IpcHandle(ctypes.Structure):
    """CUipcMemHandle, and CUipcEventHandle, which is laid out the same."""

    _fields_ = (("reserved", ctypes.c_char * 64),)


class CheckpointLockArguments(ctypes.Structure):
    """CUcheckpointLockArgs."""

    _fields_ = (
        ("timeoutMs", ctypes.c_uint),
        ("reserved0", ctypes.c_uint),
        ("reserved1", ctypes.c_uint64 * 7),
    )


class CheckpointArguments(ctypes.Structure):
    """CUcheckpointCheckpointArgs, CUcheckpointRestoreArgs and CUcheckpointUnlockArgs: 64 bytes, all zero here."""

    _fields_ = (("reserved", ctypes.c_uint64 * 8),)


#: The header's name of each structure, for the comparison with it.
STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "CUmemLocation": Location,
    "CUmemAllocationProp": AllocationProperties,
    "CUmemAccessDesc": AccessDescription,
    "CUmemPoolProps": PoolProperties,
    "CUipcMemHandle": IpcHandle,
    "CUipcEventHandle": IpcHandle,
    "CUcheckpointLockArgs": CheckpointLockArguments,
    "CUcheckpointCheckpointArgs": CheckpointArguments,
    "CUcheckpointRestoreArgs": CheckpointArguments,
    "CUcheckpointUnlockArgs": CheckpointArguments,
}
