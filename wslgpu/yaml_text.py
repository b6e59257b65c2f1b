"""Values written as YAML so that every reader of YAML reads them back as they were.

Strings are always double-quoted, in printable ASCII: what is not has YAML's own escapes, whole characters even beyond
U+FFFF, where JSON would write two halves that Go's reader refuses. Lists and mappings are written in flow form.
Source: YAML 1.2.2, 5.7 and 7.3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def flow(value: Any) -> str:
    """One value on one line.

    :raises ValueError: half of a character (a lone surrogate), which no file can hold
    :raises TypeError: of a type that YAML's core schema has not
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Comment):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} cannot be written as YAML")


class Comment(str):
    """Text that stands in a comment and nowhere else: one line of printable characters."""

    __slots__ = ()

    def __new__(cls, text: object) -> Comment:
        line = " ".join(str(text).split())
        return super().__new__(cls, "".join(each if each.isprintable() else "?" for each in line))


def _quoted(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return f"\\{character}"
    if 0x20 <= code <= 0x7E:
        return character
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"holds U+{code:04X}, half of a character")
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
