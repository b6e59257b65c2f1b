"""The part of YAML that CDI specs are written in: block mappings, block sequences and plain or quoted scalars.

Python's standard library has no YAML. Anchors, tags, block scalars and flow collections (but for empty ones) are
refused, so that a file is either read rightly or not at all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

_DEPTH_LIMIT = 16


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


def read_yaml(text: str) -> Any:
    """The first document of a file.

    :raises ValueError: it holds what is not read here, with the line
    """
    lines: list[_Line] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.rstrip() in ("---", "..."):
            if lines:
                break
            continue
        content = raw.strip()
        if not content or content.startswith("#"):
            continue
        indent = len(raw) - len(raw.lstrip(" "))
        if raw[indent : indent + 1] == "\t":
            raise ValueError(f"line {number}: a tab where spaces belong")
        lines.append(_Line(number, indent, content))
    if not lines:
        return None
    value, rest = _block(lines, 0, _DEPTH_LIMIT)
    if rest < len(lines):
        raise ValueError(f"line {lines[rest].number}: not indented as what stands before it")
    return value


def _block(lines: list[_Line], start: int, depth: int) -> tuple[Any, int]:
    """The mapping or sequence that begins at a line, and the place of the first line after it."""
    if depth == 0:
        raise ValueError(f"line {lines[start].number}: nested too deep")
    if _is_item(lines[start].text):
        return _sequence(lines, start, depth)
    return _mapping(lines, start, depth)


def _sequence(lines: list[_Line], start: int, depth: int) -> tuple[list[Any], int]:
    indent = lines[start].indent
    found: list[Any] = []
    place = start
    while place < len(lines) and lines[place].indent == indent and _is_item(lines[place].text):
        line = lines[place]
        inner = line.text[1:].lstrip()
        if not inner:
            value, place = _below(lines, place, indent, depth)
        elif _is_item(inner) or _key_end(inner) >= 0:
            # what follows the dash is a block of its own, indented to where it stands
            lines[place] = _Line(line.number, indent + len(line.text) - len(inner), inner)
            value, place = _block(lines, place, depth - 1)
        else:
            value, place = _scalar(inner, line.number), place + 1
        found.append(value)
    return found, place


def _mapping(lines: list[_Line], start: int, depth: int) -> tuple[dict[str, Any], int]:
    indent = lines[start].indent
    found: dict[str, Any] = {}
    place = start
    while place < len(lines) and lines[place].indent == indent and not _is_item(lines[place].text):
        line = lines[place]
        end = _key_end(line.text)
        if end < 0:
            raise ValueError(f"line {line.number}: neither a key nor an item")
        key = str(_scalar(line.text[:end], line.number))
        rest = line.text[end + 1 :].strip()
        if key in found:
            raise ValueError(f"line {line.number}: {key!r} is there twice")
        if not rest or rest.startswith("#"):
            found[key], place = _below(lines, place, indent, depth)
        else:
            found[key], place = _scalar(rest, line.number), place + 1
    return found, place


def _below(lines: list[_Line], place: int, indent: int, depth: int) -> tuple[Any, int]:
    """What belongs to a key or dash with nothing behind it; a sequence may stand as far left as its key."""
    after = place + 1
    if after >= len(lines):
        return None, after
    sequence = lines[after].indent == indent and _is_item(lines[after].text) and not _is_item(lines[place].text)
    if lines[after].indent > indent or sequence:
        return _block(lines, after, depth - 1)
    return None, after


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _key_end(text: str) -> int:
    """Where the colon of ``key: value`` is; -1 when this is no such line."""
    if text[:1] in ("'", '"'):
        close = text.find(text[0], 1)
        return close + 1 if close > 0 and text[close + 1 : close + 2] == ":" else -1
    if text.endswith(":") and ": " not in text:
        return len(text) - 1
    return text.find(": ")


def _scalar(text: str, number: int) -> Any:
    text = text.strip()
    if text[:1] not in ("'", '"'):
        text = text.partition(" #")[0].rstrip()
    if text[:1] == "'" and text[-1:] == "'" and len(text) >= 2:
        return text[1:-1].replace("''", "'")
    if text[:1] == '"' and text[-1:] == '"' and len(text) >= 2:
        if "\\" in text.replace("\\\\", "").replace('\\"', ""):
            raise ValueError(f"line {number}: an escape that is not read here")
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if text in ("[]", "{}"):
        return [] if text == "[]" else {}
    if text[:1] in tuple("&*!|>[{%@`'\""):
        raise ValueError(f"line {number}: {text[:20]!r} is not read here")
    if text in ("null", "~", ""):
        return None
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdigit() and not (len(text) > 1 and text[0] == "0") else text
