"""FFmpeg: its files, what it was built with, a transcode by the CPU, and the whole way through the GPU."""

from __future__ import annotations

from typing import Any

import pytest

from tests.node.support import artifact, ffmpeg, gpu
from tests.node.support.artifact import Installed
from tests.node.support.checks import check, not_applicable, unknown
from tests.node.support.node import Answer, Node
from wslgpu import ffmpeg_errors
from wslgpu.build.proof_ffmpeg import parse_buildconf
from wslgpu.settings import Settings

NAME = "ffmpeg"
KINDS = ("encoders", "decoders", "hwaccels", "filters")


@pytest.fixture(scope="module")
def found(node: Node, settings: Settings) -> Installed:
    return artifact.require_installed(node, settings, NAME, "ffmpeg.installed")


@pytest.fixture(scope="module")
def runs(node: Node, found: Installed) -> None:
    """End the check where the program does not run at all: one cause, one red line."""
    if not artifact.ended(node, ffmpeg.PROGRAM, "-version").ok:
        unknown("ffmpeg does not run (ffmpeg.runs)")


@pytest.mark.first
@check("ffmpeg.installed")
def test_ffmpeg_is_installed(node: Node, settings: Settings) -> None:
    """/opt/wslgpu/ffmpeg/current leads to an installed version, where the data and the store have one."""
    artifact.should_be_installed(node, settings, NAME)


@check("ffmpeg.absent")
def test_ffmpeg_is_absent(node: Node, settings: Settings) -> None:
    """Where the data asks for no FFmpeg, no file of it is left."""
    artifact.should_be_absent(node, settings, NAME)


@check("ffmpeg.version")
def test_version(settings: Settings, found: Installed) -> None:
    """The version in use is the one that the data asks for."""
    artifact.should_be_the_version(settings, found)


@check("ffmpeg.files")
def test_files(node: Node, found: Installed) -> None:
    """Every file is what the archive has, none is missing or more, and only root may change one."""
    odd = artifact.differences(node, found)
    assert not odd, f"{found.prefix}: " + "; ".join(odd[:5])


@check("ffmpeg.links")
def test_links(node: Node, found: Installed) -> None:
    """ld.so finds every library that the programs link."""
    missing = {name for path in ffmpeg.PROGRAMS for name in artifact.unresolved(node, path)}
    assert not missing, f"not on the node: {', '.join(sorted(missing))}"


@check("ffmpeg.runs")
def test_it_runs(node: Node, settings: Settings, found: Installed) -> None:
    """ffmpeg and ffprobe start, and call themselves by the version of the data."""
    record = artifact.require_record(found, "ffmpeg.version")
    for path in ffmpeg.PROGRAMS:
        answer = artifact.ended(node, path, "-version")
        assert answer.ok, f"{path} does not run: {answer}"
        said = ffmpeg.version_of(answer.out)
        assert ffmpeg.same_version(said, record.version), (
            f"{path} calls itself {said or 'nothing'}, not {record.version}"
        )


@check("ffmpeg.licence")
def test_it_may_be_passed_on(node: Node, settings: Settings, found: Installed, runs: None) -> None:
    """It was built as the recipe promises, and without what makes it one that nobody may pass on."""
    answer = artifact.ended(node, ffmpeg.PROGRAM, "-hide_banner", "-buildconf")
    assert answer.ok, f"ffmpeg -buildconf: {answer}"
    options = parse_buildconf(answer.out)
    assert options, f"ffmpeg -buildconf names no option: {answer}"
    promise = ffmpeg.promise_of(settings, found)
    refused = sorted(options & {"--enable-nonfree", *promise.refused})
    assert not refused, f"it was built with {', '.join(refused)}"
    missing = sorted(set(promise.buildconf) - options)
    assert not missing, f"it was built without {', '.join(missing)}"


