"""The table of distributions that artifacts run on."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from wslgpu.build.record import Requirements
from wslgpu.build.targets import TARGETS_FILE, known_targets, load_targets, number, packages_for, problems
from wslgpu.errors import DataError
from wslgpu.settings import Settings

DOZEN = Requirements(
    glibc="2.34",
    glibcxx="3.4.29",
    cxxabi="1.3.9",
    sonames=("libc.so.6", "libdrm.so.2", "libelf.so.1", "libstdc++.so.6", "libxcb-dri3.so.0", "libz.so.1"),
)


def test_every_supported_distribution_is_in_the_table() -> None:
    assert set(known_targets().targets) == set(Settings.model_fields["supported_distributions"].default)


@pytest.mark.parametrize("target", sorted(known_targets().targets))
def test_what_dozen_asks_for_is_everywhere(target: str) -> None:
    assert problems(DOZEN, target) == []


@pytest.mark.parametrize(
    ("fields", "target", "said"),
    [
        ({"glibc": "2.36"}, "ubuntu 22.04", "GLIBC_2.36; ubuntu 22.04 has GLIBC_2.35"),
        ({"glibc": "2.38"}, "debian 12", "GLIBC_2.38"),
        ({"glibcxx": "3.4.31"}, "debian 12", "GLIBCXX_3.4.31"),
        ({"cxxabi": "1.3.14"}, "ubuntu 22.04", "CXXABI_1.3.14"),
        ({"sonames": ("libx264.so.164",)}, "debian 13", "libx264.so.164"),
    ],
)
def test_what_a_distribution_does_not_have(fields: dict[str, object], target: str, said: str) -> None:
    (found,) = problems(DOZEN.model_copy(update=fields), target)
    assert said in found
    with pytest.raises(DataError, match=re.escape(said)):
        packages_for(DOZEN.model_copy(update=fields), target)


def test_versions_are_numbers_not_words() -> None:
    assert problems(Requirements(glibc="2.4"), "debian 12") == []
    assert number("2.4") < number("2.34")


def test_an_unknown_distribution() -> None:
    assert "fedora 44" in problems(DOZEN, "fedora 44")[0]


def test_packages_are_called_as_the_distribution_calls_them() -> None:
    on_12, on_13 = packages_for(DOZEN, "debian 12"), packages_for(DOZEN, "debian 13")
    assert on_12 == ["libc6", "libdrm2", "libelf1", "libstdc++6", "libxcb-dri3-0", "zlib1g"]
    assert set(on_13) - set(on_12) == {"libelf1t64"}
    assert packages_for(DOZEN, "ubuntu 24.04") == on_13


@pytest.mark.parametrize(
    ("spoil", "line", "said"),
    [
        (lambda text: text.replace('glibc: "2.36"', "glibc: 2.36"), 'glibc: "2.36"', "string"),
        (lambda text: text.replace('glibc: "2.36"', 'glibc: "new"'), 'glibc: "2.36"', "match pattern"),
        (lambda text: text.replace("libz.so.1:", "libz:"), "libz.so.1:", "libz"),
        (lambda text: text.replace("{package: zlib1g,", "{packages: zlib1g,"), "libz.so.1:", "zlib1g|packages"),
        (lambda text: text.replace("libexpat1, source: expat", "libexpat1, source: expat2"), "", "no expat2"),
        (lambda text: text.replace("renamed: {libelf1: ", "renamed: {libelf9: ", 1), "", "libelf9"),
        (lambda text: text.replace("{GCC:", "{GCD:", 1), "", "others has no"),
        (lambda text: text.replace("schema: 1", "schema: 2"), "schema: 1", "schema"),
    ],
)
def test_a_wrong_table_is_named_by_file_and_line(
    tmp_path: Path, spoil: Callable[[str], str], line: str, said: str
) -> None:
    text = TARGETS_FILE.read_text()
    assert spoil(text) != text
    (tmp_path / "targets.yml").write_text(spoil(text))
    with pytest.raises(DataError, match=said) as caught:
        load_targets(tmp_path / "targets.yml")
    if line:
        expected = next(index for index, row in enumerate(text.splitlines(), 1) if line in row)
        assert caught.value.where == f"{tmp_path / 'targets.yml'}:{expected}"


def _this_distribution() -> str:
    values = platform.freedesktop_os_release()
    return f"{values['ID']} {values.get('VERSION_ID', '')}"


@pytest.mark.skipif(_this_distribution() not in known_targets().targets, reason="not a distribution of the table")
def test_the_table_says_what_this_machine_has() -> None:
    target = known_targets().targets[_this_distribution()]
    folder = Path("/usr/lib/x86_64-linux-gnu")
    for library, family, said in (
        ("libc.so.6", "GLIBC", target.glibc),
        ("libstdc++.so.6", "GLIBCXX", target.glibcxx),
        ("libstdc++.so.6", "CXXABI", target.cxxabi),
        ("libgcc_s.so.1", "GCC", target.others["GCC"]),
    ):
        if not (folder / library).exists():
            assert library != "libc.so.6"
            continue
        names = re.findall(rb"\0" + family.encode() + rb"_([0-9.]+)(?=\0)", (folder / library).read_bytes())
        assert max((name.decode() for name in names), key=number) == said, library
