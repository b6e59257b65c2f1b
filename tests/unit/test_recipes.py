"""The recipes and builds.yml as they are: that they fit each other, and that what they make may be passed on."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from wslgpu.build.codec_headers import ROLE, LeastDriver, least_driver, line_of, load_codec_headers
from wslgpu.build.pins import load_builds
from wslgpu.build.recipe import RECIPES, Recipe, chosen_options, is_on, load_recipe, needed_packages, needed_roles
from wslgpu.errors import DataError
from wslgpu.pins import UNRESOLVED, load_pins
from wslgpu.yaml_source import load_yaml

ROOT = Path(__file__).resolve().parents[2]
BUILDS = load_builds(ROOT / "group_data/builds.yml")[0]
NAMES = sorted(path.parent.name for path in RECIPES.glob("*/recipe.yml"))
FFMPEG = ["ffmpeg", "ffmpeg-prebuilt"]


def recipe(name: str) -> Recipe:
    return load_recipe(name)[0]


def promise(name: str, kind: str, proof: str = "ffmpeg", **options: Any) -> set[str]:
    """What a recipe promises of one kind, for a choice of its options."""
    chosen = {key: option.default for key, option in recipe(name).options.items()} | options
    blocks = [block for block in recipe(name).proofs[proof] if is_on(block.get("when", ""), chosen)]
    return {word for block in blocks for word in block.get(kind, [])}


def test_there_are_recipes() -> None:
    assert NAMES == ["ffmpeg", "ffmpeg-prebuilt", "mesa-dozen"]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_whole(name: str) -> None:
    loaded = recipe(name)
    assert loaded.name == name
    script = (loaded.folder / "build.sh").read_text()
    assert script.startswith("#!/bin/sh\n")
    for phase in loaded.phases:
        assert re.search(rf"\b{phase}\b", script), f"build.sh knows no phase {phase}"
    assert loaded.source_date in loaded.roles
    conditions = [*(role.when for role in loaded.roles.values()), *loaded.optional_packages]
    for condition in filter(None, conditions):
        option, _, choice = condition.partition("=")
        loaded.options[option].check(choice or True)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_takes_no_option_but_to_compare_it(name: str) -> None:
    """So that no option can carry words of its own to a configure script, ``--enable-nonfree`` among them."""
    script = (RECIPES / name / "build.sh").read_text()
    used = re.findall(r"OPTION_[A-Z_]+", script)
    compared = re.findall(r'\[ "\$(OPTION_[A-Z_]+)" = [a-z]+ \]', script)
    assert used == compared
    known = {"OPTION_" + option.upper().replace("-", "_") for option in recipe(name).options}
    assert set(used) <= known


@pytest.mark.parametrize("name", FFMPEG)
def test_nonfree_cannot_be_reached(name: str) -> None:
    folder = RECIPES / name
    said = [path.name for path in folder.rglob("*") if path.is_file() and "nonfree" in path.read_text()]
    assert said == ["recipe.yml"], "named where it is refused, and nowhere else"
    assert {"--enable-nonfree", "--enable-libnpp", "--enable-cuda-nvcc", "--enable-libfdk-aac"} <= promise(
        name, "refused"
    )
    assert not promise(name, "buildconf") & promise(name, "refused")
    build = BUILDS.builds["ffmpeg-7.1.5"].model_copy(update={"options": {"nonfree": True}})
    with pytest.raises(DataError, match="no such option"):
        chosen_options(recipe(name), build, "site.yml:1")


def test_our_own_ffmpeg_stays_with_version_2() -> None:
    assert recipe("ffmpeg").licence == "GPL-2.0-or-later"
    assert "--enable-version3" in promise("ffmpeg", "refused")
    assert recipe("ffmpeg-prebuilt").licence == "GPL-3.0-or-later"
    assert "--enable-version3" not in promise("ffmpeg-prebuilt", "refused")


@pytest.mark.parametrize("choice", ["full", "reduced"])
def test_what_ffmpeg_links_statically_is_promised(choice: str) -> None:
    promised = promise("ffmpeg", "encoders", codecs=choice)
    libraries = {"libx265", "libsvtav1", "libopus"}
    assert libraries <= promised if choice == "full" else not libraries & promised
    assert {"h264_nvenc", "hevc_nvenc", "av1_nvenc", "libx264"} <= promised
    assert {"scale_cuda", "hwupload", "testsrc2"} <= promise("ffmpeg", "filters", codecs=choice)


def test_the_reduced_ffmpeg_has_what_it_promises() -> None:
    lines = (RECIPES / "ffmpeg/reduced.txt").read_text().splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    kinds = {"encoders": "encoder", "decoders": "decoder", "filters": "filter"}
    for promised, kind in kinds.items():
        enabled = set(itertools.chain.from_iterable(rest for first, *rest in words if first == kind))
        assert promise("ffmpeg", promised, codecs="reduced") <= enabled
    enabled_hwaccels = next(rest for first, *rest in words if first == "hwaccel")
    assert {"h264_nvdec", "hevc_nvdec"} <= set(enabled_hwaccels)


@pytest.mark.parametrize("name", sorted(BUILDS.builds))
def test_a_build_fits_its_recipe(name: str) -> None:
    build = BUILDS.builds[name]
    loaded = recipe(build.recipe)
    options = chosen_options(loaded, build, name)
    assert set(build.sources) == set(needed_roles(loaded, options)), "each role that is needed, and no other"
    assert needed_packages(loaded, options) == tuple(sorted(set(needed_packages(loaded, options))))
    sources = [BUILDS.sources[source] for source in build.sources.values()]
    if not build.not_seen:
        assert all(source.verified for source in sources), "built here, so its sources were seen here"


@pytest.mark.parametrize("name", sorted(BUILDS.sources))
def test_a_source_says_what_is_known_of_it(name: str) -> None:
    source = BUILDS.sources[name]
    assert name.startswith(source.name.lower().split()[0])
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", source.checked_against), "when it was looked at"
    if source.verified:
        assert source.sha256 != UNRESOLVED
        assert source.debian or source.python, "seen here means: had from the distribution or the package index"
    else:
        assert "not to be had" in source.checked_against


def test_sources_are_used_or_stand_beside_what_is_used() -> None:
    used = {source for build in BUILDS.builds.values() for source in build.sources.values()}
    for name in set(BUILDS.sources) - used:
        assert name.endswith("-upstream")


@pytest.mark.parametrize("role", ["mesa_dozen_build", "ffmpeg_build"])
def test_profiles_name_builds_that_are_there(role: str) -> None:
    profiles = load_pins(ROOT / "group_data/pins.yml")[0].profiles
    named = {profile[role] for profile in profiles.values() if role in profile}
    assert named
    for name in named:
        assert BUILDS.builds[name].artifact == {"mesa_dozen_build": "mesa-dozen", "ffmpeg_build": "ffmpeg"}[role]


@pytest.mark.parametrize("name", NAMES)
def test_links_are_what_targets_have(name: str) -> None:
    table = load_yaml(ROOT / "wslgpu/build/targets.yml").data
    known = set(re.findall(r"[\w.+-]+\.so(?:\.\d+)*", str(table)))
    assert known, "the table names libraries"
    assert recipe(name).links
    assert set(recipe(name).links) <= known


def test_the_headers_decide_the_least_driver() -> None:
    ours = least_driver(BUILDS.builds["ffmpeg-7.1.5"], BUILDS.sources)
    assert ours == load_codec_headers().lines["12.1"]
    assert isinstance(ours, LeastDriver)
    assert ours.windows == "531.61"
    assert least_driver(BUILDS.builds["mesa-dozen-25.0.7"], BUILDS.sources) is None
    prebuilt = BUILDS.builds["ffmpeg-prebuilt-7.1.5"]
    assert line_of(prebuilt, BUILDS.sources) == "11.1"


@pytest.mark.parametrize("name", [name for name, build in BUILDS.builds.items() if build.artifact == "ffmpeg"])
def test_every_ffmpeg_has_a_least_driver(name: str) -> None:
    assert least_driver(BUILDS.builds[name], BUILDS.sources) is not None


def test_a_line_that_nobody_looked_up_is_none() -> None:
    build = BUILDS.builds["ffmpeg-7.1.5"]
    newer = BUILDS.sources[build.sources[ROLE]].model_copy(update={"version": "99.0.1.0"})
    assert least_driver(build, {**BUILDS.sources, build.sources[ROLE]: newer}) is None


def sourced(env_sh: Path, *before: str, twice: bool = False) -> dict[str, str]:
    """The environment of a shell with no variables but those set ``before``, after env.sh."""
    read = f'. "{env_sh}"'
    script = "; ".join(["unset LD_LIBRARY_PATH", *before, read, *([read] if twice else []), "env"])
    ended = subprocess.run(
        ["sh", "-euc", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    return dict(line.partition("=")[::2] for line in ended.stdout.splitlines())


@pytest.fixture
def installed(tmp_path: Path) -> tuple[Path, str]:
    """A tree with env.sh as the recipe writes it, and the manifest's path in it."""
    manifest = tmp_path / "current/share/vulkan/icd.d/dzn_icd.x86_64.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    text = (RECIPES / "mesa-dozen/env.sh").read_text()
    text = text.replace("@PREFIX@", str(tmp_path)).replace("@MANIFEST@", manifest.name)
    env_sh = tmp_path / "current/env.sh"
    env_sh.write_text(text)
    return env_sh, str(manifest)


