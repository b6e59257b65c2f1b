"""The build key: everything that can change the output changes it, and the difference has a name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wslgpu.build import environment, key
from wslgpu.build.key import BuildKey, build_key, compiler_words, differences
from wslgpu.build.pins import BuildPin, SourcePin
from wslgpu.build.recipe import Recipe
from wslgpu.errors import DataError

PACKAGES = {"gcc-12": "12.2.0-14", "libc6": "2.36-9", "make": "4.3-4.1", "gcc-12-base": "12.2.0-14"}


@dataclasses.dataclass
class Inputs:
    """What a key is made of."""

    folder: Path
    build: dict[str, Any] = dataclasses.field(
        default_factory=lambda: {"artifact": "x", "version": "1", "recipe": "x", "sources": {"x": "x-1"}}
    )
    recipe: dict[str, Any] = dataclasses.field(
        default_factory=lambda: {
            "schema": 1,
            "name": "x",
            "title": "x",
            "base": "bookworm",
            "packages": ["gcc"],
            "options": {"fast": {"default": False, "help": ""}},
            "roles": {"x": {"help": ""}, "y": {"help": "", "when": "fast"}},
            "source_date": "x",
            "memory_per_job_bytes": 1,
            "disk_bytes": 1,
            "estimate_s": 1,
            "licence": "MIT",
            "links": [],
            "proofs": {},
        }
    )
    options: dict[str, Any] = dataclasses.field(default_factory=lambda: {"fast": False})
    packages: dict[str, str] = dataclasses.field(default_factory=lambda: dict(PACKAGES))
    sha256: str = "a" * 64

    def key(self) -> BuildKey:
        row = {"name": "x", "version": "1", "file": "x.tar.xz", "urls": ["https://x.example/x"], "size_bytes": 1}
        row |= {"licence": "MIT", "checked_against": "x"}
        sources = {role: SourcePin.model_validate({**row, "sha256": self.sha256}) for role in ("x", "y")}
        recipe = Recipe.model_validate(self.recipe)
        build = BuildPin.model_validate(self.build)
        return build_key(build, recipe, self.options, sources, self.folder, self.packages)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    (tmp_path / "patches").mkdir()
    (tmp_path / "recipe.yml").write_text("schema: 1\n")
    (tmp_path / "build.sh").write_text("#!/bin/sh\n")
    (tmp_path / "patches" / "x-01.patch").write_text("--- a\n")
    return Inputs(tmp_path)


CHANGES: dict[str, Callable[[Inputs], object]] = {
    "source x changed: aaaaaaaaaaaa -> bbbbbbbbbbbb": lambda i: setattr(i, "sha256", "b" * 64),
    "option fast: no -> yes": lambda i: i.options.update(fast=True),
    "compiler: gcc-12 12.2.0-14 -> gcc-12 12.2.0-15": lambda i: i.packages.update({"gcc-12": "12.2.0-15"}),
    "package libc6: 2.36-9 -> 2.36-10": lambda i: i.packages.update(libc6="2.36-10"),
    "package clang: added (1:14)": lambda i: i.packages.update(clang="1:14"),
    "package make: removed (4.3-4.1)": lambda i: i.packages.pop("make"),
    "recipe file build.sh changed": lambda i: (i.folder / "build.sh").write_text("#!/bin/sh\n#\n"),
    "recipe file recipe.yml changed": lambda i: (i.folder / "recipe.yml").write_text("schema: 2\n"),
    "recipe file patches/x-01.patch changed": lambda i: (i.folder / "patches" / "x-01.patch").write_text("+\n"),
    "recipe file patches/x-02.patch: added": lambda i: (i.folder / "patches" / "x-02.patch").write_text("+\n"),
    "recipe file patches/x-01.patch: removed": lambda i: (i.folder / "patches" / "x-01.patch").unlink(),
    "base: bookworm -> trixie": lambda i: i.recipe.update(base="trixie"),
    "version: 1 -> 2": lambda i: i.build.update(version="2"),
    "artifact: x -> z": lambda i: i.build.update(artifact="z"),
    "source date: newest file of x -> newest file of y": lambda i: i.recipe.update(source_date="y"),
}


@pytest.mark.parametrize("said", CHANGES)
def test_every_part_changes_the_key_and_is_named(inputs: Inputs, said: str) -> None:
    before = inputs.key()
    assert inputs.key() == before
    CHANGES[said](inputs)
    after = inputs.key()
    assert after.hex != before.hex
    assert said in differences(before.parts, after.parts)


@pytest.mark.parametrize("name", [*environment.FIXED])
def test_flags_and_variables_are_part_of_it(inputs: Inputs, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = inputs.key()
    monkeypatch.setitem(environment.FIXED, name, "-O9")
    after = inputs.key()
    assert after.hex != before.hex
    assert differences(before.parts, after.parts) == [
        f"environment {name}: {before.parts[f'environment {name}']} -> -O9"
    ]


def test_our_own_code_and_the_architecture_are_part_of_it(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = inputs.key().parts
    assert {f"code {name}" for name in key.SHAPING_CODE} <= set(parts)
    for name, said in (("ARCHITECTURE", "architecture: amd64 -> 2"), ("DRIVER", "driver: 1 -> 2")):
        with monkeypatch.context() as patched:
            patched.setattr(key, name, "2")
            assert differences(parts, inputs.key().parts) == [said]


def test_the_code_that_shapes_the_output_is_there() -> None:
    folder = Path(key.__file__).parent
    assert [name for name in key.SHAPING_CODE if not (folder / name).is_file()] == []


def test_an_executable_file_is_another_file(inputs: Inputs) -> None:
    before = inputs.key()
    (inputs.folder / "build.sh").chmod(0o755)
    assert differences(before.parts, inputs.key().parts) == ["recipe file build.sh changed"]


def test_what_cannot_change_the_output_does_not_change_it(inputs: Inputs, tmp_path: Path) -> None:
    before = inputs.key()
    (inputs.folder / "__pycache__").mkdir()
    (inputs.folder / "__pycache__" / "x.pyc").write_text("")
    inputs.packages = dict(reversed(inputs.packages.items()))
    assert inputs.key() == before


def test_a_source_without_a_hash_has_no_key(inputs: Inputs) -> None:
    inputs.sha256 = "unresolved"
    with pytest.raises(DataError, match="x 1 has no sha256 yet"):
        inputs.key()


def test_only_needed_sources_are_part_of_it(inputs: Inputs) -> None:
    assert "source y" not in inputs.key().parts
    inputs.options["fast"] = True
    assert "source y" in inputs.key().parts


def test_compilers_are_told_by_name() -> None:
    packages = {"g++-12": "12.2.0-14", "gcc-12": "12.2.0-14", "gcc-12-base": "1", "libgcc-12-dev": "1", "nasm": "2.16"}
    assert compiler_words(packages) == "g++-12 12.2.0-14, gcc-12 12.2.0-14, nasm 2.16"
