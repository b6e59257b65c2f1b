"""Finds the value that a condition's ``path`` names, and says where it is not of the shape that it must have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wslgpu.verdict.shape import Shape

_ANY = Shape("any")


@dataclass(frozen=True)
class Found:
    """What stands at a path.

    :param absent: nothing stands there, and that is an answer: null, a key of an open table, a call that failed
    :param malformed: what is wrong with the shape; then there is no value
    """

    value: Any = None
    absent: bool = False
    malformed: str = ""


def walk(value: Any, path: str, shape: Shape) -> Found:
    """Go down a path.

    :param path: keys with dots between them, each of which may hold dots itself; empty: the value as a whole
    :param shape: of the value
    """
    keys = path.split(".") if path else []
    return _walk(value, keys, shape)


def _walk(value: Any, keys: list[str], shape: Shape) -> Found:
    if value is None and (shape.nullable or shape.kind == "any"):
        return Found(absent=True)
    if not keys:
        return Found(value) if shape.has(value) else Found(malformed=f"it is {_said(value)}")
    if isinstance(value, list) and shape.kind in ("list", "any"):
        return _each(value, keys, shape.item or _ANY)
    if not isinstance(value, dict) or shape.kind not in ("object", "map", "call", "any"):
        return Found(malformed=f"it is {_said(value)}")
    # the longest key first: names of libraries and labels hold dots
    for length in range(len(keys), 0, -1):
        key = ".".join(keys[:length])
        if key in value:
            return _walk(value[key], keys[length:], _below(shape, key))
    if shape.kind == "any" or shape.may_lack(keys[0], value):
        return Found(absent=True)
    return Found(malformed=f"it has no {'.'.join(keys)}")


def _each(items: list[Any], keys: list[str], shape: Shape) -> Found:
    values: list[Any] = []
    for item in items:
        found = _walk(item, keys, shape)
        if found.malformed:
            return found
        if not found.absent:
            values += found.value if isinstance(found.value, list) else [found.value]
    return Found(values)


def _below(shape: Shape, key: str) -> Shape:
    if shape.kind == "map":
        return shape.item or _ANY
    return shape.keys.get(key, _ANY)


def _said(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")
