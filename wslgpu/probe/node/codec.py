"""NVENC and NVDEC through their libraries: whether they load, and at ``standard`` what they offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Probe
from .call import Library, NoLibraryError, UnavailableError, no_ctypes, run_steps
from .cuda import without_devices

if TYPE_CHECKING:
    from .cuda_driver import Driver

LIBRARIES = {
    "libnvidia-encode.so.1": "NvEncodeAPICreateInstance",
    "libnvcuvid.so.1": "cuvidGetDecoderCaps",
    "libnvidia-opticalflow.so.1": "NvOFAPICreateInstanceCuda",
}
QUICK = ("codec.libraries", "codec.nvenc.version")
STANDARD = ("codec.nvenc.session", "codec.nvdec.caps")


def observe(probe: Probe) -> None:
    """codec.libraries, codec.nvenc.* and codec.nvdec.caps."""
    if no_ctypes(probe, (*QUICK, *STANDARD) if probe.wants("standard") else QUICK):
        return
    run_steps(probe, [("codec.libraries", _libraries), ("codec.nvenc.version", _version)], lambda: None)
    if not probe.wants("standard"):
        return
    reason = without_devices(probe)
    if reason:
        for observation_id in STANDARD:
            probe.unknown(observation_id, reason)
        return
    from .cuda_driver import with_context

    run_steps(probe, [("codec.nvenc.session", _session), ("codec.nvdec.caps", _decoders)], with_context)


def _libraries(_: None) -> dict[str, Any]:
    """By name alone, as a program loads them."""
    found: dict[str, Any] = {}
    for name, symbol in LIBRARIES.items():
        try:
            library = Library(name, fallback=False)
        except NoLibraryError as error:
            text = str(error)
            path = text.split(": ")[0] if text.startswith("/") else None
            found[name] = {"path": path, "loads": False, "error": text}
        else:
            found[name] = {"path": library.path(symbol) or None, "loads": True, "error": ""}
    return found


def _status(result: int) -> str:
    from .codec_structures import NVENC_STATUS

    return NVENC_STATUS[result] if 0 <= result < len(NVENC_STATUS) else f"NV_ENC_ERR_{result}"


def _newest(library: Library) -> tuple[int, int, int]:
    """The result, and the newest interface that the library has."""
    import ctypes

    number = ctypes.c_uint32()
    result = int(library.function("NvEncodeAPIGetMaxSupportedVersion")(ctypes.byref(number)))
    return result, number.value >> 4, number.value & 15


def _version(_: None) -> dict[str, Any]:
    result, major, minor = _newest(Library("libnvidia-encode.so.1"))
    return {"result": result, "name": _status(result), "major": major, "minor": minor}


def _session(driver: Driver) -> dict[str, Any]:
    """codec.nvenc.session: opened on a CUDA context, asked for its codecs, and closed."""
    import ctypes

    from . import codec_structures as nvenc

    def refused(result: int) -> dict[str, Any]:
        return {"result": result, "name": _status(result), "codecs": []}

    library = Library("libnvidia-encode.so.1")
    result, major, minor = _newest(library)
    if result != 0:
        return refused(result)
    api = nvenc.api_version(*min(nvenc.NEWEST, (major, minor)))
    functions = nvenc.FunctionList(version=nvenc.structure_version(api, 2))
    result = int(library.function("NvEncodeAPICreateInstance")(ctypes.byref(functions)))
    if result != 0:
        return refused(result)
    parameters = nvenc.SessionParameters(
        version=nvenc.structure_version(api, 1),
        deviceType=nvenc.DEVICE_TYPE_CUDA,
        device=driver.context(),
        apiVersion=api,
    )
    encoder, count, given = ctypes.c_void_p(), ctypes.c_uint32(), ctypes.c_uint32()
    result = _pointed(functions.nvEncOpenEncodeSessionEx)(ctypes.byref(parameters), ctypes.byref(encoder))
    if result != 0:
        if encoder.value:
            _pointed(functions.nvEncDestroyEncoder)(encoder)
        return refused(result)
    result = _pointed(functions.nvEncGetEncodeGUIDCount)(encoder, ctypes.byref(count))
    room = min(count.value, 64)
    guids = (nvenc.Guid * max(1, room))()
    if result == 0:
        result = _pointed(functions.nvEncGetEncodeGUIDs)(encoder, guids, ctypes.c_uint32(room), ctypes.byref(given))
    _pointed(functions.nvEncDestroyEncoder)(encoder)
    if result != 0:
        return refused(result)
    offered = [nvenc.ENCODERS.get(guid.text(), "") for guid in guids[: min(given.value, room)]]
    return {"result": 0, "name": _status(0), "codecs": [name for name in offered if name]}


def _pointed(address: int | None) -> Any:
    """A function of the list; all of them give NVENCSTATUS.

    :raises UnavailableError: the list has none
    """
    import ctypes

    if not address:
        raise UnavailableError("libnvidia-encode gave a list without a function that is needed")
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)


def _decoders(driver: Driver) -> dict[str, bool]:
    """codec.nvdec.caps: what device 0 decodes of 8-bit 4:2:0."""
    import ctypes

    from . import codec_structures as nvdec

    function = Library("libnvcuvid.so.1").function("cuvidGetDecoderCaps")
    found = {}
    for name, codec in (
        ("h264", nvdec.CODEC_H264),
        ("hevc", nvdec.CODEC_HEVC),
        ("av1", nvdec.CODEC_AV1),
        ("vp9", nvdec.CODEC_VP9),
    ):
        capabilities = nvdec.DecoderCapabilities(eCodecType=codec, eChromaFormat=nvdec.CHROMA_420)
        result = int(function(ctypes.byref(capabilities)))
        if result != 0:
            raise UnavailableError(f"cuvidGetDecoderCaps: {driver.name_of(result)}")
        found[name] = bool(capabilities.bIsSupported)
    return found
