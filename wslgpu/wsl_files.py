"""/etc/wsl.conf and .wslconfig: what is wrong in one, by line, and the same file with our keys in it.

Everything here is text in, text or findings out. The dialect is in :mod:`wslgpu.wsl_ini`, the keys in
:mod:`wslgpu.wsl_keys`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wslgpu import wsl_ini
from wslgpu.wsl_ini import BYTE_ORDER_MARK, Entry, Header, Unreadable, same
from wslgpu.wsl_keys import (
    WSL_CONF,
    WSLCONFIG,
    Kind,
    Scalar,
    find_key,
    nearest,
    render_value,
    value_problem,
)

Table = Mapping[str, Mapping[str, Kind]]
Sections = Mapping[str, Mapping[str, Scalar]]


@dataclass(frozen=True)
class FileKind:
    """One of the two files.

    :param mark_tolerated: the parser skips a byte order mark: on Windows it reads through the C runtime's
        ``ccs=UTF-8``, which does (microsoft/WSL WslCoreConfig.cpp); in Linux it does not
    """

    name: str
    table: Table
    other_name: str
    other_table: Table
    mark_tolerated: bool


_BOOLEANS = (("true", "1"), ("false", "0"))
WSL_CONF_FILE = FileKind("/etc/wsl.conf", WSL_CONF, ".wslconfig", WSLCONFIG, mark_tolerated=False)
WSLCONFIG_FILE = FileKind(".wslconfig", WSLCONFIG, "/etc/wsl.conf", WSL_CONF, mark_tolerated=True)


@dataclass(frozen=True, order=True)
class LineFinding:
    """Something about one line.

    :param severity: ``error``: WSL skips or misreads it; ``note``: it works, but is not what it seems
    """

    line: int
    what: str
    severity: Literal["error", "note"] = "error"


def decode(raw: bytes) -> tuple[str, str]:
    """Text and encoding of a file as it was read.

    PowerShell's ``>`` writes UTF-16, which WSL's parser takes on the Windows side when the mark is there.

    :raises ValueError: neither UTF-8 nor UTF-16 with a mark, or it holds NUL
    """
    encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    text = raw.decode(encoding)
    if "\0" in text:
        raise ValueError("holds NUL characters")
    return text, encoding


def lint(text: str, kind: FileKind) -> list[LineFinding]:
    """What is wrong in a file, in line order."""
    findings: list[LineFinding] = []
    if text.startswith(BYTE_ORDER_MARK):
        if kind.mark_tolerated:
            text = text.removeprefix(BYTE_ORDER_MARK)
        else:
            findings.append(LineFinding(1, "begins with a byte order mark, so that WSL skips this line"))
            # what the line was meant to be is judged too
            text = text.removeprefix(BYTE_ORDER_MARK)
    document = wsl_ini.parse(text)
    if document.newline == "\r\n" and not kind.mark_tolerated:
        findings.append(LineFinding(1, "has Windows line ends (CRLF): WSL reads them, other programs may not", "note"))
    seen_sections: dict[str, int] = {}
    seen_keys: dict[tuple[str, str], int] = {}
    for item in document.items:
        if isinstance(item, Header):
            findings += _header_findings(item, document, kind, seen_sections)
        elif isinstance(item, Unreadable):
            findings.append(LineFinding(item.line, f"{item.text!r} {item.problem}{_guess_line(item, kind)}"))
        else:
            findings += _entry_findings(item, kind, seen_keys)
    findings += _bridged_findings(document, kind)
    return sorted(findings)


def _header_findings(
    header: Header, document: wsl_ini.Document, kind: FileKind, seen: dict[str, int]
) -> list[LineFinding]:
    name = header.section.lower()
    first = seen.setdefault(name, header.line)
    if not any(same(header.section, known) for known in kind.table):
        swallowed = sum(same(entry.section, header.section) for entry in document.entries)
        if any(same(header.section, known) for known in kind.other_table):
            hint = f"it belongs in {kind.other_name}"
        else:
            guess = nearest(header.section, list(kind.table))
            hint = f"did you mean [{guess}]?" if guess else f"known: {', '.join(f'[{name}]' for name in kind.table)}"
        keys = f", and WSL ignores its {swallowed} key{'s' if swallowed > 1 else ''}" if swallowed else ""
        return [LineFinding(header.line, f"[{header.section}] is not a section of {kind.name}{keys}; {hint}")]
    if first != header.line:
        what = f"[{header.section}] stands a second time (first on line {first}); WSL reads both"
        return [LineFinding(header.line, what, "note")]
    return []


def _entry_findings(entry: Entry, kind: FileKind, seen: dict[tuple[str, str], int]) -> list[LineFinding]:
    section = _meant_section(entry.section, kind)
    found = find_key(section, entry.key, kind.table)
    if found is None:
        return [LineFinding(entry.line, _unknown_key(entry, section, kind))]
    findings: list[LineFinding] = []
    first = seen.setdefault(homes_of(*found, kind)[0], entry.line)
    if first != entry.line:
        findings.append(
            LineFinding(entry.line, f"{entry.key} stands a second time; WSL takes the first, on line {first}")
        )
    if problem := value_problem(kind.table[found[0]][found[1]], entry.value):
        findings.append(LineFinding(entry.line, f"{found[1]} {problem}"))
    return findings


def _meant_section(section: str, kind: FileKind) -> str:
    """The section itself, or the known one that a misspelt one stands for: its keys are judged as if it were that."""
    if not section or any(same(section, known) for known in kind.table):
        return section
    if any(same(section, known) for known in kind.other_table):
        return section
    return nearest(section, list(kind.table)) or section


def _unknown_key(entry: Entry, section: str, kind: FileKind) -> str:
    homes = [known for known in kind.table if find_key(known, entry.key, kind.table)]
    if homes:
        place = f"[{section}]" if section else "no section"
        return f"{entry.key} stands under {place}, where WSL does not know it; it belongs under [{homes[0]}]"
    for other in kind.other_table:
        if find_key(other, entry.key, kind.other_table):
            return f"{entry.key} is not a key of {kind.name}; it belongs in {kind.other_name} under [{other}]"
    own = next((list(keys) for known, keys in kind.table.items() if same(known, section)), [])
    everywhere = [key for keys in kind.table.values() for key in keys]
    guess = nearest(entry.key, own) or nearest(entry.key, everywhere)
    hint = f"; did you mean {guess}?" if guess else ""
    return f"{entry.key} is not a key of [{section or '(no section)'}] in {kind.name}{hint}"


def _guess_line(item: Unreadable, kind: FileKind) -> str:
    """What an unreadable line was probably meant to be."""
    if item.text.startswith(";"):
        return "; WSL takes only '#' for a comment"
    if item.text.startswith("["):
        words = re.findall(r"[A-Za-z0-9]+", item.text)
        guess = nearest(words[0], list(kind.table)) if words else ""
        return f"; did you mean [{guess}]?" if guess else ""
    parts = re.match(r"([A-Za-z0-9]+)[ \t]*[-:;~>][ \t]*(\S.*)", item.text)
    everywhere = [key for keys in kind.table.values() for key in keys]
    guess = nearest(parts[1], everywhere) if parts else ""
    return f"; did you mean {guess}={parts[2]}?" if parts and guess else ""


def _bridged_findings(document: wsl_ini.Document, kind: FileKind) -> list[LineFinding]:
    """Bridged networking without a switch: WSL says "Bridged networking requires wsl2.vmSwitch to be set"."""
    if kind is not WSLCONFIG_FILE or any(same(entry.key, "vmSwitch") for entry in document.entries):
        return []
    return [
        LineFinding(entry.line, "networkingMode=bridged needs vmSwitch under [wsl2], the name of a Hyper-V switch")
        for entry in document.entries
        if same(entry.key, "networkingMode") and entry.value.lower() == "bridged"
    ]


def homes_of(section: str, key: str, kind: FileKind) -> list[tuple[str, str]]:
    """The names under which WSL takes a key: four of .wslconfig are still read from [experimental] as well."""
    if kind is WSLCONFIG_FILE and key in WSLCONFIG["wsl2"] and key in WSLCONFIG["experimental"]:
        return [("wsl2", key), ("experimental", key)]
    return [(section, key)]


def merge(text: str, wanted: Sections, kind: FileKind) -> str:
    """The file with our keys in place: others, comments and order stay, and so does the file if all is there."""
    if not kind.mark_tolerated:
        text = text.removeprefix(BYTE_ORDER_MARK)
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    text = text.removeprefix(mark)
    for section, keys in wanted.items():
        for key, value in keys.items():
            plain = render_value(value)
            boolean = kind.table.get(section, {}).get(key) is Kind.BOOLEAN
            alike = next((pair for pair in _BOOLEANS if boolean and plain.lower() in pair), ())
            text = wsl_ini.set_value(text, homes_of(section, key, kind), wsl_ini.encode_value(plain), alike)
    return mark + text


def values(text: str, kind: FileKind) -> dict[tuple[str, str], str]:
    """What WSL takes from a file, by canonical section and key: the first of equal keys, unknown ones left out."""
    if kind.mark_tolerated:
        text = text.removeprefix(BYTE_ORDER_MARK)
    taken: dict[tuple[str, str], str] = {}
    for entry in wsl_ini.parse(text).entries:
        found = find_key(entry.section, entry.key, kind.table)
        if found is not None and not value_problem(kind.table[found[0]][found[1]], entry.value):
            taken.setdefault(homes_of(*found, kind)[0], entry.value)
    return taken
