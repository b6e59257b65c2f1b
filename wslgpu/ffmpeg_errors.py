"""What FFmpeg's words mean when the GPU's encoder or decoder does not work, and what to do. Pure.

The words are those of libavcodec/nvenc.c, libavutil/hwcontext_cuda.c and nv-codec-headers' dynlink_loader.h.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_UPDATE = "Update NVIDIA's driver on Windows and run `wsl --shutdown` there; never install a Linux driver in WSL."
_CODEC_LIBRARIES = (
    "Update NVIDIA's driver on Windows, then `wsl --shutdown`. In a container: toolkit 1.20 or later, or the capability"
    " video in legacy mode."
)


@dataclass(frozen=True)
class Cause:
    """Why FFmpeg could not use the GPU.

    :param id: permanent
    :param means: in words
    :param absent: it is what a machine without a GPU or without its driver has to say
    """

    id: str
    means: str
    next_step: str
    absent: bool = False


@dataclass(frozen=True)
class _Row:
    pattern: re.Pattern[str]
    cause: Cause


def _row(pattern: str, cause_id: str, means: str, next_step: str, *, absent: bool = False) -> _Row:
    return _Row(re.compile(pattern), Cause(cause_id, means, next_step, absent))


NVENC_VERSION = re.compile(
    r"Driver does not support the required nvenc API version\. Required: (?P<required>[\d.]+) Found: (?P<found>[\d.]+)"
)
# the first that fits counts: what comes earlier explains what FFmpeg says after it
_ROWS = (
    _row(
        r"Cannot load libcuda\.so\.1",
        "no-libcuda",
        "NVIDIA's driver is not there: ld.so finds no libcuda.so.1",
        "On WSL2: install NVIDIA's driver on Windows, and look whether /usr/lib/wsl/lib is there and in ld.so's list"
        " (`ldconfig -p`).",
        absent=True,
    ),
    _row(
        r"CUDA_ERROR_STUB_LIBRARY",
        "stub-libcuda",
        "ld.so finds the stub libcuda of a CUDA toolkit instead of the driver's",
        "Take the toolkit's stubs folder out of LD_LIBRARY_PATH.",
    ),
    _row(
        r"CUDA_ERROR_NO_DEVICE|no CUDA-capable device",
        "no-device",
        "the driver is there and finds no GPU",
        "On WSL2: ask `/usr/lib/wsl/lib/nvidia-smi` on the node and `nvidia-smi` on Windows. CUDA_VISIBLE_DEVICES must"
        " not be empty.",
        absent=True,
    ),
    _row(
        r"CUDA_ERROR_(INSUFFICIENT_DRIVER|SYSTEM_DRIVER_MISMATCH|COMPAT_NOT_SUPPORTED_ON_DEVICE)",
        "old-driver",
        "the driver's parts do not fit together, or it is too old",
        _UPDATE,
    ),
    _row(
        r"Cannot load libnvidia-encode\.so\.1",
        "no-encode-library",
        "CUDA works, and the driver's encoder library is not there",
        _CODEC_LIBRARIES,
        absent=True,
    ),
    _row(
        r"Cannot load libnvcuvid\.so\.1",
        "no-decode-library",
        "CUDA works, and the driver's decoder library is not there",
        _CODEC_LIBRARIES,
        absent=True,
    ),
    _row(
        r"Cannot load (?P<symbol>(cu|Nv|nv)\w+)",
        "missing-function",
        "the driver's library lacks the function {symbol}: it is older than the headers that FFmpeg was built with",
        _UPDATE,
    ),
    _row(
        r"CUDA_ERROR_(UNSUPPORTED_PTX_VERSION|INVALID_PTX|NO_BINARY_FOR_GPU)",
        "filter-code",
        "the driver cannot compile the code of FFmpeg's CUDA filters for this GPU",
        _UPDATE,
    ),
    _row(
        r"CUDA_ERROR_OUT_OF_MEMORY|\(10\): |out of memory \(10\)",
        "no-memory",
        "the GPU's memory is used up, or its limit of encoding sessions is reached",
        "Close other programs that use the GPU; consumer drivers allow a few encoding sessions at a time.",
    ),
    _row(
        r"OpenEncodeSessionEx failed: unsupported device|No capable devices found",
        "no-capable-device",
        "no GPU here encodes this format, or none at all (data centre GPUs such as A100 and H100 have no encoder)",
        "Look the GPU up in NVIDIA's matrix of encoders; another codec may work.",
    ),
    _row(
        r"Hardware is lacking required capabilities|No decoder (surfaces )?available|Codec \w+ is not supported",
        "no-capable-decoder",
        "this GPU does not decode this format",
        "Look the GPU up in NVIDIA's matrix of decoders; another codec may work.",
    ),
    _row(
        r"Unknown encoder|Unrecognized hwaccel|No such filter|Unknown decoder",
        "not-built-in",
        "this FFmpeg was built without what was asked for",
        "Look at `ffmpeg -buildconf`; apply again puts the artifact back.",
    ),
    _row(
        r"OpenEncodeSessionEx failed: (?P<reason>[^\n]{1,80})",
        "session-refused",
        "the driver refuses an encoding session: {reason}",
        _UPDATE,
    ),
    _row(
        r"-> (?P<code>CUDA_ERROR_\w+)",
        "cuda-error",
        "the driver answers {code}",
        "`wslgpu check` says more about CUDA on this node.",
    ),
    _row(
        r"Could not dynamically load CUDA",
        "no-libcuda",
        "NVIDIA's driver is not there or cannot be loaded",
        "On WSL2: install NVIDIA's driver on Windows.",
        absent=True,
    ),
)


def classify(text: str, least_windows_driver: str = "") -> Cause | None:
    """What FFmpeg's output says of the GPU; None where it says nothing that is known here.

    :param text: its standard error
    :param least_windows_driver: least version of the Windows driver that the FFmpeg's codec headers need
    """
    if match := NVENC_VERSION.search(text):
        least = f" (Windows driver {least_windows_driver} or later)" if least_windows_driver else ""
        return Cause(
            "old-nvenc",
            f"the driver speaks NVENC {match['found']}, and this FFmpeg needs {match['required']}{least}",
            f"{_UPDATE} Or take an FFmpeg that was built with older headers (ffmpeg_build).",
        )
    for row in _ROWS:
        if match := row.pattern.search(text):
            return replace(row.cause, means=row.cause.means.format(**match.groupdict()))
    return None
