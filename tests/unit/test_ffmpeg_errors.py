"""FFmpeg's words, as its sources have them, and what is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wslgpu.ffmpeg_errors import classify

NVENC = "[h264_nvenc @ 0x55d0c8a3b700] "
CUDA = "[AVHWDeviceContext @ 0x55d0c8a39f40] "
AFTER = "[vost#0:0/h264_nvenc @ 0x55d0c8a3b3c0] Error while opening encoder - maybe incorrect parameters.\n"
OLD = (
    f"{NVENC}Driver does not support the required nvenc API version. Required: 13.0 Found: 12.1\n"
    f"{NVENC}The minimum required Nvidia driver for nvenc is 570.0 or newer\n{AFTER}"
)
INIT = f"{CUDA}cu->cuInit(0) failed -> "
SESSION = f"{NVENC}OpenEncodeSessionEx failed: "
NONE = f"{NVENC}No capable devices found\n{AFTER}"
ROWS = {
    "no-libcuda": f"{CUDA}Cannot load libcuda.so.1\n{CUDA}Could not dynamically load CUDA\n",
    "no-device": f"{INIT}CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected\n",
    "stub-libcuda": f"{INIT}CUDA_ERROR_STUB_LIBRARY: CUDA driver is a stub library\n",
    "old-driver": f"{INIT}CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: system has unsupported display driver\n",
    "no-encode-library": f"{NVENC}Cannot load libnvidia-encode.so.1\n{NVENC}{AFTER}",
    "no-decode-library": "[h264 @ 0x5620] Cannot load libnvcuvid.so.1\n[h264 @ 0x5620] Failed loading nvcuvid.\n",
    "missing-function": f"{CUDA}Cannot load cuExternalMemoryGetMappedBuffer\n",
    "filter-code": "[Parsed_scale_cuda_2 @ 0x1] cuModuleLoadData(...) failed -> CUDA_ERROR_UNSUPPORTED_PTX_VERSION\n",
    "no-memory": f"{SESSION}out of memory (10): (no details)\n{NONE}",
    "no-capable-device": f"{SESSION}unsupported device (2): (no details)\n{NONE}",
    "no-capable-decoder": "[h264 @ 0x5620] Hardware is lacking required capabilities\n",
    "session-refused": f"{SESSION}incompatible client key (21): (no details)\n",
    "not-built-in": "[vost#0:0 @ 0x55] Unknown encoder 'h264_nvenc'\n",
    "cuda-error": f"{CUDA}cu->cuCtxCreate(&ctx, 0, dev) failed -> CUDA_ERROR_UNKNOWN: unknown error\n",
    "old-nvenc": OLD,
}


@pytest.mark.parametrize("cause_id", ROWS)
def test_each_cause_by_its_words(cause_id: str) -> None:
    cause = classify(ROWS[cause_id])
    assert cause is not None
    assert cause.id == cause_id
    assert "{" not in cause.means
    assert cause.next_step.endswith(".")


CAPTURE = Path(__file__).parents[1] / "fixtures" / "captures" / "ffmpeg-7.1.5_no-driver.txt"


def test_what_ffmpeg_really_says_without_a_driver_is_known_and_is_absence() -> None:
    parts = CAPTURE.read_text(encoding="utf-8").split("\n$ ")[1:]
    causes = [classify(part.partition("\n")[2]) for part in parts]
    assert [cause.id if cause else "" for cause in causes] == ["no-libcuda", "no-libcuda", "no-decode-library"]
    assert all(cause and cause.absent for cause in causes)


def test_only_what_a_machine_without_a_gpu_says_is_absence() -> None:
    absent = {name for name, text in ROWS.items() if (cause := classify(text)) and cause.absent}
    assert absent == {"no-libcuda", "no-device", "no-encode-library", "no-decode-library"}


def test_an_old_driver_is_named_with_versions_and_the_least_windows_driver() -> None:
    cause = classify(OLD, "570.0")
    assert cause is not None
    assert "NVENC 12.1" in cause.means
    assert "needs 13.0 (Windows driver 570.0 or later)" in cause.means
    assert "wsl --shutdown" in cause.next_step
    without = classify(OLD)
    assert without is not None
    assert "Windows driver" not in without.means


def test_what_the_driver_said_stands_in_the_meaning() -> None:
    cause = classify(ROWS["session-refused"])
    assert cause is not None
    assert "incompatible client key (21)" in cause.means
    cause = classify(ROWS["cuda-error"])
    assert cause is not None
    assert "CUDA_ERROR_UNKNOWN" in cause.means


@pytest.mark.parametrize("text", ["", "frame=   25 fps=0.0 q=15.0\n", "clip.mp4: No such file or directory\n"])
def test_other_words_are_not_guessed_at(text: str) -> None:
    assert classify(text) is None
