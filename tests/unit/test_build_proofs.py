"""What is proven before anything is stored: real programs and libraries, each wrong in one way."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from wslgpu.build import symbol_files
from wslgpu.build.pins import OptionValue
from wslgpu.build.proofs import blocks_of, prove
from wslgpu.build.recipe import Recipe, load_recipe
from wslgpu.build.targets import known_targets
from wslgpu.errors import DataError, ErrorClass, WslgpuError
from wslgpu.programs import Result

MANIFEST = "share/vulkan/icd.d/dzn_icd.x86_64.json"
HARD = ("-Wl,-z,relro,-z,now,-z,noexecstack",)

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="artifacts are for amd64"),
]


def _gcc(target: Path, code: str, *flags: str) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-x", "c", "-o", target, "-", *flags], input=code.encode(), check=True, timeout=60)
    return target


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that passes: a driver with its manifest, a program, a link."""
    tree = tmp_path_factory.mktemp("proofs") / "good"
    _gcc(tree / "lib" / "libvulkan_dzn.so", "int f(void) { return 1; }", "-shared", "-fPIC", *HARD)
    _gcc(tree / "bin" / "thing", "int main(void) { return 0; }", "-pie", "-fPIE", *HARD)
    (tree / "lib" / "libthing.so").symlink_to("libvulkan_dzn.so")
    (tree / MANIFEST).parent.mkdir(parents=True)
    _write_manifest(tree, "../../../lib/libvulkan_dzn.so")
    (tree / "share" / "doc" / "thing").mkdir(parents=True)
    (tree / "share" / "doc" / "thing" / "MIT").write_text("Permission is hereby granted")
    return tree


@pytest.fixture
def out(good: Path, tmp_path: Path) -> Path:
    """A copy of the good tree, to be spoiled."""
    return Path(shutil.copytree(good, tmp_path / "spoiled", symlinks=True))


def _write_manifest(tree: Path, library: str) -> None:
    document = {"file_format_version": "1.0.1", "ICD": {"library_path": library, "api_version": "1.1.305"}}
    (tree / MANIFEST).write_text(json.dumps(document))


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Allows libc alone, and promises a Vulkan driver."""
    (tmp_path / "recipe.yml").write_text(
        f"""\
schema: 1
name: thing
title: Thing
base: bookworm
packages: []
options: {{full: {{default: false, help: more of it}}}}
roles: {{thing: {{help: what is built}}}}
source_date: thing
memory_per_job_bytes: 1
disk_bytes: 1
estimate_s: 1
licence: MIT
links: [libc.so.6]
proofs:
  vulkan: [{{manifest: {MANIFEST}, library: lib/libvulkan_dzn.so}}]
