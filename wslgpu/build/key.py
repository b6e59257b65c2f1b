"""The build key: one number over everything that can change what comes out of a build.

What goes in is kept by name, so that two keys can be compared and the difference named. JOBS, the folder, the time, the
machine and ccache are not in it: they may not change the output, and ``wslgpu build --again`` is there to prove that.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build import environment
from wslgpu.build.pins import BuildPin, OptionValue, SourcePin
from wslgpu.build.recipe import Recipe, needed_roles
from wslgpu.errors import DataError
from wslgpu.host_files import sha256_of_file
from wslgpu.pins import UNRESOLVED

ARCHITECTURE = "amd64"
DRIVER = 1
"""Raise it when what is done around a recipe's script changes what comes out: patching, owners, the source date."""
SHAPING_CODE = ("archive.py", "archive_check.py", "archive_members.py", "pack.py")
"""Modules of this package whose code has a say in the output: how sources are unpacked, how the artifact is packed."""
COMPILERS = re.compile(r"(gcc|g\+\+|clang|nasm|yasm|rustc|binutils)(-\d+)?")


@dataclass(frozen=True)
class BuildKey:
    """A key and what it was made of.

    :param parts: name -> value or digest: ``option opengl`` -> ``no``, ``package gcc-12`` -> ``12.2.0-14``
    """

    hex: str
    parts: dict[str, str]

    @classmethod
    def of(cls, parts: Mapping[str, str]) -> BuildKey:
        """The key of these parts: sha256 over their canonical JSON."""
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return cls(hashlib.sha256(text.encode()).hexdigest(), dict(parts))


def build_key(
    build: BuildPin,
    recipe: Recipe,
    options: Mapping[str, OptionValue],
    sources: Mapping[str, SourcePin],
    recipe_folder: Path,
    packages: Mapping[str, str],
) -> BuildKey:
    """The key of a build.

    :param sources: role -> pin, of the roles that are needed
    :param packages: package -> exact version, of everything in the clean root
    :raises DataError: a source without a hash, so that nobody can say what would be built
    """
    parts = {
        "artifact": build.artifact,
        "version": build.version,
        "recipe": recipe.name,
        "architecture": ARCHITECTURE,
        "base": recipe.base,
        "driver": str(DRIVER),
        "source date": f"newest file of {recipe.source_date}",
        "places": " ".join((environment.SOURCES, environment.BUILD, environment.OUT, environment.UMASK)),
        "compiler": compiler_words(packages),
    }
    parts |= {f"option {name}": environment.option_value(value) for name, value in options.items()}
    for role in needed_roles(recipe, dict(options)):
        if sources[role].sha256 == UNRESOLVED:
            source = f"{sources[role].name} {sources[role].version}"
            what = f"the source {source} has no sha256 yet, so nothing is built from it"
            raise DataError(what, f"build_sources, role {role}", "Give its hash; `wslgpu sources` helps.")
        parts[f"source {role}"] = sources[role].sha256
    parts |= {f"recipe file {name}": digest for name, digest in folder_digests(recipe_folder).items()}
    parts |= {f"environment {name}": value for name, value in environment.FIXED.items()}
    parts |= {f"package {name}": version for name, version in packages.items()}
    code = Path(__file__).parent
    parts |= {f"code {name}": sha256_of_file(code / name) for name in SHAPING_CODE if (code / name).exists()}
    return BuildKey.of(parts)


def folder_digests(folder: Path) -> dict[str, str]:
    """Relative name -> sha256 of each file below a recipe's folder; an executable file is another file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {
        str(path.relative_to(folder)): sha256_of_file(path) + (" executable" if path.stat().st_mode & 0o100 else "")
        for path in files
    }


def compiler_words(packages: Mapping[str, str]) -> str:
    """``gcc-12 12.2.0-14, nasm 2.16.01-1``: what translates, for people."""
    return ", ".join(f"{name} {packages[name]}" for name in sorted(packages) if COMPILERS.fullmatch(name))


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What changed between the parts of two keys, a line each: ``option opengl: no -> yes``."""
    lines = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if before is None or after is None:
            what, value = ("added", after) if before is None else ("removed", before)
            lines.append(f"{name}: {what}" + (f" ({value})" if not _is_digest(value or "") else ""))
        elif _is_digest(before):
            lines.append(f"{name} changed" + (f": {before[:12]} -> {after[:12]}" if name.startswith("source ") else ""))
        else:
            lines.append(f"{name}: {before} -> {after}")
    return lines


def _is_digest(value: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{64}( executable)?", value))
