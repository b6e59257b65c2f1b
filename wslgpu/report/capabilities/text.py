"""Text and values of a node, made fit for a report: bounded, and without anything that steers a screen."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any

from wslgpu.report.plain import clean

TEXT_LIMIT_CHARACTERS = 1000
LINE_LIMIT_CHARACTERS = 300
ITEM_LIMIT = 60
VALUE_LIMIT_CHARACTERS = 8000
DEPTH_LIMIT = 8
_INVISIBLE = ("Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories that turn the writing direction, or that no font shows."""


def plain(text: str, limit: int = TEXT_LIMIT_CHARACTERS) -> str:
    """Text without control characters, escapes, credentials in addresses, and characters that nobody sees.

    Doing it twice changes nothing more.
    """
    seen = clean(text[: limit * 4], limit * 4)  # what is cut away anyway need not be looked at
    seen = "".join(character for character in seen if unicodedata.category(character) not in _INVISIBLE)
    if len(text) <= limit * 4:
        return clean(seen, limit)
    return f"{seen[: limit - 24]}... ({len(text)} chars)"


def line(text: str, limit: int = LINE_LIMIT_CHARACTERS) -> str:
    """The same as one line."""
    return " ".join(plain(text, limit).split())


def bounded(value: Any) -> Any:
    """A JSON value with its texts made plain, its lists and objects cut to :data:`ITEM_LIMIT`, no deeper than
    :data:`DEPTH_LIMIT`; one that is still longer than :data:`VALUE_LIMIT_CHARACTERS` becomes the beginning of its text.

    What was cut away is counted in a last item, so that no reader takes the rest for the whole. Doing it twice
    changes nothing more.
    """
    value = _bounded(value, DEPTH_LIMIT)
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= VALUE_LIMIT_CHARACTERS else plain(text)


def _bounded(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return plain(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value if math.isfinite(value) and abs(value) < 1e300 else plain(str(value))
    if not isinstance(value, (dict, list, tuple)):
        return plain(str(value))
    if depth == 0:
        return "..."
    if isinstance(value, dict):
        pairs = [(plain(str(key), 200), _bounded(item, depth - 1)) for key, item in list(value.items())[:ITEM_LIMIT]]
        if len(value) > ITEM_LIMIT:
            pairs[-1] = ("...", f"{len(value)} in all")
        return dict(pairs)
    items = [_bounded(item, depth - 1) for item in value[:ITEM_LIMIT]]
    if len(value) > ITEM_LIMIT:
        items[-1] = f"... ({len(value)} in all)"
    return items


def shown(value: Any, limit: int = LINE_LIMIT_CHARACTERS) -> str:
    """A raw value as one line: text as it is, everything else as JSON."""
    value = bounded(value)
    if isinstance(value, str) and value.strip():
        return line(value, limit)
    return line(json.dumps(value, ensure_ascii=False), limit)
