"""The least driver that an FFmpeg needs for NVENC and NVDEC: the headers that it was built with decide.

``codec_headers.yml`` beside this module is the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from wslgpu.build.pins import BuildPin, SourcePin
from wslgpu.pins import Strict, Url
from wslgpu.yaml_source import load_yaml, validate

ROLE = "nv-codec-headers"
"""Of the source in recipes that compile, and the option's name where somebody else has compiled."""
TABLE = Path(__file__).parent / "codec_headers.yml"

DriverVersion = Annotated[str, Field(pattern=r"^\d+(\.\d+)+$")]


class LeastDriver(Strict):
    """One line of nv-codec-headers.

    :param windows: least version of the Windows driver, as nvidia-smi has it; the one that counts on WSL2
    :param linux: least version of the Linux driver
    :param seen: whether the README was read or only quoted, and when
    """

    windows: DriverVersion
    linux: DriverVersion
    source: Url
    seen: str


class CodecHeaders(Strict):
    """The whole of codec_headers.yml: line (``12.1``) -> its least drivers."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    lines: dict[Annotated[str, Field(pattern=r"^\d+\.\d+$")], LeastDriver]


def load_codec_headers(path: Path = TABLE) -> CodecHeaders:
    """Read the table.

    :raises DataError: anything wrong in it, by file and line
    """
    return validate(CodecHeaders, load_yaml(path))


def line_of(build: BuildPin, sources: Mapping[str, SourcePin]) -> str | None:
    """The line of nv-codec-headers that a build is made with (``12.1``); None for what has no codecs."""
    if source := build.sources.get(ROLE):
        return ".".join(sources[source].version.split(".")[:2])
    named = build.options.get(ROLE)
    return named if isinstance(named, str) else None


def least_driver(build: BuildPin, sources: Mapping[str, SourcePin]) -> LeastDriver | None:
    """What a build asks of the driver; None where it asks for none, or where nobody has looked its line up."""
    line = line_of(build, sources)
    return None if line is None else load_codec_headers().lines.get(line)
