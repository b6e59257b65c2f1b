"""Text from a node, made safe to show: no control characters, no secrets, bounded."""

from __future__ import annotations

import re

LIMIT_CHARACTERS = 2000
# control characters, and those that turn the writing direction, end a line or are not seen
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")
# a scheme has an end: without one, a long word would be tried from each of its letters
_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{0,30}://)[^\s/@:]+:[^\s/@]+@")


def clean(text: str, limit: int = LIMIT_CHARACTERS) -> str:
    """The text without terminal escapes and user:password in addresses, cut to ``limit`` characters."""
    text = _CREDENTIALS.sub(r"\g<scheme>***@", _CONTROL.sub("", _ESCAPES.sub("", text)))
    return text if len(text) <= limit else text[: limit - 20] + f"... ({len(text)} chars)"


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
