"""Structures and numbers of NVENC's nvEncodeAPI.h and NVDEC's cuviddec.h that a session's opening takes.

Compared with the genuine headers by tests/unit/test_probe_cuda_headers.py, but for AV1's GUID, which those of SDK 11.1
do not have: it came with SDK 12.0.
"""

from __future__ import annotations

import ctypes

#: NVENCSTATUS, in the header's order from 0 on.
NVENC_STATUS = (
    "NV_ENC_SUCCESS",
    "NV_ENC_ERR_NO_ENCODE_DEVICE",
    "NV_ENC_ERR_UNSUPPORTED_DEVICE",
    "NV_ENC_ERR_INVALID_ENCODERDEVICE",
    "NV_ENC_ERR_INVALID_DEVICE",
    "NV_ENC_ERR_DEVICE_NOT_EXIST",
    "NV_ENC_ERR_INVALID_PTR",
    "NV_ENC_ERR_INVALID_EVENT",
    "NV_ENC_ERR_INVALID_PARAM",
    "NV_ENC_ERR_INVALID_CALL",
    "NV_ENC_ERR_OUT_OF_MEMORY",
    "NV_ENC_ERR_ENCODER_NOT_INITIALIZED",
    "NV_ENC_ERR_UNSUPPORTED_PARAM",
    "NV_ENC_ERR_LOCK_BUSY",
    "NV_ENC_ERR_NOT_ENOUGH_BUFFER",
    "NV_ENC_ERR_INVALID_VERSION",
    "NV_ENC_ERR_MAP_FAILED",
    "NV_ENC_ERR_NEED_MORE_INPUT",
    "NV_ENC_ERR_ENCODER_BUSY",
    "NV_ENC_ERR_EVENT_NOT_REGISTERD",
    "NV_ENC_ERR_GENERIC",
    "NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY",
    "NV_ENC_ERR_UNIMPLEMENTED",
    "NV_ENC_ERR_RESOURCE_REGISTER_FAILED",
    "NV_ENC_ERR_RESOURCE_NOT_REGISTERED",
    "NV_ENC_ERR_RESOURCE_NOT_MAPPED",
)
DEVICE_TYPE_CUDA = 1
#: The newest interface whose structures these are; an older driver is asked for its own.
NEWEST = (12, 0)

CODEC_H264, CODEC_HEVC, CODEC_VP9, CODEC_AV1 = 4, 8, 10, 11
CHROMA_420 = 1


class Guid(ctypes.Structure):
    """GUID."""

    _fields_ = (
        ("Data1", ctypes.c_uint32),
        ("Data2", ctypes.c_uint16),
        ("Data3", ctypes.c_uint16),
        ("Data4", ctypes.c_uint8 * 8),
    )

    def text(self) -> str:
        """``6bc82762-4e63-4ca4-aa85-1e50f321f6bf``."""
        tail = bytes(self.Data4).hex()
        return f"{self.Data1:08x}-{self.Data2:04x}-{self.Data3:04x}-{tail[:4]}-{tail[4:]}"


ENCODERS = {
    "6bc82762-4e63-4ca4-aa85-1e50f321f6bf": "h264",
    "790cdc88-4522-4d7b-9425-bda9975f7603": "hevc",
    "0a352289-0aa7-4759-862d-5d15cd16d254": "av1",
}


class SessionParameters(ctypes.Structure):
    """NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS."""

    _fields_ = (
        ("version", ctypes.c_uint32),
        ("deviceType", ctypes.c_int),
        ("device", ctypes.c_void_p),
        ("reserved", ctypes.c_void_p),
        ("apiVersion", ctypes.c_uint32),
        ("reserved1", ctypes.c_uint32 * 253),
        ("reserved2", ctypes.c_void_p * 64),
    )


class FunctionList(ctypes.Structure):
    """NV_ENCODE_API_FUNCTION_LIST: the members that are called stand by name, what is between them by count."""

    _fields_ = (
        ("version", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("nvEncOpenEncodeSession", ctypes.c_void_p),
        ("nvEncGetEncodeGUIDCount", ctypes.c_void_p),
        ("between1", ctypes.c_void_p * 2),
        ("nvEncGetEncodeGUIDs", ctypes.c_void_p),
        ("between2", ctypes.c_void_p * 22),
        ("nvEncDestroyEncoder", ctypes.c_void_p),
        ("between3", ctypes.c_void_p),
        ("nvEncOpenEncodeSessionEx", ctypes.c_void_p),
        ("after", ctypes.c_void_p * 288),
    )


class DecoderCapabilities(ctypes.Structure):
    """CUVIDDECODECAPS."""

    _fields_ = (
        ("eCodecType", ctypes.c_int),
        ("eChromaFormat", ctypes.c_int),
        ("nBitDepthMinus8", ctypes.c_uint),
        ("reserved1", ctypes.c_uint * 3),
        ("bIsSupported", ctypes.c_ubyte),
        ("nNumNVDECs", ctypes.c_ubyte),
        ("nOutputFormatMask", ctypes.c_ushort),
        ("nMaxWidth", ctypes.c_uint),
        ("nMaxHeight", ctypes.c_uint),
        ("nMaxMBCount", ctypes.c_uint),
        ("nMinWidth", ctypes.c_ushort),
        ("nMinHeight", ctypes.c_ushort),
        ("bIsHistogramSupported", ctypes.c_ubyte),
        ("nCounterBitDepth", ctypes.c_ubyte),
        ("nMaxHistogramBins", ctypes.c_ushort),
        ("reserved3", ctypes.c_uint * 10),
    )


STRUCTURES: dict[str, type[ctypes.Structure]] = {
    "GUID": Guid,
    "NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS": SessionParameters,
    "NV_ENCODE_API_FUNCTION_LIST": FunctionList,
    "CUVIDDECODECAPS": DecoderCapabilities,
}


def api_version(major: int, minor: int) -> int:
    """NVENCAPI_VERSION."""
    return major | minor << 24


def structure_version(api: int, number: int) -> int:
    """NVENCAPI_STRUCT_VERSION: what ``version`` of a structure has to be."""
    return api | number << 16 | 7 << 28
