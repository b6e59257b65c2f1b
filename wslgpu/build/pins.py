"""The pins of builds: which sources there are, and what is built from them with which options.

``group_data/builds.yml`` is the one table; a site adds and replaces rows in site.yml (``build_sources``, ``builds``,
``mesa_dozen_known_crashes``). A build is a recipe with its sources and options chosen.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from wslgpu.pins import UNRESOLVED, Strict, Url
from wslgpu.yaml_source import YamlDocument, load_yaml, validate


def _sha256(value: str) -> str:
    if value != UNRESOLVED and not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError(f"must be 64 hexadecimal digits, or {UNRESOLVED!r}; it is {value!r}")
    return value


def _file_name(value: str) -> str:
    if "/" in value or value in ("", ".", "..") or value.startswith((".", "-")):
        raise ValueError(f"must be a plain file name; it is {value!r}")
    return value


Sha256 = Annotated[str, AfterValidator(_sha256)]
FileName = Annotated[str, AfterValidator(_file_name)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]*$")]
Version = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+~-]*$")]
"""Of what is built: a part of paths."""
OptionValue = bool | str


class DebianOrigin(Strict):
    """A file that a Debian release has, found through the signed index of the archive and fetched by apt.

    :param release: code name, such as ``trixie``
    :param package: source package, or binary package where ``kind`` says so
    """

    release: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)?$")]
    package: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
    kind: Literal["source", "binary"] = "source"


class PythonOrigin(Strict):
    """A wheel or sdist of a Python package, fetched by pip from the index that pip is set up for."""

    package: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class SourcePin(Strict):
    """One file that a build reads. Where several origins are named, all have the very same file.

    :param name: what it is, for people: ``Mesa``
    :param file: its name, from which its form is known (.tar.xz, .tar.gz, .deb, .whl)
    :param urls: tried in order, after a folder of the user's and before the distribution
    :param sha256: hexadecimal, or ``unresolved``, which no build reads
    :param licence: SPDX expression
    :param checked_against: the signature, index or release note that the hash was compared with
    :param verified: somebody compared the hash with the file itself
    """

    name: str
    version: str
    file: FileName
    urls: list[Url] = []
    debian: DebianOrigin | None = None
    python: PythonOrigin | None = None
    sha256: Sha256
    size_bytes: Annotated[int, Field(gt=0)]
    licence: str
    checked_against: str
    verified: bool = False

    @model_validator(mode="after")
    def _has_an_origin(self) -> SourcePin:
        if not (self.urls or self.debian or self.python):
            raise ValueError("names no origin; give urls, debian or python")
        return self


class BuildPin(Strict):
    """One thing to build.

    :param artifact: what it is called once built and installed: /opt/wslgpu/ARTIFACT
    :param recipe: folder of wslgpu/build/recipes
    :param sources: role in the recipe -> id of a source
    :param options: of the recipe; those that are not named have the recipe's defaults
    :param not_seen: why it has not been built by this project yet, where it has not
    """

    artifact: Identifier
    version: Version
    recipe: Identifier
    sources: dict[Identifier, Identifier]
    options: dict[str, OptionValue] = {}
    not_seen: str = ""


class KnownCrash(Strict):
    """A pair of Windows driver and Mesa that is known to crash.

    :param driver: version of the Windows driver as nvidia-smi has it; ``*`` stands for any digits
    :param mesa: as ``driver``
    """

    driver: Annotated[str, Field(pattern=r"^[0-9*.]+$")]
    mesa: Annotated[str, Field(pattern=r"^[0-9*.]+$")]
    what: str
    source: Url


class Builds(Strict):
    """The whole of builds.yml."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    sources: dict[Identifier, SourcePin]
    builds: dict[Identifier, BuildPin]
    mesa_dozen_known_crashes: list[KnownCrash] = []

    @model_validator(mode="after")
    def _consistent(self) -> Builds:
        check_sources(self.builds, self.sources)
        return self


def check_sources(builds: dict[str, BuildPin], sources: dict[str, SourcePin]) -> None:
    """Every source that a build names is there.

    :raises ValueError: one that is not
    """
    for name, build in builds.items():
        for role, source in build.sources.items():
            if source not in sources:
                raise ValueError(f"builds.{name}.sources.{role}: there is no source {source!r}")


def load_builds(path: Path) -> tuple[Builds, YamlDocument]:
    """Read builds.yml.

    :raises DataError: anything wrong in it, by file and line
    """
    document = load_yaml(path)
    return validate(Builds, document), document


def as_data(builds: Builds) -> dict[str, Any]:
    """The tables as settings have them."""
    data = builds.model_dump(mode="json")
    return {
        "build_sources": data["sources"],
        "builds": data["builds"],
        "mesa_dozen_known_crashes": data["mesa_dozen_known_crashes"],
    }
