"""TOML, as much as containerd's and the toolkit's files use. Ubuntu 22.04's Python 3.10 has no tomllib.

``dumps`` writes go-toml's layout, which is what the genuine nvidia-ctk leaves behind: keys sorted, plain
values before tables, every table indented by its depth.
"""

from __future__ import annotations

import re
from typing import Any

Table = dict[str, Any]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"[+-]?(\d[\d_]*)(\.\d+)?([eE][+-]?\d+)?")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class TomlError(ValueError):
    """The text is not TOML, or not of the part of it that is read here."""


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0

    def fail(self, what: str) -> TomlError:
        return TomlError(f"line {self.text.count(chr(10), 0, self.at) + 1}: {what}")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip(self, newlines: bool) -> None:
        while self.peek():
            if self.peek() in (" \t\n" if newlines else " \t"):
                self.at += 1
            elif self.peek() == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def take(self, wanted: str) -> None:
        if not self.text.startswith(wanted, self.at):
            raise self.fail(f"expected {wanted!r}")
        self.at += len(wanted)

    def end_line(self) -> None:
        self.skip(newlines=False)
        if self.peek() not in ("", "\n"):
            raise self.fail("text after a value")

    def key(self) -> list[str]:
        parts = []
        while True:
            self.skip(newlines=False)
            if self.peek() in ('"', "'"):
                parts.append(self.string())
            else:
                match = _BARE.match(self.text, self.at)
                if not match:
                    raise self.fail("expected a key")
                self.at = match.end()
                parts.append(match.group())
            self.skip(newlines=False)
            if self.peek() != ".":
                return parts
            self.at += 1

    def string(self) -> str:
        quote = self.peek()
        if self.text.startswith(quote * 3, self.at):
            end = self.text.find(quote * 3, self.at + 3)
            if end < 0:
                raise self.fail("unfinished string")
            found = self.text[self.at + 3 : end].removeprefix("\n")
            self.at = end + 3
            return found
        self.at += 1
        out = []
        while self.peek() != quote:
            char = self.peek()
            if char in ("", "\n"):
                raise self.fail("unfinished string")
            self.at += 1
            if char == "\\" and quote == '"':
                char = self.escape()
            out.append(char)
        self.at += 1
        return "".join(out)

    def escape(self) -> str:
        kind = self.peek()
        self.at += 1
        if kind in ("u", "U"):
            width = 4 if kind == "u" else 8
            code = self.text[self.at : self.at + width]
            self.at += width
            return chr(int(code, 16))
        if kind not in _ESCAPES:
            raise self.fail(f"unknown escape \\{kind}")
        return _ESCAPES[kind]

    def value(self) -> Any:
        char = self.peek()
        if char in ('"', "'"):
            return self.string()
        if char == "[":
            return self.array()
        if char == "{":
            return self.inline()
        for word, meaning in (("true", True), ("false", False)):
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        match = _NUMBER.match(self.text, self.at)
        if not match:
            raise self.fail("expected a value")
        self.at = match.end()
        text = match.group().replace("_", "")
        return float(text) if match.group(2) or match.group(3) else int(text)

    def array(self) -> list[Any]:
        self.take("[")
        items: list[Any] = []
        while True:
            self.skip(newlines=True)
            if self.peek() == "]":
                self.at += 1
                return items
            items.append(self.value())
            self.skip(newlines=True)
            if self.peek() == ",":
                self.at += 1

    def inline(self) -> Table:
        self.take("{")
        table: Table = {}
        while True:
            self.skip(newlines=False)
            if self.peek() == "}":
                self.at += 1
                return table
            self.pair(table)
            self.skip(newlines=False)
            if self.peek() == ",":
                self.at += 1

    def pair(self, table: Table) -> None:
        *path, last = self.key()
        self.take("=")
        self.skip(newlines=False)
        target = descend(table, path)
        if last in target:
            raise self.fail(f"{last!r} stands twice")
        target[last] = self.value()


def descend(table: Table, path: list[str]) -> Table:
    """The table at *path*, made where it is missing; the last one of an array of tables."""
    for part in path:
        found = table.setdefault(part, {})
        if isinstance(found, list):
            found = found[-1]
        if not isinstance(found, dict):
            raise TomlError(f"{part!r} is a value, not a table")
        table = found
    return table


def loads(text: str) -> Table:
    """The tables of a TOML document. Raises TomlError, with the line."""
    reader = _Reader(text)
    root: Table = {}
    current = root
    while True:
        reader.skip(newlines=True)
        if not reader.peek():
            return root
        if reader.text.startswith("[[", reader.at):
            reader.take("[[")
            *path, last = reader.key()
            reader.take("]]")
            current = {}
            descend(root, path).setdefault(last, []).append(current)
        elif reader.peek() == "[":
            reader.take("[")
            path = reader.key()
            reader.take("]")
            current = descend(root, path)
        else:
            reader.pair(current)
        reader.end_line()


def dumps(table: Table) -> str:
    """*table* in go-toml's layout."""
    lines: list[str] = []
    _table(lines, table, (), 0)
    return "\n".join(lines) + "\n"


def _table(lines: list[str], table: Table, path: tuple[str, ...], depth: int) -> None:
    indent = "  " * depth
    for key in sorted(key for key, value in table.items() if not _is_table(value)):
        lines.append(f"{indent}{_key(key)} = {scalar(table[key])}")
    for key in sorted(key for key, value in table.items() if _is_table(value)):
        name = ".".join(_key(part) for part in (*path, key))
        value = table[key]
        for entry in value if isinstance(value, list) else [value]:
            header = f"[[{name}]]" if isinstance(value, list) else f"[{name}]"
            lines.extend(["", indent + header])
            _table(lines, entry, (*path, key), depth + 1)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else scalar(key)


def scalar(value: Any) -> str:
    """One plain value or array as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(scalar(item) for item in value) + "]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
