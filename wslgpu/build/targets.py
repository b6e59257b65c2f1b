"""Whether an artifact can run on a distribution, and which packages it needs there: ``targets.yml`` as functions."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from wslgpu.build.record import Requirements
from wslgpu.errors import DataError
from wslgpu.pins import Strict, Url
from wslgpu.yaml_source import load_yaml, validate

TARGETS_FILE = Path(__file__).with_name("targets.yml")

SymbolVersion = Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")]
Soname = Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]+\.so(\.[0-9.]+)?$")]
Package = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
GLIBC_MARKS = {"ABI_DT_RELR": "2.36"}
"""Versions of glibc's that are no numbers, with the release that brought each."""


class Library(Strict):
    """Where a soname comes from.

    :param package: binary package, as most targets call it
    :param source: source package, by which ``versions`` of a target are listed; empty: its symbols have versions
    """

    package: Package
    source: Package | Literal[""] = ""


class Target(Strict):
    """What one distribution has.

    :param others: greatest version of further families of symbol versions, such as ``GCC`` of libgcc_s
    :param versions: upstream version of each source package
    :param renamed: packages that are called otherwise here
    :param lacks: sonames that it does not have
    :param seen: how this was found out
    """

    glibc: SymbolVersion
    glibcxx: SymbolVersion
    cxxabi: SymbolVersion
    others: dict[Annotated[str, Field(pattern=r"^[A-Z][A-Z_]*$")], SymbolVersion]
    versions: dict[Package, SymbolVersion]
    renamed: dict[Package, Package] = {}
    lacks: tuple[Soname, ...] = ()
    seen: str
    source: Url

    def greatest(self, family: str) -> str:
        """The greatest version of a family of symbol versions (``GLIBC``); empty where the table does not know it."""
        own = {"GLIBC": self.glibc, "GLIBCXX": self.glibcxx, "CXXABI": self.cxxabi}
        return own.get(family) or self.others.get(family, "")


class Targets(Strict):
    """The whole of targets.yml."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    libraries: dict[Soname, Library]
    targets: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z]+ [0-9.]+$")], Target], Field(min_length=1)]

    @model_validator(mode="after")
    def _complete(self) -> Targets:
        sources = {library.source for library in self.libraries.values()} - {""}
        packages = {library.package for library in self.libraries.values()}
        families = {family for target in self.targets.values() for family in target.others}
        for name, target in self.targets.items():
            if missing := sorted(sources - set(target.versions)):
                raise ValueError(f"targets.{name}.versions has no {missing[0]}")
            if missing := sorted(families - set(target.others)):
                raise ValueError(f"targets.{name}.others has no {missing[0]}, which another target has")
            if unknown := sorted(set(target.renamed) - packages):
                raise ValueError(f"targets.{name}.renamed: no library is in {unknown[0]}")
        return self


def load_targets(path: Path = TARGETS_FILE) -> Targets:
    """Read targets.yml.

    :raises DataError: anything wrong in it, by file and line
    """
    return validate(Targets, load_yaml(path))


@functools.lru_cache(maxsize=1)
def known_targets() -> Targets:
    """The project's own table."""
    return load_targets()


def number(version: str) -> tuple[int, ...]:
    """A version of digits and dots as something to compare; what is no number counts as nothing."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def problems(requirements: Requirements, target: str, table: Targets | None = None) -> list[str]:
    """Why an artifact cannot run on a distribution; empty where it can.

    :param target: ``ID VERSION_ID`` of os-release: ``debian 12``
    """
    table = table or known_targets()
    if target not in table.targets:
        return [f"what {target} has is not known; artifacts are made for {', '.join(table.targets)}"]
    has = table.targets[target]
    found = []
    for family, asked in families(requirements).items():
        if asked and number(asked) > number(has.greatest(family)):
            found.append(f"it asks for {family}_{asked}; {target} has {family}_{has.greatest(family)} at most")
    for soname in requirements.sonames:
        if soname not in table.libraries:
            found.append(f"it links {soname}, and which package of {target} has that is not known")
        elif soname in has.lacks:
            found.append(f"it links {soname}, which {target} does not have")
    return found


def families(requirements: Requirements) -> Mapping[str, str]:
    """The symbol versions that requirements name, by family."""
    return {"GLIBC": requirements.glibc, "GLIBCXX": requirements.glibcxx, "CXXABI": requirements.cxxabi}


def packages_for(requirements: Requirements, target: str, table: Targets | None = None) -> list[str]:
    """The packages that have the libraries that an artifact links, as a distribution calls them; sorted.

    :raises DataError: the distribution, or one of the libraries, is not in the table
    """
    table = table or known_targets()
    if found := problems(requirements, target, table):
        raise DataError(found[0], str(TARGETS_FILE), "Add what it has there, with its source.")
    renamed = table.targets[target].renamed
    names = {table.libraries[soname].package for soname in requirements.sonames}
    return sorted(renamed.get(name, name) for name in names)
