"""Proofs over the tree that a build leaves: every file is where it belongs, and says nothing of where it was made."""

from __future__ import annotations

import re
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from wslgpu.build.pack import below, member_problem
from wslgpu.pins import Strict

BUILD_PATH = re.compile(rb"(?<![\w.\-/])(?:/(?:build|sources)(?=[/\0])|/(?:recipe|out)/)[^\0\n\"']{0,120}")
"""A path of the sandbox (see wslgpu.build.recipe), and not the end of some longer path."""

LICENCE_FOLDERS = ("share/doc/", "share/licenses/")


class FilesBlock(Strict):
    """What a recipe says of its files.

    :param waived: rule that cannot be kept -> why
    """

    waived: dict[Literal["build-path"], Annotated[str, Field(min_length=10)]] = {}


def members(out: Path) -> list[tuple[str, Path]]:
    """Everything below a folder, links not followed: (name relative to it, path), sorted."""
    return sorted((path.relative_to(out).as_posix(), path) for path in below(out))


def findings(out: Path, waived: Iterable[str] = ()) -> tuple[list[str], str]:
    """What is wrong with the tree, and what was found where nothing is."""
    look_inside = "build-path" not in set(waived)
    wrong: list[str] = []
    counts = {"files": 0, "links": 0, "folders": 0}
    for name, path in members(out):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            counts["links"] += 1
            wrong += _of_link(name, path)
        elif stat.S_ISDIR(status.st_mode):
            counts["folders"] += 1
            wrong += _of_mode(name, status.st_mode)
        elif stat.S_ISREG(status.st_mode):
            counts["files"] += 1
            wrong += _of_mode(name, status.st_mode)
            wrong += _of_content(name, path) if look_inside else []
        else:
            wrong.append(f"{name} is neither a file, a folder nor a link")
    if not counts["files"]:
        wrong.append("there is no file: the build installed nothing")
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return wrong, listed + (", no path of the build in them" if look_inside else "")


def licence_findings(out: Path) -> tuple[list[str], str]:
    """Whether the texts of the licences come along, as nearly every licence asks."""
    texts = [name for name, path in members(out) if name.startswith(LICENCE_FOLDERS) and path.is_file()]
    if not texts:
        return [f"there is no licence text below {' or '.join(LICENCE_FOLDERS)}"], ""
    return [], ", ".join(texts)


def _of_link(name: str, path: Path) -> list[str]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
    if problem := member_problem(member):
        return [problem]
    return [] if path.exists() else [f"the link {name} leads to {member.linkname}, which is not there"]


def _of_mode(name: str, mode: int) -> list[str]:
    wrong = []
    if mode & (stat.S_ISUID | stat.S_ISGID):
        wrong.append(f"{name} is setuid or setgid")
    if mode & stat.S_IWOTH:
        wrong.append(f"{name} may be written by everybody")
    return wrong


def _of_content(name: str, path: Path) -> list[str]:
    found = BUILD_PATH.search(path.read_bytes())
    return [f"{name} holds a path of the build: {found[0].decode(errors='replace')!r}"] if found else []
