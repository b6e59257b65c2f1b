"""The rules for programs and libraries, on values: no compiler is needed to break them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wslgpu.build import symbol_files
from wslgpu.build.elf import Elf
from wslgpu.build.proof_elf import hardening, outside, requirements_of, unlisted, unrunnable
from wslgpu.build.targets import known_targets

LIBRARY = Elf(
    machine="amd64",
    program=False,
    pie=False,
    dynamic=True,
    relro=True,
    bind_now=True,
    needed=("libc.so.6",),
    soname="x.so",
)
PROGRAM = replace(LIBRARY, program=True, pie=True, soname="")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rpath": "/opt/x"}, "run path"),
        ({"runpath": "$ORIGIN/../lib"}, "run path"),
        ({"relro": False}, "full RELRO"),
        ({"bind_now": False}, "full RELRO"),
        ({"pie": False}, "no PIE"),
        ({"executable_stack": True}, "executable stack"),
        ({"text_relocations": True}, "TEXTREL"),
        ({"machine": "arm64"}, "is for arm64, not for amd64"),
    ],
)
def test_one_rule_broken(changes: dict[str, object], said: str) -> None:
    assert hardening({"lib/x.so": LIBRARY, "bin/x": PROGRAM}) == []
    (found,) = hardening({"lib/x.so": LIBRARY, "bin/x": replace(PROGRAM, **changes)})  # type: ignore[arg-type]
    assert found.startswith("bin/x ")
    assert said in found


def test_what_is_brought_is_not_asked_for() -> None:
    files = {
        "lib/x.so": LIBRARY,
        "bin/x": replace(PROGRAM, needed=("x.so", "libc.so.6", "y.so.1")),
        "lib/y.so.1": LIBRARY,
    }
    assert outside(files) == {"libc.so.6": ["lib/x.so", "bin/x", "lib/y.so.1"]}
    assert unlisted(files, ["libc.so.6"]) == []
    assert unlisted(files, []) == ["lib/x.so, bin/x, lib/y.so.1 links libc.so.6, which the recipe does not allow"]


def _asking(*versions: str, soname: str = "libc.so.6", symbol: str = "") -> dict[str, Elf]:
    """A program that asks for versions, each with one symbol."""
    imports: dict[str, tuple[str, ...]] = {version: (symbol,) for version in versions if symbol}
    return {"bin/x": replace(PROGRAM, versions=tuple((soname, version) for version in versions), imports=imports)}


def test_the_greatest_versions_are_what_is_asked_for() -> None:
    files = _asking("GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.17", "GLIBCXX_3.4.9", "GLIBCXX_3.4.29", "CXXABI_1.3")
    needs = requirements_of(files)
    assert (needs.glibc, needs.glibcxx, needs.cxxabi, needs.sonames) == ("2.34", "3.4.29", "1.3", ("libc.so.6",))


def test_relative_relocations_ask_for_the_glibc_that_brought_them() -> None:
    files = _asking("GLIBC_2.4", "GLIBC_ABI_DT_RELR")
    assert requirements_of(files).glibc == "2.36"
    (found,) = unrunnable(files, known_targets(), {})
    assert "ubuntu 22.04" in found


def test_which_symbol_of_which_file_keeps_it_from_which_target() -> None:
    (found,) = unrunnable(_asking("GLIBC_2.36", symbol="arc4random_buf"), known_targets(), {})
    assert found == "bin/x asks for GLIBC_2.36 (arc4random_buf); there is GLIBC_2.35 at most (ubuntu 22.04)"


@pytest.mark.parametrize(
    ("version", "soname"), [("GLIBC_PRIVATE", "libc.so.6"), ("OPENSSL_3.0.0", "libssl.so.3"), ("FOO", "x.so")]
)
def test_versions_that_nobody_promises(version: str, soname: str) -> None:
    found = unrunnable(_asking(version, soname=soname), known_targets(), {})
    assert len(found) == len(known_targets().targets)
    assert all("knows nothing" in finding for finding in found)


@pytest.mark.parametrize("version", ["GCC_12.0.0", "ZLIB_1.2.9", "LIBUDEV_183", "VA_API_0.33.0", "GCC_3.0"])
def test_other_versions_that_all_targets_have(version: str) -> None:
    assert unrunnable(_asking(version), known_targets(), {}) == []


def test_versions_of_a_library_that_is_brought_ask_for_nothing() -> None:
    """Mesa's libEGL_mesa asks its own libgallium for a version of that name."""
    asking = _asking("libgallium-25.0.7.so", soname="libgallium-25.0.7.so")
    assert unrunnable(asking, known_targets(), {})
    own = {"lib/libgallium-25.0.7.so": replace(next(iter(asking.values())), versions=(), needed=(), imports={})}
    assert unrunnable({**asking, **own}, known_targets(), {}) == []


def test_a_zlib_symbol_that_ubuntu_22_04_does_not_have() -> None:
    (found,) = unrunnable(_asking("ZLIB_1.2.12", soname="libz.so.1"), known_targets(), {})
    assert "ZLIB_1.2.9 at most (ubuntu 22.04)" in found


def test_a_library_that_no_package_is_known_for() -> None:
    (found,) = unrunnable({"bin/x": replace(PROGRAM, needed=("libx264.so.164",))}, known_targets(), {})
    assert found == "bin/x links libx264.so.164, and targets.yml does not know which package has that"


SYMBOLS = """\
libdrm.so.2 libdrm2 #MINVER#
* Build-Depends-Package: libdrm-dev
 drmGetDevices2@Base 2.4.75
 drmModeMapDumbBuffer@Base 2.4.114
 (optional)drmOdd@Base 1:2.4.100-1~ 1
libother.so.1 libother1 #MINVER#
 other@OTHER_1 1.0
 drmModeMapDumbBuffer@Base 9
"""


def test_symbols_files_are_read() -> None:
    found = symbol_files.parse(SYMBOLS)
    assert found["libdrm.so.2"] == {
        "drmGetDevices2": "2.4.75",
        "drmModeMapDumbBuffer": "2.4.114",
        "drmOdd": "2.4.100",
    }
    assert found["libother.so.1"] == {"drmModeMapDumbBuffer": "9"}


def test_a_symbol_without_a_version_is_looked_up() -> None:
    files = {
        "lib/x.so": replace(LIBRARY, needed=("libdrm.so.2",), undefined=("drmGetDevices2", "drmModeMapDumbBuffer"))
    }
    (found,) = unrunnable(files, known_targets(), symbol_files.parse(SYMBOLS))
    assert found.startswith("lib/x.so asks libdrm.so.2 for drmModeMapDumbBuffer")
    assert found.endswith("2.4.114; there is 2.4.110 (ubuntu 22.04)")