@check("ffmpeg.parts.{kind}")
@pytest.mark.parametrize("kind", KINDS)
def test_promised_parts(node: Node, settings: Settings, found: Installed, runs: None, kind: str) -> None:
    """It has the encoders, decoders, hardware methods and filters that the recipe promises."""
    promised = set(getattr(ffmpeg.promise_of(settings, found), kind))
    if not promised:
        not_applicable(f"the recipe promises no {kind}")
    answer = artifact.ended(node, ffmpeg.PROGRAM, "-hide_banner", f"-{kind}")
    assert answer.ok, f"ffmpeg -{kind}: {answer}"
    missing = sorted(promised - ffmpeg.names(kind, answer.out))
    assert not missing, f"it lacks the {kind} {', '.join(missing)}"


@check("ffmpeg.transcode")
def test_cpu_transcode(node: Node, found: Installed, runs: None) -> None:
    """Two seconds of a test picture go through libx264 without loss, into MP4, and come back as they were."""
    with ffmpeg.folder(node) as folder:
        clip = f"{folder}/clip.mp4"
        made = artifact.ended(node, *ffmpeg.COMMON, *ffmpeg.SOURCE, "-c:v", "libx264", "-qp", "0", clip, timeout_s=60)
        assert made.ok, f"libx264 does not encode: {made}"
        source = artifact.ended(node, *ffmpeg.COMMON, *ffmpeg.SOURCE, *ffmpeg.TO_MD5)
        back = artifact.ended(node, *ffmpeg.COMMON, "-i", clip, *ffmpeg.TO_MD5)
        assert source.ok and back.ok, f"the pictures cannot be read: {source} {back}"  # noqa: PT018 - one reason
        assert "MD5=" in source.out
        assert back.out.strip() == source.out.strip(), "the pictures that come back are not those that went in"


@check("ffmpeg.gpu.encode")
def test_gpu_encode(node: Node, settings: Settings, found: Installed, runs: None, notice: Any) -> None:
    """Picture, upload, scale_cuda, h264_nvenc: a GPU does it; without one FFmpeg says so in words that are known."""
    _hold_against_gpu(node, settings, found, artifact.ended(node, *ffmpeg.ENCODE, timeout_s=60), notice)


@check("ffmpeg.gpu.decode")
def test_gpu_decode(node: Node, settings: Settings, found: Installed, runs: None, notice: Any) -> None:
    """NVDEC decodes what libx264 made: a GPU does it; without one FFmpeg says so in words that are known."""
    with ffmpeg.folder(node) as folder:
        clip = f"{folder}/clip.mp4"
        made = artifact.ended(node, *ffmpeg.COMMON, *ffmpeg.SOURCE, "-c:v", "libx264", clip, timeout_s=60)
        if not made.ok:
            unknown("libx264 does not encode (ffmpeg.transcode)")
        _hold_against_gpu(node, settings, found, artifact.ended(node, *ffmpeg.decode(clip), timeout_s=60), notice)


def _hold_against_gpu(node: Node, settings: Settings, found: Installed, answer: Answer, notice: Any) -> None:
    cause = ffmpeg_errors.classify(answer.out, ffmpeg.least_windows_driver(settings, found))
    said = f"{cause.means} ({_telling(answer)})" if cause else str(answer)
    if node.kept("test", "-c", gpu.DEVICE).ok and gpu.is_stand_in(node):
        assert not answer.ok, "FFmpeg says that it used a GPU, and the driver is a stand-in"
        unknown(f"stand-in driver, which computes nothing: {said}")
    if node.kept("test", "-c", gpu.DEVICE).ok:
        assert answer.ok, f"{said}. {cause.next_step if cause else 'Report what FFmpeg says.'}"
        notice("the GPU did it")
        return
    assert not answer.ok, "FFmpeg says that it used a GPU, and there is none"
    assert cause is not None, f"there is no GPU, and FFmpeg says so in words that are not known: {answer}"
    assert cause.absent, f"there is no GPU, and FFmpeg says: {said}"
    notice(f"no GPU, as FFmpeg says: {said}")


def _telling(answer: Answer) -> str:
    return next((line.strip() for line in answer.lines if ffmpeg_errors.classify(line)), "")[:200]
