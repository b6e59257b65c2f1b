"""What FFmpeg says of itself, read: outputs of a real one, and what a recipe promises held against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from wslgpu.build import proof_ffmpeg
from wslgpu.build.proof_ffmpeg import FfmpegBlock, findings
from wslgpu.programs import Result

CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"


def said(what: str) -> str:
    """What ffmpeg 7.1.5 wrote, without the line that says so."""
    head, _, text = (CAPTURES / f"ffmpeg-7.1.5_{what}.txt").read_text().partition("\n")
    assert f"-{what}" in head
    return text


@pytest.mark.parametrize(
    ("what", "count", "has", "has_not"),
    [
        ("encoders", 225, {"h264_nvenc", "libx264", "aac", "subrip"}, {"=", "Video", "------", "h264"}),
        ("hwaccels", 7, {"cuda", "vaapi"}, {"Hardware", ""}),
        ("filters", 555, {"scale_cuda", "testsrc2", "amix", "anullsink"}, {"=", "Timeline", "A"}),
        ("muxers", 192, {"mp4", "null", "matroska"}, {"=", "Muxing", "---"}),
        ("protocols", 44, {"file", "https", "pipe"}, {"Input:", "Output:"}),
    ],
)
def test_lists(what: str, count: int, has: set[str], has_not: set[str]) -> None:
    found = proof_ffmpeg.PARSERS[what](said(what))
    assert has <= found
    assert not has_not & found
    assert len(found) == count


def test_the_configuration() -> None:
    words = proof_ffmpeg.parse_buildconf(said("buildconf"))
    assert {"--enable-gpl", "--prefix=/usr", "--enable-libx264"} <= words
    assert not any(" " in word for word in words)
    assert proof_ffmpeg.parse_buildconf("") == frozenset()


def test_demuxers_of_several_names_and_lists_of_other_versions() -> None:
    formats = "Formats:\n D. = Demuxing supported\n .E = Muxing supported\n --\n D  mov,mp4,m4a   QuickTime / MOV\n"
    assert proof_ffmpeg.parse_formats(formats) == {"mov", "mp4", "m4a"}
    filters = "Filters:\n  T. = Timeline support\n  .S = Slice threading\n TS scale_cuda  V->V  GPU scaling\n"
    assert proof_ffmpeg.parse_filters(filters) == {"scale_cuda"}


Change = Callable[[str, str], Result | None]


def runner(change: Change = lambda _program, _flag: None) -> Callable[[Sequence[str]], Result]:
    """Answers as the real program did, except where ``change`` gives another answer."""

    def run(argv: Sequence[str]) -> Result:
        flag = argv[-1].removeprefix("-")
        other = change(argv[0], flag)
        if other is not None:
            return other
        return Result(0, "ffmpeg version 7.1.5 Copyright\n" if flag == "version" else said(flag), "")

    return run


BLOCK = FfmpegBlock(
    programs=("bin/ffmpeg", "bin/ffprobe"),
    buildconf=("--enable-gpl", "--enable-libx264"),
    refused=("--enable-nonfree",),
    encoders=("h264_nvenc", "libx264"),
    hwaccels=("cuda",),
    filters=("scale_cuda",),
    muxers=("mp4",),
    protocols=("file",),
)
LICENCE = "GPL-2.0-or-later"


def test_a_kept_promise() -> None:
    wrong, found = findings(BLOCK, runner(), LICENCE)
    assert wrong == []
    assert "225 encoders" in found
    assert "ffmpeg version 7.1.5" in found


@pytest.mark.parametrize(
    ("field", "value", "finding"),
    [
        ("encoders", ("libfdk_aac",), "lacks the encoder libfdk_aac"),
        ("hwaccels", ("d3d12va",), "lacks the hwaccel d3d12va"),
        ("filters", ("scale_npp",), "lacks the filter scale_npp"),
        ("muxers", ("mp5",), "lacks the muxer mp5"),
        ("protocols", ("gopher2",), "lacks the protocol gopher2"),
        ("buildconf", ("--enable-ffnvcodec2",), "configured without --enable-ffnvcodec2"),
        ("refused", ("--enable-gpl",), "configured with --enable-gpl"),
    ],
)
def test_a_promise_that_is_not_kept(field: str, value: tuple[str, ...], finding: str) -> None:
    wrong, _ = findings(BLOCK.model_copy(update={field: value}), runner(), LICENCE)
    assert len(wrong) == 1
    assert finding in wrong[0]


def _answer(flag: str, result: Result) -> Change:
    return lambda _program, asked: result if asked == flag else None


def test_a_program_that_does_not_start() -> None:
    broken = Result(127, "", "bin/ffprobe: error while loading shared libraries: libx264.so.164")
    wrong, _ = findings(BLOCK, runner(lambda program, _: broken if "ffprobe" in program else None), LICENCE)
    assert "bin/ffprobe -version ended with status 127" in wrong[0]
    assert "libx264.so.164" in wrong[0]


def test_a_configuration_that_nobody_may_pass_on() -> None:
    text = said("buildconf") + "    --enable-nonfree\n"
    wrong, _ = findings(BLOCK, runner(_answer("buildconf", Result(0, text, ""))), LICENCE)
    assert "bin/ffmpeg was configured with --enable-nonfree" in wrong
    assert any("no licence that lets it be passed on" in finding for finding in wrong)


def test_a_configuration_under_another_licence() -> None:
    text = said("buildconf") + "    --enable-version3\n"
    wrong, _ = findings(BLOCK, runner(_answer("buildconf", Result(0, text, ""))), LICENCE)
    assert wrong == ["bin/ffmpeg is under GPL-3.0-or-later, not under GPL-2.0-or-later"]


def test_an_answer_that_is_none() -> None:
    wrong, _ = findings(BLOCK, runner(_answer("buildconf", Result(0, "", ""))), LICENCE)
    assert "bin/ffmpeg -buildconf shows nothing that can be read" in wrong
