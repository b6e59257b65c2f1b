"""What an ELF file asks of the machine that it runs on, and how it is hardened. Pure: bytes in, values out.

Read from the program headers and the dynamic section, as the dynamic loader does: section headers may lie or be gone.
A parser of our own, because what is needed of the format is small and fixed, because controllers have no readelf, and
because its text output is made for people. Only 64-bit little-endian files are read: artifacts are for amd64.
Source: System V ABI, "Dynamic Linking"; the LSB's "Symbol Versioning"; elf(5).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wslgpu.errors import ErrorClass, WslgpuError

MAGIC = b"\x7fELF"
MACHINE_AMD64 = 62
_MACHINES = {3: "i386", 40: "armhf", 62: "amd64", 183: "arm64", 243: "riscv64"}
_EXECUTABLE, _SHARED = 2, 3
_LOAD, _DYNAMIC, _INTERPRETER, _STACK, _RELRO = 1, 2, 3, 0x6474E551, 0x6474E552
_NEEDED, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RPATH, _TEXTREL, _BIND_NOW, _RUNPATH, _FLAGS = (
    1,
    5,
    6,
    10,
    14,
    15,
    22,
    24,
    29,
    30,
)
_FLAGS_1, _VERNEED, _VERNEEDNUM, _VERSYM = 0x6FFFFFFB, 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFF0
_ENTRIES_LIMIT = 1 << 16
_STRING_LIMIT = 4096


class ElfError(WslgpuError):
    """A file that begins as ELF and is not whole, or not of the kind that artifacts have."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(what, where, "The build made a broken file: build it again.", ErrorClass.INTEGRITY)


@dataclass(frozen=True)
class Elf:
    """What stands in one ELF file.

    :param machine: as Debian calls the architecture; ``machine N`` where that is not known here
    :param program: it is run, not linked: it has an interpreter or says that it is a program
    :param pie: a program that may be loaded anywhere
    :param needed: the sonames that it links, in order
    :param versions: (soname, version) pairs that it asks for, such as ``("libc.so.6", "GLIBC_2.34")``
    :param imports: version -> the symbols that ask for it
    :param undefined: symbols that it takes from others and that carry no version, sorted
    """

    machine: str
    program: bool
    pie: bool
    dynamic: bool
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: str = ""
    runpath: str = ""
    interpreter: str = ""
    relro: bool = False
    bind_now: bool = False
    executable_stack: bool = False
    text_relocations: bool = False
    versions: tuple[tuple[str, str], ...] = ()
    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    undefined: tuple[str, ...] = ()


def is_elf(path: Path) -> bool:
    """Whether a file begins as ELF files do."""
    with path.open("rb") as handle:
        return handle.read(4) == MAGIC


def read_elf(path: Path) -> Elf:
    """Read a file.

    :raises ElfError: it is not whole, or not 64-bit little-endian
    """
    try:
        return parse(path.read_bytes())
    except ElfError as error:
        raise ElfError(error.what, str(path)) from error


def parse(data: bytes) -> Elf:
    """Read the bytes of a file.

    :raises ElfError: they are not whole, or not 64-bit little-endian
    """
    try:
        return _File(data).read()
    except (struct.error, UnicodeDecodeError, OverflowError) as error:
        raise ElfError(f"is no whole ELF file ({error})") from error


