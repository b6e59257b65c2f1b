"""Proofs over the programs and libraries that a build leaves: what they link, how they are hardened, where they run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from wslgpu.build import symbol_files
from wslgpu.build.elf import Elf, ElfError, is_elf, read_elf
from wslgpu.build.proof_files import members
from wslgpu.build.record import Requirements
from wslgpu.build.symbol_files import Symbols
from wslgpu.build.targets import GLIBC_MARKS, Target, Targets, number
from wslgpu.pins import Strict

Rule = Literal["rpath", "relro", "pie", "executable-stack", "text-relocations"]
_FAMILIES = ("GLIBC", "GLIBCXX", "CXXABI")


class ElfBlock(Strict):
    """What a recipe says of its programs and libraries.

    :param waived: rule that cannot be kept -> why
    """

    waived: dict[Rule, Annotated[str, Field(min_length=10)]] = {}


def read_all(out: Path) -> tuple[dict[str, Elf], list[str]]:
    """Every ELF file of a tree by its name, and what is wrong with those that cannot be read."""
    found: dict[str, Elf] = {}
    wrong = []
    for name, path in members(out):
        if path.is_symlink() or not path.is_file() or not is_elf(path):
            continue
        try:
            found[name] = read_elf(path)
        except ElfError as error:
            wrong.append(f"{name} {error.what}")
    return found, wrong


def hardening(files: Mapping[str, Elf], waived: Iterable[str] = ()) -> list[str]:
    """What each file lacks."""
    waived = set(waived)
    wrong = []
    for name, elf in files.items():
        checks: dict[str, tuple[bool, str]] = {
            "rpath": (bool(elf.rpath or elf.runpath), f"has the run path {elf.rpath or elf.runpath!r}"),
            "relro": (elf.dynamic and not (elf.relro and elf.bind_now), "has no full RELRO"),
            "pie": (elf.program and not elf.pie, "is a program that cannot be loaded anywhere (no PIE)"),
            "executable-stack": (elf.executable_stack, "asks for an executable stack"),
            "text-relocations": (elf.text_relocations, "has relocations in its code (TEXTREL)"),
        }
        wrong += [f"{name} {text}" for rule, (bad, text) in checks.items() if bad and rule not in waived]
        if elf.machine != "amd64":
            wrong.append(f"{name} is for {elf.machine}, not for amd64")
    return wrong


def outside(files: Mapping[str, Elf]) -> dict[str, list[str]]:
    """The sonames that are linked and not brought -> the files that link them."""
    own, found = brought(files), dict[str, list[str]]()
    for name, elf in files.items():
        for soname in elf.needed:
            if soname not in own:
                found.setdefault(soname, []).append(name)
    return found


def brought(files: Mapping[str, Elf]) -> set[str]:
    """The sonames, and file names, of what the artifact has itself."""
    return {elf.soname for elf in files.values()} | {name.rpartition("/")[2] for name in files}


def requirements_of(files: Mapping[str, Elf]) -> Requirements:
    """What the files together ask of the machine that they run on."""
    greatest = dict.fromkeys(_FAMILIES, "")
    for elf in files.values():
        for _, version in elf.versions:
            family, _, rest = version.partition("_")
            rest = GLIBC_MARKS.get(rest, rest)
            if family in greatest and number(rest) > number(greatest[family]):
                greatest[family] = rest
    return Requirements(
        glibc=greatest["GLIBC"],
        glibcxx=greatest["GLIBCXX"],
        cxxabi=greatest["CXXABI"],
        sonames=tuple(sorted(outside(files))),
    )


def unlisted(files: Mapping[str, Elf], links: Iterable[str]) -> list[str]:
    """The libraries that are linked and that the recipe's allow-list does not name."""
    allowed = set(links)
    return [
        f"{', '.join(names)} links {soname}, which the recipe does not allow"
        for soname, names in sorted(outside(files).items())
        if soname not in allowed
    ]


def unrunnable(files: Mapping[str, Elf], table: Targets, symbols: Symbols) -> list[str]:
    """Which symbol of which file keeps the artifact from which target."""
    wrong = [
        f"{', '.join(names)} links {soname}, and targets.yml does not know which package has that"
        for soname, names in sorted(outside(files).items())
        if soname not in table.libraries
    ]
    own = brought(files)
    for target_name, target in table.targets.items():
        for name, elf in files.items():
            wrong += [f"{name} {problem} ({target_name})" for problem in _of_versions(elf, target, own)]
            wrong += [f"{name} {problem} ({target_name})" for problem in _of_symbols(elf, target, table, symbols)]
        wrong += [
            f"{', '.join(names)} links {soname}, which is not there ({target_name})"
            for soname, names in sorted(outside(files).items())
            if soname in target.lacks
        ]
    return wrong


def _of_versions(elf: Elf, target: Target, own: set[str]) -> list[str]:
    wrong = []
    for soname, version in elf.versions:
        if soname in own:
            continue
        family, _, rest = version.partition("_")
        if version.startswith("VA_API_"):
            family, rest = "VA_API", version.removeprefix("VA_API_")
        has, asked = target.greatest(family), GLIBC_MARKS.get(rest, rest) if family == "GLIBC" else rest
        symbols = ", ".join(elf.imports.get(version, ())[:5]) or "no symbol of its own"
        if not has or not number(asked):
            wrong.append(f"asks {soname} for {version} ({symbols}), of which targets.yml knows nothing")
        elif number(asked) > number(has):
            wrong.append(f"asks for {version} ({symbols}); there is {family}_{has} at most")
    return wrong


def _of_symbols(elf: Elf, target: Target, table: Targets, symbols: Symbols) -> list[str]:
    wrong = []
    for soname, (version, symbol) in symbol_files.asked(elf.undefined, elf.needed, symbols).items():
        library = table.libraries.get(soname)
        has = target.versions.get(library.source, "") if library else ""
        if has and number(version) > number(has):
            wrong.append(f"asks {soname} for {symbol}, which came with version {version}; there is {has}")
    return wrong
