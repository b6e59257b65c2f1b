"""The shapes of ``observations.yml``, and whether a value has one.

::

    str  int  float  bool  any      T?  or null      [T]  a list      {key: T, ...}  an object with these keys
    {NAME: T}  {FIELD: T}  {SECTION.KEY: T}          an object with any keys
    call       {result: int, name: str} and what else is told, of a library's answer
    call + {key: T}    the same with keys that are there when ``result`` is 0

Further keys are no fault: a newer probe may tell more.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field, replace
from typing import Any

from wslgpu.probe.registry import derived_kinds, observation_kinds

_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*|[{}\[\]:,?+])")
_SCALARS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


@dataclass(frozen=True)
class Shape:
    """One shape.

    :param kind: a scalar's name, ``any``, ``list``, ``object``, ``map`` (any keys) or ``call``
    :param item: of a list or a map
    :param keys: of an object or a call
    """

    kind: str
    nullable: bool = False
    item: Shape | None = None
    keys: dict[str, Shape] = field(default_factory=dict)

    def has(self, value: Any) -> bool:
        """Whether a value has this shape."""
        if value is None:
            return self.nullable or self.kind == "any"
        if self.kind in _SCALARS:
            # bool is an int to Python, and no number here
            return isinstance(value, _SCALARS[self.kind]) and (self.kind == "bool" or not isinstance(value, bool))
        if self.kind == "list":
            return isinstance(value, list) and self.item is not None and all(map(self.item.has, value))
        if self.kind == "map":
            return isinstance(value, dict) and self.item is not None and all(map(self.item.has, value.values()))
        if self.kind in ("object", "call"):
            return isinstance(value, dict) and all(
                shape.has(value[key]) if key in value else self.may_lack(key, value) for key, shape in self.keys.items()
            )
        return True

    def may_lack(self, key: str, value: dict[str, Any]) -> bool:
        """Whether an object may go without a key: a call that failed has nothing more to tell."""
        if self.kind == "map":
            return True
        if self.kind != "call" or key in ("result", "name"):
            return False
        result = value.get("result")
        return type(result) is int and result != 0 and isinstance(value.get("name"), str)


@functools.cache
def parse_shape(text: str) -> Shape:
    """Read a shape.

    :raises ValueError: it is none
    """
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise ValueError(f"{text!r} is no shape")
    try:
        shape, rest = _shape(tokens)
    except IndexError:
        raise ValueError(f"{text!r} ends too early") from None
    if rest:
        raise ValueError(f"{text!r}: nothing may stand behind {' '.join(rest)!r}")
    return shape


@functools.cache
def shape_of(observation_id: str) -> Shape:
    """The registry's shape of an observation; any shape for one that it does not have."""
    kind = observation_kinds().get(observation_id) or derived_kinds().get(observation_id)
    return parse_shape(kind.shape) if kind is not None else Shape("any")


def _shape(tokens: list[str]) -> tuple[Shape, list[str]]:
    first, rest = tokens[0], tokens[1:]
    if first == "[":
        item, rest = _shape(rest)
        if rest[0] != "]":
            raise ValueError("a list is not closed")
        shape, rest = Shape("list", item=item), rest[1:]
    elif first == "{":
        shape, rest = _object(rest)
    elif first == "call":
        keys = {"result": Shape("int"), "name": Shape("str")}
        if rest[:2] == ["+", "{"]:
            more, rest = _object(rest[2:])
            keys |= more.keys
        shape = Shape("call", keys=keys)
    elif first in _SCALARS or first == "any":
        shape = Shape(first)
    else:
        raise ValueError(f"{first!r} is no shape")
    if rest[:1] == ["?"]:
        return replace(shape, nullable=True), rest[1:]
    return shape, rest


def _object(tokens: list[str]) -> tuple[Shape, list[str]]:
    keys: dict[str, Shape] = {}
    while True:
        key, colon, rest = tokens[0], tokens[1], tokens[2:]
        if colon != ":":
            raise ValueError(f"{key!r} has no shape")
        keys[key], rest = _shape(rest)
        if rest[0] == "}":
            break
        if rest[0] != ",":
            raise ValueError("an object is not closed")
        tokens = rest[1:]
    if len(keys) == 1 and next(iter(keys)).isupper():
        return Shape("map", item=next(iter(keys.values()))), rest[1:]
    return Shape("object", keys=keys), rest[1:]