class _File:
    """The bytes with what is needed to find one's way in them; every access is checked against their end."""

    def __init__(self, data: bytes) -> None:
        if data[:4] != MAGIC or len(data) < 64:
            raise ElfError("is no ELF file")
        if data[4:6] != b"\x02\x01":
            raise ElfError("is not a 64-bit little-endian ELF file")
        self.data = data
        self.type, machine = struct.unpack_from("<HH", data, 16)
        self.machine = _MACHINES.get(machine, f"machine {machine}")
        start, entry_size, count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
        if count and entry_size != 56:
            raise ElfError(f"has program headers of {entry_size} bytes")
        self.headers = [struct.unpack_from("<IIQQQQQQ", data, start + 56 * index) for index in range(count)]
        self.tags = list(self._dynamic())
        self.first = dict(reversed(self.tags))

    def read(self) -> Elf:
        kinds = {header[0]: header for header in self.headers}
        flags, flags_1 = self.first.get(_FLAGS, 0), self.first.get(_FLAGS_1, 0)
        interpreter = kinds.get(_INTERPRETER)
        program = self.type == _EXECUTABLE or interpreter is not None or bool(flags_1 & 0x08000000)
        versions, numbers = self._versions()
        imports = self._imports(numbers)
        return Elf(
            machine=self.machine,
            program=program,
            pie=program and self.type == _SHARED,
            dynamic=bool(self.tags),
            needed=tuple(self._string(value) for tag, value in self.tags if tag == _NEEDED),
            soname=self._tag_string(_SONAME),
            rpath=self._tag_string(_RPATH),
            runpath=self._tag_string(_RUNPATH),
            interpreter=self._text(interpreter[2], interpreter[2] + interpreter[5]) if interpreter else "",
            relro=_RELRO in kinds,
            bind_now=_BIND_NOW in self.first or bool(flags & 8) or bool(flags_1 & 1),
            # a file that does not say is given an executable stack
            executable_stack=_STACK not in kinds or bool(kinds[_STACK][1] & 1),
            text_relocations=_TEXTREL in self.first or bool(flags & 4),
            versions=tuple(versions),
            undefined=imports.pop("", ()),
            imports=imports,
        )

    def _dynamic(self) -> Iterator[tuple[int, int]]:
        for kind, _, offset, _, _, size, _, _ in self.headers:
            if kind != _DYNAMIC:
                continue
            for index in range(min(size // 16, _ENTRIES_LIMIT)):
                tag, value = struct.unpack_from("<QQ", self.data, offset + 16 * index)
                if tag == 0:
                    return
                yield tag, value

    def _offset(self, address: int) -> int:
        """Where in the file an address of the loaded program lies."""
        for kind, _, offset, start, _, size, _, _ in self.headers:
            if kind == _LOAD and start <= address < start + size:
                return int(address - start + offset)
        raise ElfError(f"names the address {address:#x}, which is not in the file")

    def _text(self, start: int, limit: int) -> str:
        limit = min(limit, start + _STRING_LIMIT, len(self.data))
        end = self.data.find(b"\0", start, limit) if start < limit else -1
        if end < 0:
            raise ElfError("has a name without an end")
        return self.data[start:end].decode()

    def _string(self, offset: int) -> str:
        table = self._offset(self.first.get(_STRTAB, 0))
        return self._text(table + offset, table + self.first.get(_STRSZ, 0))

    def _tag_string(self, tag: int) -> str:
        return self._string(self.first[tag]) if tag in self.first else ""

    def _versions(self) -> tuple[list[tuple[str, str]], dict[int, str]]:
        """(soname, version) pairs, and the version of each number that symbols carry."""
        found: list[tuple[str, str]] = []
        numbers: dict[int, str] = {}
        if _VERNEED not in self.first:
            return found, numbers
        place = self._offset(self.first[_VERNEED])
        for _ in range(min(self.first.get(_VERNEEDNUM, 0), _ENTRIES_LIMIT)):
            _, count, file, first, following = struct.unpack_from("<HHIII", self.data, place)
            soname, entry = self._string(file), place + first
            for _ in range(count):
                _, _, number, name, next_entry = struct.unpack_from("<IHHII", self.data, entry)
                numbers[number & 0x7FFF] = self._string(name)
                found.append((soname, numbers[number & 0x7FFF]))
                if len(found) > _ENTRIES_LIMIT:
                    raise ElfError("asks for more versions than any file does")
                if not next_entry:
                    break
                entry += next_entry
            if not following:
                break
            place += following
        return found, numbers

    def _imports(self, numbers: dict[int, str]) -> dict[str, tuple[str, ...]]:
        """The symbols that ask for each version; under "" those that are undefined and have none.

        The symbol table ends where the table of strings begins, as linkers lay them out. Where they do not, some names
        are missing, and no version is: those come from :meth:`_versions`.
        """
        if not {_SYMTAB, _STRTAB} <= self.first.keys():
            return {}
        symbols, strings = self._offset(self.first[_SYMTAB]), self._offset(self.first[_STRTAB])
        versions = self._offset(self.first[_VERSYM]) if _VERSYM in self.first else None
        found: dict[str, list[str]] = {}
        for index in range(min(max(strings - symbols, 0) // 24, _ENTRIES_LIMIT)):
            name, _, section = struct.unpack_from("<IHH", self.data, symbols + 24 * index)
            number = 0 if versions is None else struct.unpack_from("<H", self.data, versions + 2 * index)[0] & 0x7FFF
            version = numbers.get(number, "")
            if name and (version or section == 0):
                found.setdefault(version, []).append(self._string(name))
        return {version: tuple(sorted(names)) for version, names in found.items()}
