"""The dialect of /etc/wsl.conf and .wslconfig, read as WSL reads it and changed line by line.

WSL has one parser for both files (microsoft/WSL ``src/shared/configfile/configfile.cpp``, read 2026-08). Sections and
keys are ASCII letters and digits, compared without case. ``#`` begins a comment unless quoted. In a value a backslash
stands before ``b``, ``n``, ``t``, a quotation mark or another backslash, or at the end of a line that goes on in the
next. **The first of two equal keys wins.** A line that cannot be read is skipped, and the section that was in force
stays so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_HEADER = re.compile(r"\[([A-Za-z][A-Za-z0-9]*)\][ \t]*(?:#.*)?$")
_KEY = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*")
_ESCAPES = {"\\": "\\", '"': '"', "b": "\b", "n": "\n", "t": "\t"}
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Header:
    """``[section]``."""

    line: int
    section: str


@dataclass(frozen=True)
class Entry:
    """``key = value``, on one line or, continued, on several.

    :param line: 1-based; ``last_line`` is greater where the value is continued
    :param head: the text before the value
    :param tail: the text behind it: spaces, a comment, the line's end
    """

    line: int
    last_line: int
    section: str
    key: str
    value: str
    head: str
    tail: str


@dataclass(frozen=True)
class Unreadable:
    """A line that WSL skips."""

    line: int
    section: str
    text: str
    problem: str


Item = Header | Entry | Unreadable


@dataclass(frozen=True)
class Document:
    """One file: its lines with their ends, and what stands on them."""

    lines: tuple[str, ...]
    items: tuple[Item, ...]

    @property
    def entries(self) -> list[Entry]:
        return [item for item in self.items if isinstance(item, Entry)]

    @property
    def headers(self) -> list[Header]:
        return [item for item in self.items if isinstance(item, Header)]

    @property
    def newline(self) -> str:
        """The line end that most lines have."""
        crlf = sum(line.endswith("\r\n") for line in self.lines)
        return "\r\n" if crlf * 2 > len(self.lines) else "\n"


def parse(text: str) -> Document:
    """Read a file. A byte order mark is part of the first line, as it is for WSL's parser in Linux."""
    lines = tuple(_LINE.findall(text))
    items: list[Item] = []
    section = ""
    index = 0
    while index < len(lines):
        line, number = lines[index].rstrip("\r\n"), index + 1
        stripped = line.strip(" \t")
        index += 1
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.startswith("["):
            header = _HEADER.match(stripped)
            if header is None:
                items.append(Unreadable(number, section, stripped, "is no section header that WSL can read"))
            else:
                section = header[1]
                items.append(Header(number, section))
            continue
        key = _KEY.match(line)
        if key is None:
            problem = "has no '=' behind its key" if stripped[0].isalpha() else "does not begin with a key"
            items.append(Unreadable(number, section, stripped, problem))
            continue
        entry = _entry(lines, number, section, key)
        items.append(entry)
        index = entry.last_line if isinstance(entry, Entry) else index
    return Document(lines, tuple(items))


def _entry(lines: tuple[str, ...], number: int, section: str, key: re.Match[str]) -> Entry | Unreadable:
    """Read the value behind ``key =``."""
    row = number - 1
    text, column = lines[row], key.end()
    value: list[str] = []
    kept = 0  # length without trailing spaces
    end = (row, column)
    in_quotes = False
    while column < len(text) and text[column] not in "\r\n":
        character = text[column]
        column += 1
        if character == "#" and not in_quotes:
            break
        if character == '"':
            in_quotes = not in_quotes
        elif character == "\\":
            following = text[column : column + 1]
            if following == "\n" and row + 1 < len(lines):
                row, column = row + 1, 0
                text = lines[row]
                continue
            if following not in _ESCAPES:
                shown = following.strip() or "the end of the line"
                problem = f"has a backslash before {shown}; WSL wants it doubled (\\\\)"
                return Unreadable(number, section, lines[number - 1].strip(), problem)
            column += 1
            value.append(_ESCAPES[following])
        else:
            value.append(character)
        if character not in " \t":
            kept = len(value)
            end = (row, column)
    if in_quotes:
        return Unreadable(
            number, section, lines[number - 1].strip(), "has an opening quotation mark without a closing one"
        )
    tail = lines[end[0]][end[1] :]
    return Entry(number, row + 1, section, key[1], "".join(value[:kept]), lines[number - 1][: key.end()], tail)


def encode_value(value: str) -> str:
    """A value as it must stand in the file so that WSL reads it back."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"' if "#" in value or value != value.strip(" \t") else escaped


def same(first: str, second: str) -> bool:
    """Whether two section or key names are one to WSL."""
    return first.lower() == second.lower()


def set_value(text: str, homes: list[tuple[str, str]], value: str, meaning_the_same: tuple[str, ...] = ()) -> str:
    """Give one key a value and leave everything else as it stands.

    :param homes: ``(section, key)`` names under which WSL takes this key, the one to write a new line under first
    :param value: as :func:`encode_value` gives it
    :param meaning_the_same: values in the file that mean the same, compared without case
    """
    document = parse(text)
    lines = list(document.lines)
    for entry in document.entries:
        if any(same(entry.section, section) and same(entry.key, key) for section, key in homes):
            if encode_value(entry.value) == value or any(same(entry.value, other) for other in meaning_the_same):
                return text
            lines[entry.line - 1 : entry.last_line] = [f"{entry.head}{value}{entry.tail}"]
            return "".join(lines)
    section, key = homes[0]
    return _added(document, section, f"{key}={value}")


def _added(document: Document, section: str, line: str) -> str:
    """The text with a new line at the end of the section's first block, or of a new section at the end."""
    newline = document.newline
    last = document.lines[-1] if document.lines else newline
    ended = "" if last.endswith(("\n", "\r")) else newline
    if last.rstrip("\r\n").endswith("\\"):
        # such a last line would take ours for the rest of its value: give it an empty one
        ended += newline
    if ended:
        document = parse("".join(document.lines) + ended)
    lines = list(document.lines)
    position = 0
    in_section = False
    for item in document.items:
        if isinstance(item, Header):
            if in_section:
                break
            in_section = same(item.section, section)
            position = item.line if in_section else position
        elif in_section:
            position = item.last_line if isinstance(item, Entry) else item.line
    if position:
        lines.insert(position, line + newline)
    else:
        if lines and lines[-1].strip():
            lines.append(newline)
        lines += [f"[{section}]{newline}", line + newline]
    return "".join(lines)
