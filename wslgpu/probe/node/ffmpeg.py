"""ffmpeg: whether it has NVIDIA's encoders and CUDA filters, and whether they work."""

from __future__ import annotations

import os

from .base import CommandError, Probe
from .files import find_program, mounts, trusted_folders

OWN = "/opt/wslgpu/ffmpeg/current/bin"
"""Where wslgpu installs it; no PATH has it."""

ENCODE = (
    "-hide_banner -nostdin -v error -init_hw_device cuda=c -filter_hw_device c -f lavfi -i testsrc2=s=1280x720:d=1 "
    "-vf format=yuv420p,hwupload,scale_cuda=854:480 -c:v h264_nvenc -f null -"
).split()
# its parts are a few hundred lines each
_LIMIT = 256 << 10


def observe(probe: Probe) -> None:
    own = trusted_folders(OWN, mounts(), os.geteuid())
    program = find_program("ffmpeg", ":".join([*own, os.environ["PATH"]]))
    if program is None:
        probe.observed("codec.ffmpeg", None)
        if probe.wants("standard"):
            probe.observed("codec.ffmpeg_encode", None)
        return
    asked = {key: [program, "-hide_banner", "-v", "error", "-" + key] for key in ("hwaccels", "filters")}
    # its banner, on the other stream, has the version
    asked["encoders"] = [program, "-encoders"]
    running = {key: probe.start(words, timeout_s=10.0, limit=_LIMIT) for key, words in asked.items()}
    texts: dict[str, str] = {}

    def look() -> dict[str, object]:
        for key, one in running.items():
            done = probe.wait(one)
            if done.exit != 0 or done.hang or done.cut:
                raise CommandError(done, f"ffmpeg -{key}")
            texts[key] = done.out
            if key == "encoders":
                texts["version"] = done.err
        return {"path": program, **parts(texts)}

    probe.look("codec.ffmpeg", look)
    if probe.wants("standard"):
        probe.look("codec.ffmpeg_encode", lambda: _encode(probe, program))


def parts(texts: dict[str, str]) -> dict[str, object]:
    """Of its banner and the outputs of ``-encoders``, ``-hwaccels`` and ``-filters``."""
    words = (texts["version"].splitlines() or [""])[0].split()
    version = words[2] if words[:2] == ["ffmpeg", "version"] and len(words) > 2 else ""
    encoders = [line.split()[1] for line in texts["encoders"].splitlines() if len(line.split()) > 1]
    filters = [line.split()[1] for line in texts["filters"].splitlines() if len(line.split()) > 1]
    return {
        "version": version[:80],
        "nvenc": sorted(name for name in encoders if name.endswith("_nvenc")),
        "cuda_hwaccel": "cuda" in [line.strip() for line in texts["hwaccels"].splitlines()],
        "scale_cuda": "scale_cuda" in filters,
    }


def _encode(probe: Probe, program: str) -> dict[str, object]:
    done = probe.run([program, *ENCODE], timeout_s=30.0)
    if done.hang or done.cut or done.exit < 0:
        raise CommandError(done, "ffmpeg")
    return {"exit": done.exit, "text": done.err.strip()[-1000:]}
