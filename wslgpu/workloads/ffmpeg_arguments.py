"""What FFmpeg is started with. Pure.

``{input}`` stands for the input's path, and the output's comes last: transcode.sh puts both in.
"""

from __future__ import annotations

from wslgpu.settings import Settings
from wslgpu.workloads.ffmpeg_program import program

INPUT = "{input}"
CPU = "cpu"


def transcode(settings: Settings, encoder: str) -> list[str]:
    """The command that transcodes one file, without its output.

    The GPU's way is the source document's own test command, which is right by every name in it: frames are decoded,
    scaled and encoded without leaving the GPU.

    :param encoder: one of NVENC's, or ``cpu``
    """
    size = f"{settings.ffmpeg_width}:{settings.ffmpeg_height}"
    quality = str(settings.ffmpeg_quality)
    common = [program(settings), "-hide_banner", "-nostdin", "-nostats", "-y"]
    if encoder == CPU:
        return [
            *common, "-i", INPUT, "-vf", f"scale={size}", "-c:v", "libx264", "-preset", "veryfast", "-crf", quality,
            "-c:a", "copy",
        ]  # fmt: skip
    return [
        *common, "-hwaccel", "cuda", "-hwaccel_output_format", "cuda", "-threads", "2", "-i", INPUT,
        "-vf", f"scale_cuda={size}", "-c:v", encoder, "-preset", "p1", "-cq", quality, "-c:a", "copy",
    ]  # fmt: skip


def sample(settings: Settings) -> list[str]:
    """The command that makes two seconds of a test picture by the CPU, without its output: what the check reads."""
    source = ["-f", "lavfi", "-i", "testsrc2=s=1280x720:d=2", "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    return [program(settings), "-hide_banner", "-nostdin", "-nostats", "-v", "error", "-y", *source]


def check(settings: Settings, encoder: str) -> tuple[list[str], list[str]]:
    """Two commands whose success shows that FFmpeg works here: one makes a file, the other is to transcode it."""
    return sample(settings), transcode(settings, encoder)
