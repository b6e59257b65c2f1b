"""YAML, as much as CDI specs use: block mappings and lists, plain and quoted scalars. Reading only."""

from __future__ import annotations

import json
import re
from typing import Any

_INTEGER = re.compile(r"-?\d+")
_PAIR = re.compile(r"(\"[^\"]*\"|'[^']*'|[^\s:#][^:#]*?)\s*:(?:\s+(.*))?$")


class YamlError(ValueError):
    """The text is outside of the part of YAML that is read here."""


def loads(text: str) -> Any:
    """The value of a one-document YAML text. Raises YamlError."""
    lines = []
    for line in text.splitlines():
        bare = line.strip()
        if bare and not bare.startswith("#") and bare != "---":
            lines.append((len(line) - len(line.lstrip()), bare))
    if not lines:
        return None
    value, rest = _block(lines, 0)
    if rest != len(lines):
        raise YamlError(f"cannot read {lines[rest][1]!r}")
    return value


def _block(lines: list[tuple[int, str]], at: int) -> tuple[Any, int]:
    return _list(lines, at) if _is_item(lines[at][1]) else _mapping(lines, at)


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _list(lines: list[tuple[int, str]], at: int) -> tuple[list[Any], int]:
    indent = lines[at][0]
    items: list[Any] = []
    while at < len(lines) and lines[at][0] == indent and _is_item(lines[at][1]):
        rest = lines[at][1][1:].lstrip()
        if not rest:
            value, at = _block(lines, at + 1)
        elif _PAIR.match(rest):
            # "- name: all" opens a mapping whose keys stand under "name".
            lines[at] = (indent + len(lines[at][1]) - len(rest), rest)
            value, at = _mapping(lines, at)
        else:
            value, at = _scalar(rest), at + 1
        items.append(value)
    return items, at


def _mapping(lines: list[tuple[int, str]], at: int) -> tuple[dict[str, Any], int]:
    indent = lines[at][0]
    table: dict[str, Any] = {}
    while at < len(lines) and lines[at][0] == indent and not _is_item(lines[at][1]):
        match = _PAIR.match(lines[at][1])
        if not match:
            raise YamlError(f"cannot read {lines[at][1]!r}")
        key, rest = str(_scalar(match.group(1))), match.group(2)
        at += 1
        if rest:
            table[key] = _scalar(rest)
        elif at < len(lines) and (lines[at][0] > indent or (lines[at][0] == indent and _is_item(lines[at][1]))):
            table[key], at = _block(lines, at)
        else:
            table[key] = None
    return table, at


def _scalar(text: str) -> Any:
    text = text.strip()
    if text[:1] == '"':
        return json.loads(text)
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    text = text.split(" #", 1)[0].rstrip()
    if text in ("[]", "{}"):
        return [] if text == "[]" else {}
    if text in ("true", "false"):
        return text == "true"
    if text in ("null", "~", ""):
        return None
    return int(text) if _INTEGER.fullmatch(text) else text
