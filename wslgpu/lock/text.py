"""The lock's text: canonical YAML, so that equal locks are equal files and a reviewer's diff shows what moved.

Fields stand in the model's order and tables sorted by key; what is a field's default is left out; every list of plain
values is one line. The second line holds the sha256 of all that follows it, so that an edit by hand is seen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from wslgpu.lock.model import Lock
from wslgpu.yaml_text import flow

TITLE = "# wslgpu.lock.yml, written by `wslgpu lock`. Do not edit: make it anew, and review what changed."
CHECKSUM = "# checksum: sha256:"
# plain words that no reader of YAML 1.1 or 1.2 takes for anything but a string
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.+/-]*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def lock_text(lock: Lock) -> str:
    """The whole file, ending in a newline."""
    data = lock.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    # a reader looks at it first, whatever its value
    body = "".join(f"{line}\n" for line in _lines({"schema": lock.schema_version, **data}, 0, top=True))
    return f"{TITLE}\n{CHECKSUM}{checksum(body)}\n{body}"


def checksum(body: str) -> str:
    """Hexadecimal sha256 of what follows the checksum's line."""
    return hashlib.sha256(body.encode()).hexdigest()


def split(text: str) -> tuple[str, str]:
    """``(checksum in the text, body)``; the checksum is empty where there is no such line."""
    head, _, rest = text.partition("\n")
    line, _, body = rest.partition("\n")
    if head == TITLE and line.startswith(CHECKSUM):
        return line.removeprefix(CHECKSUM), body
    return "", text


def _lines(table: Mapping[str, Any], depth: int, *, top: bool = False, row: bool = False) -> Iterator[str]:
    """A mapping in block form; rows keep the model's order of fields, tables are sorted."""
    for key in table if top or row else sorted(table):
        value = table[key]
        start = f"{'  ' * depth}{_key(key)}:"
        if isinstance(value, Mapping) and value:
            yield start
            yield from _lines(value, depth + 1, row=_is_row(value))
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            yield start
            for item in value:
                inner = list(_lines(item, depth + 2, row=True))
                yield f"{'  ' * (depth + 1)}- {inner[0].lstrip()}"
                yield from inner[1:]
        else:
            yield f"{start} {flow(value)}"


def _is_row(value: Mapping[str, Any]) -> bool:
    """One object of the model rather than a table by name."""
    return any(key in value for key in ("sha256", "digest", "indexes"))


def _key(key: str) -> str:
    plain = _PLAIN_KEY.fullmatch(key) and key.lower() not in _WORDS
    return key if plain else flow(key)