def test_env_sh_adds_dozen_beside_other_drivers(installed: tuple[Path, str]) -> None:
    env_sh, manifest = installed
    found = sourced(env_sh, twice=True)
    assert found["VK_ADD_DRIVER_FILES"] == manifest
    assert found["MESA_D3D12_DEFAULT_ADAPTER_NAME"] == "NVIDIA"
    assert "VK_DRIVER_FILES" not in found
    found = sourced(env_sh, "export VK_ADD_DRIVER_FILES=/a.json MESA_D3D12_DEFAULT_ADAPTER_NAME=Intel")
    assert found["VK_ADD_DRIVER_FILES"] == f"{manifest}:/a.json"
    assert found["MESA_D3D12_DEFAULT_ADAPTER_NAME"] == "Intel"


def test_env_sh_can_leave_dozen_alone(installed: tuple[Path, str]) -> None:
    env_sh, manifest = installed
    found = sourced(env_sh, "WSLGPU_DOZEN_ONLY=1")
    assert found["VK_DRIVER_FILES"] == found["VK_ICD_FILENAMES"] == manifest
    assert "VK_ADD_DRIVER_FILES" not in found


def test_env_sh_of_what_is_gone_does_nothing(installed: tuple[Path, str]) -> None:
    """A profile may read it before the artifact is there, or after it is gone."""
    env_sh, manifest = installed
    Path(manifest).unlink()
    found = sourced(env_sh)
    assert not {name for name in found if name.startswith(("VK_", "MESA_"))}
