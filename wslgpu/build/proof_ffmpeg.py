"""Proofs over FFmpeg: what the built programs say of themselves, held against what the recipe promises.

The parsers are pure; they are tested on what real programs wrote (tests/fixtures/captures).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from wslgpu.build.licence import of_ffmpeg
from wslgpu.errors import WslgpuError
from wslgpu.pins import Strict
from wslgpu.programs import Result

Runner = Callable[[Sequence[str]], Result]
"""Runs a program of the artifact: its name relative to the artifact, then its arguments."""

LISTS = ("encoders", "decoders", "hwaccels", "filters", "muxers", "demuxers", "protocols")


class FfmpegBlock(Strict):
    """What a recipe promises.

    :param programs: every one is run; the first is asked for everything else
    :param buildconf: words that ``-buildconf`` must show
    :param refused: words that it must not show
    """

    programs: tuple[str, ...] = ()
    buildconf: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    encoders: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()
    hwaccels: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    muxers: tuple[str, ...] = ()
    demuxers: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()


def parse_buildconf(text: str) -> frozenset[str]:
    """The words of ``ffmpeg -hide_banner -buildconf``."""
    return frozenset(re.findall(r"^\s+(--?\S.*?)\s*$", text, re.MULTILINE))


def parse_coders(text: str) -> frozenset[str]:
    """The names in ``-encoders`` or ``-decoders``: six flags, then a name. The legend above them has ``=`` there."""
    return frozenset(re.findall(r"^ [VAS.][F.][S.][X.][B.][D.] ([^\s=]\S*)", text, re.MULTILINE))


def parse_hwaccels(text: str) -> frozenset[str]:
    """The lines of ``-hwaccels`` below its heading."""
    lines = [line.strip() for line in text.splitlines()]
    start = next((index for index, line in enumerate(lines) if line.startswith("Hardware acceleration")), len(lines))
    return frozenset(line for line in lines[start + 1 :] if re.fullmatch(r"\w+", line))


def parse_filters(text: str) -> frozenset[str]:
    """The names in ``-filters``: two or three flags, a name, and what goes in and out."""
    return frozenset(re.findall(r"^ [T.][S.][C.]? (\S+)\s+\S+->\S+", text, re.MULTILINE))


def parse_formats(text: str) -> frozenset[str]:
    """The names in ``-muxers`` or ``-demuxers``; one line may have several (``mov,mp4,m4a``)."""
    below = text.partition("\n --")[2]
    rows = re.findall(r"^ [D ][E ][d ]? (\S+)", below, re.MULTILINE)
    return frozenset(name for row in rows for name in row.split(","))


def parse_protocols(text: str) -> frozenset[str]:
    """The names in ``-protocols``, those for input and those for output."""
    return frozenset(re.findall(r"^  (\S+)$", text, re.MULTILINE))


PARSERS: dict[str, Callable[[str], frozenset[str]]] = {
    "encoders": parse_coders,
    "decoders": parse_coders,
    "hwaccels": parse_hwaccels,
    "filters": parse_filters,
    "muxers": parse_formats,
    "demuxers": parse_formats,
    "protocols": parse_protocols,
}


def findings(block: FfmpegBlock, run: Runner, licence: str) -> tuple[list[str], str]:
    """What of the promise is not kept, and what was found where all is.

    :param licence: what the recipe says that the result is under
    """
    wrong: list[str] = []
    seen: list[str] = []
    try:
        for program in block.programs:
            seen.append(_said(run, program, "-version").partition("\n")[0][:120])
        first = block.programs[0]
        shown = parse_buildconf(_said(run, first, "-hide_banner", "-buildconf"))
        if not shown:
            wrong.append(f"{first} -buildconf shows nothing that can be read")
        wrong += [f"{first} was configured without {word}" for word in block.buildconf if word not in shown]
        wrong += [f"{first} was configured with {word}" for word in block.refused if word in shown]
        if (own := of_ffmpeg(shown)) != licence:
            wrong.append(f"{first} is under {own or 'no licence that lets it be passed on'}, not under {licence}")
        for kind in LISTS:
            if promised := getattr(block, kind):
                has = PARSERS[kind](_said(run, first, "-hide_banner", f"-{kind}"))
                seen.append(f"{len(has)} {kind}")
                wrong += [f"{first} lacks the {kind.removesuffix('s')} {name}" for name in promised if name not in has]
    except WslgpuError as error:
        wrong.append(error.what)
    return wrong, "; ".join(seen)


def _said(run: Runner, *argv: str) -> str:
    result = run(argv)
    if not result.ok:
        said = (result.stderr.strip() or result.stdout.strip())[-300:]
        raise WslgpuError(f"{' '.join(argv)} ended with status {result.rc}: {said or 'it said nothing'}")
    return result.stdout
