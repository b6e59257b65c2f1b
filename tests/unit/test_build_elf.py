"""What ELF files ask for: real ones of this machine, ones that are compiled to be wrong, and bytes that are none."""

from __future__ import annotations

import platform
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wslgpu.build.elf import Elf, ElfError, is_elf, parse, read_elf

C_LIBRARY = next(Path("/lib").glob("*-linux-gnu*/libc.so.6"), Path("/lib64/libc.so.6"))
SHELL = Path("/bin/sh").resolve()

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="artifacts are for amd64")


def test_a_program_of_this_machine() -> None:
    shell = read_elf(SHELL)
    assert shell.program
    assert shell.pie
    assert shell.machine == "amd64"
    assert "libc.so.6" in shell.needed
    assert ("libc.so.6", "GLIBC_2.2.5") in shell.versions
    assert shell.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert not shell.executable_stack
    assert set(shell.imports) <= {version for _, version in shell.versions}
    assert "memcpy" in {name for names in shell.imports.values() for name in names}


def test_the_c_library_of_this_machine() -> None:
    library = read_elf(C_LIBRARY)
    assert library.soname == "libc.so.6"
    assert library.relro


def test_what_is_no_elf_file(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("#!/bin/sh\n")
    assert not is_elf(tmp_path / "text")
    with pytest.raises(ElfError, match="is no ELF file") as caught:
        read_elf(tmp_path / "text")
    assert str(tmp_path / "text") in str(caught.value)


def test_another_kind_of_elf_file() -> None:
    data = bytearray(SHELL.read_bytes()[:64])
    data[4] = 1
    with pytest.raises(ElfError, match="not a 64-bit"):
        parse(bytes(data))


def test_another_architecture() -> None:
    data = bytearray(SHELL.read_bytes())
    data[18:20] = struct.pack("<H", 183)
    assert parse(bytes(data)).machine == "arm64"


_REAL = SHELL.read_bytes()


def _tables() -> list[int]:
    """Where this file's headers, dynamic section and version needs lie: where a wrong byte does the most."""
    (start,) = struct.unpack_from("<Q", _REAL, 32)
    (count,) = struct.unpack_from("<H", _REAL, 56)
    places = list(range(start + 56 * count))
    for index in range(count):
        kind, _, offset, _, _, size, _, _ = struct.unpack_from("<IIQQQQQQ", _REAL, start + 56 * index)
        if kind == 2:
            places += range(offset, offset + size)
    return places


_PLACES = _tables()


@given(st.lists(st.tuples(st.sampled_from(_PLACES), st.integers(0, 255)), min_size=1, max_size=12))
@settings(max_examples=150, deadline=None)
def test_spoiled_bytes_give_an_answer_or_an_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(_REAL)
    for place, value in changes:
        data[place] = value
    _parse_or_refuse(bytes(data))


@given(st.integers(0, len(_REAL)))
@settings(max_examples=50, deadline=None)
def test_a_cut_file_gives_an_answer_or_an_error(length: int) -> None:
    _parse_or_refuse(_REAL[:length])


def _parse_or_refuse(data: bytes) -> None:
    try:
        found = parse(data)
    except ElfError:
        return
    assert isinstance(found, Elf)


def _with_tag(tag: int, value: int) -> bytes:
    """The shell with one value of its dynamic section replaced."""
    data = bytearray(_REAL)
    for place in _PLACES:
        if place + 16 <= len(data) and struct.unpack_from("<Q", data, place)[0] == tag and place % 8 == 0:
            struct.pack_into("<Q", data, place + 8, value)
    return bytes(data)


@pytest.mark.parametrize("value", [0, 1, 0x7FFFFFFF, (1 << 64) - 1])
@pytest.mark.parametrize("tag", [1, 5, 6, 10, 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFF0])
def test_values_that_point_anywhere(tag: int, value: int) -> None:
    _parse_or_refuse(_with_tag(tag, value))


Build = Callable[..., Path]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``build("int main(...)...", "-pie", ...)``: what gcc makes of it."""
    folder = tmp_path_factory.mktemp("elf")

    def compiled(code: str, *flags: str) -> Path:
        target = folder / f"{len(list(folder.iterdir()))}.bin"
        subprocess.run(["gcc", "-x", "c", "-o", target, "-", *flags], input=code.encode(), check=True, timeout=60)
        return target

    return compiled


PROGRAM = "int main(void) { return 0; }"
GOOD = ("-pie", "-fPIE", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack")


@pytest.mark.compiled
def test_a_hardened_program(build: Build) -> None:
    elf = read_elf(build(PROGRAM, *GOOD))
    assert (elf.pie, elf.relro, elf.bind_now, elf.executable_stack, elf.text_relocations) == (
        True,
        True,
        True,
        False,
        False,
    )
    assert (elf.rpath, elf.runpath) == ("", "")


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        (("-no-pie", "-fno-pie"), "pie", False),
        (("-Wl,-z,norelro",), "relro", False),
        (("-Wl,-z,lazy",), "bind_now", False),
        (("-Wl,-z,execstack",), "executable_stack", True),
        (("-Wl,-rpath,/opt/x", "-Wl,--enable-new-dtags"), "runpath", "/opt/x"),
        (("-Wl,-rpath,/opt/x", "-Wl,--disable-new-dtags"), "rpath", "/opt/x"),
        (("-static",), "dynamic", False),
    ],
)
def test_a_program_that_lacks_one_thing(build: Build, flags: tuple[str, ...], field: str, value: object) -> None:
    base = () if flags[0] == "-static" else GOOD
    assert getattr(read_elf(build(PROGRAM, *base, *flags)), field) == value


@pytest.mark.compiled
def test_a_library_with_relocations_in_its_code(build: Build) -> None:
    code = '__asm__(".text\\n.globl f\\nf: .quad g\\n.globl g\\ng: ret\\n");'
    assert read_elf(build(code, "-shared", "-Wl,-z,notext")).text_relocations


@pytest.mark.compiled
def test_symbols_without_a_version(build: Build, tmp_path: Path) -> None:
    build("int other(void) { return 1; }", "-shared", "-fPIC", "-Wl,-soname,libother.so.1").rename(
        tmp_path / "libother.so"
    )
    elf = read_elf(build("int other(void); int main(void) { return other(); }", f"-L{tmp_path}", "-lother"))
    assert elf.needed[0] == "libother.so.1"
    assert "other" in elf.undefined


@pytest.mark.compiled
def test_readelf_says_the_same_of_many_files() -> None:
    small = [file for file in sorted(C_LIBRARY.parent.glob("lib*.so.*")) if 0 < file.stat().st_size < 200_000]
    files = [file for file in small if file.is_file() and is_elf(file)][:40]
    assert len(files) > 10
    for file in files:
        said = subprocess.run(["readelf", "-dVW", file], capture_output=True, text=True, check=True, timeout=30).stdout
        elf = read_elf(file)
        assert elf.needed == tuple(re.findall(r"\(NEEDED\).*\[(.*)\]", said)), file
        needs = said.partition("Version needs section")[2]
        assert {version for _, version in elf.versions} == set(re.findall(r"Name: (\S+)  Flags", needs)), file
        assert elf.soname == "".join(re.findall(r"\(SONAME\).*\[(.*)\]", said)), file
