"""FFmpeg's command lines for checking it, and readers of what it lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.node.support.artifact import Installed
from tests.node.support.checks import unknown
from tests.node.support.node import Node
from wslgpu.build.codec_headers import least_driver
from wslgpu.build.proof_ffmpeg import FfmpegBlock, parse_coders, parse_filters, parse_hwaccels
from wslgpu.build.proofs import blocks_of
from wslgpu.build.recipe import chosen_options, load_recipe
from wslgpu.errors import DataError
from wslgpu.settings import Settings

BIN = "/opt/wslgpu/ffmpeg/current/bin"
PROGRAM = f"{BIN}/ffmpeg"
PROGRAMS = (PROGRAM, f"{BIN}/ffprobe")
COMMON = (PROGRAM, "-hide_banner", "-nostdin", "-v", "error")
SOURCE = ("-f", "lavfi", "-i", "testsrc2=s=320x240:r=10:d=2", "-pix_fmt", "yuv420p")
TO_MD5 = ("-map", "0:v", "-c:v", "rawvideo", "-pix_fmt", "yuv420p", "-f", "md5", "-")
ENCODE = (
    *COMMON, "-init_hw_device", "cuda=c", "-filter_hw_device", "c", "-f", "lavfi", "-i", "testsrc2=s=1280x720:d=1",
    "-vf", "format=yuv420p,hwupload,scale_cuda=854:480", "-c:v", "h264_nvenc", "-f", "null", "-",
)  # fmt: skip
"""The whole way: a generated picture goes up to the GPU, is scaled and encoded there."""


def decode(path: str) -> tuple[str, ...]:
    """Decode by NVDEC alone: without -xerror FFmpeg would fall back to the CPU and succeed."""
    return (
        *COMMON, "-init_hw_device", "cuda=c", "-hwaccel", "cuda", "-hwaccel_output_format", "cuda", "-i", path,
        "-vf", "hwdownload,format=nv12", "-f", "null", "-",
    )  # fmt: skip


@contextmanager
def folder(node: Node) -> Iterator[str]:
    """A folder on the node that is gone afterwards."""
    made = node.run("mktemp", "-d", "/tmp/wslgpu-check-XXXXXX")
    if not made.ok:
        unknown(f"the node has no room in /tmp: {made}")
    path = made.out.strip()
    try:
        yield path
    finally:
        node.run("rm", "-r", "--", path)


def version_of(text: str) -> str:
    """``ffmpeg version 7.1.5 Copyright ...`` -> ``7.1.5``."""
    match = re.match(r"ff(?:mpeg|probe) version (\S+)", text)
    return match[1] if match else ""


def same_version(said: str, version: str) -> bool:
    """Whether what FFmpeg calls itself is a version: builds out of git say ``n8.1.2-12-gabcdef0`` for 8.1.2."""
    return re.fullmatch(rf"n?{re.escape(version)}(-.*)?", said) is not None


def names(kind: str, text: str) -> frozenset[str]:
    """The names in the output of ``-encoders``, ``-decoders``, ``-filters`` or ``-hwaccels``."""
    read = {"filters": parse_filters, "hwaccels": parse_hwaccels}.get(kind, parse_coders)
    return read(text)


def promise_of(settings: Settings, found: Installed) -> FfmpegBlock:
    """What the recipe promises of this artifact."""
    record = found.record
    if record is None or record.build not in settings.builds:
        unknown(f"the data has no build {record.build if record else 'for it'} (ffmpeg.version)")
    build = settings.builds[record.build]
    try:
        recipe, _ = load_recipe(build.recipe)
        options = chosen_options(recipe, build, f"builds.{record.build}")
        return blocks_of(recipe, options).ffmpeg or FfmpegBlock()
    except DataError as error:
        unknown(f"the recipe cannot be read: {error}")


def least_windows_driver(settings: Settings, found: Installed) -> str:
    """The least Windows driver that its codec headers need; empty where that is not known."""
    record = found.record
    if record is None or record.build not in settings.builds:
        return ""
    least = least_driver(settings.builds[record.build], settings.build_sources)
    return least.windows if least else ""
