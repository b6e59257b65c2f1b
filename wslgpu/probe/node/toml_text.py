"""TOML: by the standard library where it has it (Python 3.11), else the part of it that containerd and NVIDIA write."""

from __future__ import annotations

from typing import Any

_DEPTH_LIMIT = 16


def read_toml(text: str) -> dict[str, Any]:
    """Tables of a file.

    :raises ValueError: it is no TOML
    """
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return read_lines(text)
    return dict(tomllib.loads(text))


def read_lines(text: str) -> dict[str, Any]:
    """Tables, arrays of tables, texts, numbers, truth values and arrays of these; what else there is stays text.

    :raises ValueError: a line is neither a table nor a key
    """
    root: dict[str, Any] = {}
    table = root
    lines = iter(text.splitlines())
    for line in lines:
        line = _without_comment(line)
        if not line:
            continue
        if line.startswith("["):
            table = _table(root, keys(line.strip("[]").strip()), line.startswith("[["))
            continue
        name, sign, value = _split_assignment(line)
        if not sign:
            raise ValueError(f"{line[:60]!r} is no key")
        while value.startswith("[") and not _closed(value):
            more = next(lines, None)
            if more is None:
                raise ValueError(f"{name!r} has an array that does not end")
            value += " " + _without_comment(more)
        path = keys(name)
        _descend(table, path[:-1])[path[-1]] = _value(value)
    return root


def keys(text: str) -> list[str]:
    """``a."b.c".d`` as its parts."""
    parts: list[str] = []
    part, quote = "", ""
    for character in text:
        if quote:
            if character == quote:
                quote = ""
            else:
                part += character
        elif character in "\"'":
            quote = character
        elif character == ".":
            parts.append(part.strip())
            part = ""
        else:
            part += character
    parts.append(part.strip())
    if len(parts) > _DEPTH_LIMIT:
        raise ValueError("tables are nested too deep")
    return parts


def _descend(table: dict[str, Any], path: list[str]) -> dict[str, Any]:
    for part in path:
        found = table.setdefault(part, {})
        if isinstance(found, list) and found and isinstance(found[-1], dict):
            found = found[-1]
        if not isinstance(found, dict):
            raise ValueError(f"{part!r} is no table")  # noqa: TRY004 - the text is wrong
        table = found
    return table


def _table(root: dict[str, Any], path: list[str], many: bool) -> dict[str, Any]:
    if not many:
        return _descend(root, path)
    rows = _descend(root, path[:-1]).setdefault(path[-1], [])
    if not isinstance(rows, list):
        raise ValueError(f"{path[-1]!r} is no array of tables")  # noqa: TRY004
    rows.append({})
    row: dict[str, Any] = rows[-1]
    return row


def _split_assignment(line: str) -> tuple[str, str, str]:
    """Key, ``=`` and value; a key in quotes may hold the sign."""
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "=":
            return line[:index].strip(), "=", line[index + 1 :].strip()
    return line, "", ""


def _without_comment(line: str) -> str:
    quote = ""
    for index, character in enumerate(line):
        if quote:
            quote = "" if character == quote and line[index - 1] != "\\" else quote
        elif character in "\"'":
            quote = character
        elif character == "#":
            return line[:index].strip()
    return line.strip()


def _closed(value: str) -> bool:
    depth, quote = 0, ""
    for character in value:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += (character == "[") - (character == "]")
    return depth <= 0


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("["):
        return [_value(word) for word in _words(text[1:].rstrip().rstrip("]"))]
    if text[:1] in ('"', "'") and text[-1:] == text[:1] and len(text) >= 2:
        return text[1:-1].replace('\\"', '"').replace("\\\\", "\\") if text[0] == '"' else text[1:-1]
    number = text.replace("_", "")
    return int(number) if number.lstrip("+-").isdigit() else text


def _words(text: str) -> list[str]:
    """What stands between commas outside of quotes."""
    words: list[str] = []
    word, quote = "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == ",":
            words.append(word.strip())
            word = ""
            continue
        word += character
    words.append(word.strip())
    return [one for one in words if one]


def dig(table: Any, *path: str) -> Any:
    """The value at a path of keys; None where there is none."""
    for part in path:
        table = table.get(part) if isinstance(table, dict) else None
    return table
