"""Under which licence a result may be passed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from wslgpu.build.licence import TAKES, fits, licence_of, of_ffmpeg
from wslgpu.build.pins import SourcePin
from wslgpu.build.plan import make_plan
from wslgpu.build.recipe import Recipe, load_recipe
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.settings import load


def _pin(licence: str) -> SourcePin:
    return SourcePin.model_validate(
        {
            "name": "Thing",
            "version": "1",
            "file": "thing-1.tar.xz",
            "urls": ["https://example.com/thing-1.tar.xz"],
            "sha256": "0" * 64,
            "size_bytes": 1,
            "licence": licence,
            "checked_against": "a test",
        }
    )


def _recipe(tmp_path: Path, licence: str, **roles: str) -> Recipe:
    text = "\n".join(f"  {role.replace('_', '-')}: {{help: '{help_text}'}}" for role, help_text in roles.items())
    (tmp_path / "recipe.yml").write_text(
        f"schema: 1\nname: thing\ntitle: Thing\nbase: bookworm\npackages: []\nroles:\n{text}\nsource_date: thing\n"
        "memory_per_job_bytes: 1\ndisk_bytes: 1\nestimate_s: 1\nlinks: []\nproofs: {}\n"
        f"licence: {licence}\n"
    )
    return load_recipe("thing", tmp_path)[0]


@pytest.mark.parametrize("name", sorted(load().builds))
def test_everything_that_can_be_built_may_be_passed_on(name: str) -> None:
    plan = make_plan(name, load())
    assert licence_of(plan.recipe, plan.options, plan.sources) == plan.recipe.licence


@pytest.mark.parametrize(
    ("result", "part"),
    [
        ("MIT", "GPL-2.0-or-later"),
        ("MIT", "LGPL-2.1-or-later"),
        ("GPL-2.0-or-later", "GPL-3.0-or-later"),
        ("GPL-2.0-or-later", "Apache-2.0"),
        ("GPL-3.0-or-later", "GPL-2.0-only"),
        ("GPL-3.0-or-later", "LicenseRef-Fraunhofer-FDK"),
        ("GPL-3.0-or-later", "MIT AND LicenseRef-NVIDIA"),
        ("LGPL-2.1-or-later", "GPL-2.0-or-later"),
    ],
)
def test_a_part_that_does_not_fit(tmp_path: Path, result: str, part: str) -> None:
    recipe = _recipe(tmp_path, result, thing="what is built", other="a library")
    sources = {"thing": _pin("MIT"), "other": _pin(part)}
    with pytest.raises(WslgpuError, match=f"Thing 1 \\(other\\) is under {part}") as caught:
        licence_of(recipe, {}, sources)
    assert caught.value.error_class is ErrorClass.SAFETY
    assert caught.value.exit_code == 1


def test_a_result_that_nobody_may_pass_on(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, "LicenseRef-nonfree", thing="what is built")
    with pytest.raises(WslgpuError, match="LicenseRef-nonfree"):
        licence_of(recipe, {}, {"thing": _pin("MIT")})


def test_a_build_tool_is_no_part(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, "MIT", thing="what is built", tool="build tool: it builds")
    assert licence_of(recipe, {}, {"thing": _pin("MIT"), "tool": _pin("Apache-2.0")}) == "MIT"


@pytest.mark.parametrize(
    ("expression", "fitting"),
    [
        ("MIT", True),
        ("MIT AND ISC", True),
        ("MIT AND GPL-2.0-only", False),
        ("MIT OR GPL-2.0-only", True),
        ("(GPL-2.0-only OR MIT) AND ISC", True),
        ("GPL-2.0-only OR MIT AND GPL-3.0-only", False),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", False),
        ("MIT WITH something", False),
        ("", False),
        ("(MIT", False),
        ("MIT)", False),
        ("MIT AND", False),
        ("MIT ISC", False),
        ("()", False),
    ],
)
def test_expressions(expression: str, fitting: bool) -> None:
    assert fits(expression, TAKES["MIT"]) is fitting


@pytest.mark.parametrize(
    ("words", "licence"),
    [
        ((), "LGPL-2.1-or-later"),
        (("--enable-gpl",), "GPL-2.0-or-later"),
        (("--enable-version3",), "LGPL-3.0-or-later"),
        (("--enable-gpl", "--enable-version3"), "GPL-3.0-or-later"),
        (("--enable-gpl", "--enable-nonfree"), ""),
    ],
)
def test_what_ffmpegs_configuration_makes_it(words: tuple[str, ...], licence: str) -> None:
    assert of_ffmpeg(words) == licence