"""
    )
    return load_recipe("thing", tmp_path)[0]


def _no_program(argv: Sequence[str]) -> Result:
    raise AssertionError(f"{argv} was run, and nothing promises anything of it")


def _prove(out: Path, recipe: Recipe, **more: Any) -> Any:
    return prove(out, recipe, {"full": False}, run=_no_program, **more)


def test_what_is_as_it_must_be(out: Path, recipe: Recipe) -> None:
    proofs, needs = _prove(out, recipe)
    assert {proof.name for proof in proofs} == {"files", "licence", "hardening", "links", "targets", "vulkan"}
    assert needs.sonames == ("libc.so.6",)
    assert needs.glibc.startswith("2.")


Spoil = Callable[[Path], object]
SPOILED: dict[str, tuple[Spoil, str]] = {
    "a run path": (
        lambda tree: _gcc(tree / "bin/thing", "int main(void) { return 0; }", *HARD, "-Wl,-rpath,/opt/x"),
        "bin/thing has the run path '/opt/x'",
    ),
    "lazy binding": (
        lambda tree: _gcc(tree / "lib/liblazy.so", "int g(void) { return 1; }", "-shared", "-fPIC", "-Wl,-z,lazy"),
        "lib/liblazy.so has no full RELRO",
    ),
    "a program that is not PIE": (
        lambda tree: _gcc(tree / "bin/thing", "int main(void) { return 0; }", "-no-pie", "-fno-pie", *HARD),
        "bin/thing is a program that cannot be loaded anywhere",
    ),
    "an executable stack": (
        lambda tree: _gcc(tree / "bin/thing", "int main(void) { return 0; }", "-pie", *HARD, "-Wl,-z,execstack"),
        "bin/thing asks for an executable stack",
    ),
    "a library that is not allowed": (
        lambda tree: _gcc(
            tree / "bin/thing",
            "double cos(double); int main(int n, char **v) { return (int)cos(n); }",
            "-pie",
            *HARD,
            "-fno-builtin",
            "-lm",
        ),
        "bin/thing links libm.so.6, which the recipe does not allow",
    ),
    "a spoiled program": (
        lambda tree: (tree / "bin" / "thing").write_bytes((tree / "bin" / "thing").read_bytes()[:600]),
        "bin/thing is no whole ELF file",
    ),
    "an absolute link": (lambda tree: (tree / "lib/away.so").symlink_to("/usr/lib/libc.so.6"), "leads out of"),
    "a link that leads nowhere": (lambda tree: (tree / "lib/x.so").symlink_to("y.so"), "y.so, which is not there"),
    "a setuid program": (lambda tree: (tree / "bin/thing").chmod(0o4755), "bin/thing is setuid"),
    "a file for everybody": (lambda tree: (tree / "bin/thing").chmod(0o777), "bin/thing may be written by everybody"),
    "a folder for everybody": (lambda tree: (tree / "bin").chmod(0o777), "bin may be written by everybody"),
    "a path of the build": (
        lambda tree: (tree / "share/thing.pc").write_text("prefix=/build/mesa/install\n"),
        "share/thing.pc holds a path of the build: '/build/mesa/install",
    ),
    "a path of the build in a program": (
        lambda tree: _gcc(
            tree / "bin/thing",
            'const char *const where = "/sources/mesa/meson.build"; int main(void) { return where[0]; }',
            "-pie",
            *HARD,
        ),
        "bin/thing holds a path of the build: '/sources/mesa",
    ),
    "no text of a licence": (lambda tree: (tree / "share/doc/thing/MIT").unlink(), "no licence text below share/doc/"),
    "no manifest": (lambda tree: (tree / MANIFEST).unlink(), f"{MANIFEST} is not there"),
    "a manifest that is none": (lambda tree: (tree / MANIFEST).write_text("{}"), "is no manifest"),
    "a manifest for one place": (
        lambda tree: _write_manifest(tree, "/opt/wslgpu/x/lib/libvulkan_dzn.so"),
        "not relative to itself",
    ),
    "a manifest that points elsewhere": (
        lambda tree: _write_manifest(tree, "../../../lib/libvulkan_lvp.so"),
        "points at lib/libvulkan_lvp.so",
    ),
    "no driver": (lambda tree: (tree / "lib/libvulkan_dzn.so").unlink(), "lib/libvulkan_dzn.so is not there"),
}


@pytest.mark.parametrize(("spoil", "finding"), SPOILED.values(), ids=SPOILED)
def test_what_is_not_as_it_must_be(out: Path, recipe: Recipe, spoil: Spoil, finding: str) -> None:
    spoil(out)
    with pytest.raises(WslgpuError) as caught:
        _prove(out, recipe)
    assert finding in caught.value.what
    assert caught.value.error_class is ErrorClass.INTEGRITY
    assert caught.value.exit_code == 1


def test_all_findings_come_at_once(out: Path, recipe: Recipe) -> None:
    for spoil, _ in (SPOILED["a setuid program"], SPOILED["no manifest"], SPOILED["a link that leads nowhere"]):
        spoil(out)
    with pytest.raises(WslgpuError, match="3 finding"):
        _prove(out, recipe)


def test_an_empty_tree(tmp_path: Path, recipe: Recipe) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(WslgpuError, match="the build installed nothing"):
        _prove(tmp_path / "nothing", recipe)


def test_paths_that_are_not_the_builds(out: Path, recipe: Recipe) -> None:
    text = "https://example.com/build/x /usr/build/y in/out/ ./sources/z /builder/a"
    (out / "share" / "README").write_text(text)
    _prove(out, recipe)


def test_a_recipe_may_say_why_its_files_hold_a_path(out: Path, recipe: Recipe) -> None:
    SPOILED["a path of the build"][0](out)
    reason = "its makefile writes it there"
    blocks = {**recipe.proofs, "files": [{"waived": {"build-path": reason}}]}
    proofs, _ = _prove(out, recipe.model_copy(update={"proofs": blocks}))
    assert proofs[0].found.endswith(f"; not build-path: {reason}")
    with pytest.raises(DataError, match=r"proofs\.files"):
        blocks_of(recipe.model_copy(update={"proofs": {"files": [{"waived": {"setuid": reason}}]}}), {})


def test_a_symbol_that_a_target_does_not_have(out: Path, recipe: Recipe) -> None:
    known = known_targets()
    old = known.targets["debian 12"].model_copy(update={"glibc": "2.2.4"})
    table = known.model_copy(update={"targets": {"debian 12": old}})
    with pytest.raises(WslgpuError) as caught:
        _prove(out, recipe, table=table)
    assert "asks for GLIBC_2.2.5 (" in caught.value.what
    assert "there is GLIBC_2.2.4 at most (debian 12)" in caught.value.what


def test_a_library_without_symbol_versions_that_is_too_old_on_a_target(
    out: Path, recipe: Recipe, tmp_path: Path
) -> None:
    stub = tmp_path / "libdrm.so"
    _gcc(stub, "int drmNew(void) { return 1; }", "-shared", "-fPIC", "-Wl,-soname,libdrm.so.2")
    code = "int drmNew(void); int main(void) { return drmNew(); }"
    _gcc(out / "bin" / "thing", code, "-pie", "-fPIE", *HARD, f"-L{tmp_path}", "-ldrm")
    allowed = recipe.model_copy(update={"links": ("libc.so.6", "libdrm.so.2")})
    old = symbol_files.parse("libdrm.so.2 libdrm2 #MINVER#\n drmNew@Base 2.4.110-1~\n drmOther@Base 2.4.200\n")
    _prove(out, allowed, symbols=old)
    new = symbol_files.parse("libdrm.so.2 libdrm2 #MINVER#\n drmNew@Base 2.4.114\n")
    with pytest.raises(WslgpuError) as caught:
        _prove(out, allowed, symbols=new)
    assert "drmNew, which came with version 2.4.114; there is 2.4.110 (ubuntu 22.04)" in caught.value.what
    assert "debian 12" not in caught.value.what


def test_a_waived_rule_says_why(out: Path, recipe: Recipe) -> None:
    SPOILED["a program that is not PIE"][0](out)
    reason = "built by somebody else, and only checked here"
    waiving = recipe.model_copy(update={"proofs": {"elf": [{"waived": {"pie": reason}}]}})
    proofs, _ = _prove(out, waiving)
    assert reason in next(proof.found for proof in proofs if proof.name == "hardening")


@pytest.mark.parametrize(
    ("proofs", "said"),
    [
        ({"opengl": [{}]}, "opengl"),
        ({"vulkan": [{"manifest": "x"}]}, "library"),
        ({"ffmpeg": [{"codecs": ["x"]}]}, "codecs"),
        ({"ffmpeg": ["x"]}, "must be a list of tables"),
        ({"elf": [{"waived": {"pie": "no"}}]}, "waived.pie"),
    ],
)
def test_proofs_that_there_are_not(recipe: Recipe, proofs: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        blocks_of(recipe.model_copy(update={"proofs": proofs}), {})


def test_blocks_are_merged_where_their_option_is_on(recipe: Recipe) -> None:
    blocks: list[dict[str, Any]] = [
        {"programs": ["bin/ffmpeg"], "encoders": ["libx264"]},
        {"when": "full", "encoders": ["libx265"]},
    ]
    promising = recipe.model_copy(update={"proofs": {"ffmpeg": blocks}})

    def encoders(options: dict[str, OptionValue]) -> tuple[str, ...]:
        found = blocks_of(promising, options).ffmpeg
        assert found is not None
        return found.encoders

    assert encoders({"full": False}) == ("libx264",)
    assert encoders({"full": True}) == ("libx264", "libx265")


def test_symbols_of_this_machines_packages() -> None:
    found = symbol_files.read(Path("/"))
    if not found:
        pytest.skip("no package here has a symbols file")
    assert all("@" not in symbol for known in found.values() for symbol in known)
