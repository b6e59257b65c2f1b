"""What may stand in the document: plain data, bounded, as JSON text.

Written here because a python3-minimal has no ``json``; and the bounds are the reader's
(``wslgpu.probe.document``), so that one odd value cannot make the whole answer unreadable.
"""

from __future__ import annotations

from typing import Any

TEXT_LIMIT = 16 << 10
ITEM_LIMIT = 4096
DEPTH_LIMIT = 8
VALUE_LIMIT_BYTES = 128 << 10
_INT_LIMIT = 1 << 63
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def plain(value: Any, depth: int = DEPTH_LIMIT) -> Any:
    """The value as plain data: text cut and without halves of surrogate pairs, lists and tables cut.

    :raises ValueError: nested too deep, a number out of range, or of a type that JSON does not have
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if not -_INT_LIMIT <= value < 2 * _INT_LIMIT:
            raise ValueError("a number has more than 64 bits")
        return int(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("a number is not finite")
        return float(value)
    if depth == 0:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        rows = list(value.items())[:ITEM_LIMIT]
        return {_text(str(key)): plain(item, depth - 1) for key, item in rows}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth - 1) for item in value[:ITEM_LIMIT]]
    raise ValueError(f"{type(value).__name__} is not plain data")


def _text(value: str) -> str:
    if len(value) > TEXT_LIMIT:
        value = value[:TEXT_LIMIT]
    return value.encode("utf-8", "replace").decode("utf-8") if not value.isascii() else value


def to_json(value: Any) -> str:
    """JSON of plain data, in ASCII and on one line."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(_quoted(str(key)) + ": " + to_json(item) for key, item in value.items()) + "}"
    return "[" + ", ".join(to_json(item) for item in value) + "]"


def _quoted(text: str) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'
    return '"' + "".join(_character(character) for character in text) + '"'


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    number = ord(character)
    if 32 <= number < 127:
        return character
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
