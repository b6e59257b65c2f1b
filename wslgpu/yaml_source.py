"""YAML that remembers where each value stood, so that a wrong one can be named by file and line.

PyYAML keeps line marks on its nodes but loses them in the objects it builds, silently takes the last of two equal
keys, and expands nested aliases without bound. This loader builds plain objects, keeps the line of every path,
and refuses duplicate keys, aliases, and documents over 1 MiB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from wslgpu.errors import DataError

SIZE_LIMIT_BYTES = 1 << 20
# libyaml where PyYAML was built with it, ten times as fast; scalars get the same meaning from both
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LocPart = str | int
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class YamlDocument:
    """One parsed YAML file.

    :param data: the plain value; ``{}`` for an empty file
    :param lines: 1-based line of each path, e.g. ``("cuda_images", 0, "digest") -> 14``
    """

    path: Path
    data: Any
    lines: dict[tuple[_LocPart, ...], int] = field(repr=False)

    def where(self, loc: tuple[_LocPart, ...] = ()) -> str:
        """``file:line`` of the deepest known part of a path."""
        return f"{self.path}:{self.lines.get(self.known(loc), 1)}"

    def known(self, loc: tuple[_LocPart, ...]) -> tuple[_LocPart, ...]:
        """The parts of a path that the file has; pydantic's names of alternatives are left out on the way down."""
        found: tuple[_LocPart, ...] = ()
        for part in loc:
            if (*found, part) in self.lines:
                found = (*found, part)
        return found


def load_yaml(path: Path) -> YamlDocument:
    """Read one YAML file.

    :raises DataError: unreadable, not UTF-8, not YAML, over 1 MiB, a duplicate key, an alias, a non-string key
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror})", str(path), "Check the path and its permissions."
        ) from error
    if len(raw) > SIZE_LIMIT_BYTES:
        raise DataError(f"is {len(raw)} bytes long, more than {SIZE_LIMIT_BYTES}", str(path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError("is not UTF-8 text", f"{path}:{line}", "Save the file as UTF-8.") from error
    documents = parse_documents(text, path)
    if len(documents) > 1:
        raise DataError(
            "holds more than one document", documents[1].where(), "Keep one, and no line of --- in between."
        )
    return documents[0] if documents else YamlDocument(path, {}, {})


def parse_documents(text: str, path: Path) -> list[YamlDocument]:
    """The documents of a text, divided by lines of ``---``.

    :param path: what the text is called in errors
    :raises DataError: not YAML, a duplicate key, an alias, a non-string key
    """
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                raise DataError(
                    f"uses the alias *{event.anchor}, which is not accepted here",
                    f"{path}:{event.start_mark.line + 1 if event.start_mark else 1}",
                    "Write the value out.",
                )
        nodes = list(yaml.compose_all(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DataError(f"is not YAML: {error.problem}", f"{path}:{line}", "Mend the syntax.") from error
    except yaml.YAMLError as error:
        raise DataError(f"is not YAML: {error}".splitlines()[0], str(path)) from error
    documents = []
    for node in nodes:
        lines: dict[tuple[_LocPart, ...], int] = {}
        data = _build(node, (), lines, path, yaml.SafeLoader(""))
        documents.append(YamlDocument(path, data, lines))
    return documents


def _build(
    node: yaml.Node,
    loc: tuple[_LocPart, ...],
    lines: dict[tuple[_LocPart, ...], int],
    path: Path,
    scalars: yaml.SafeLoader,
) -> Any:
    lines.setdefault(loc, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise DataError("has a key that is not a plain word", f"{path}:{line}")
            key = key_node.value
            place = (*loc, key)
            if key in result:
                first = lines[place]
                raise DataError(
                    f"names the key {key!r} twice (first on line {first})",
                    f"{path}:{line}",
                    "Keep one of the two.",
                )
            lines[place] = line
            result[key] = _build(value_node, place, lines, path, scalars)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*loc, i), lines, path, scalars) for i, item in enumerate(node.value)]
    try:
        return scalars.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError) as error:
        where = f"{path}:{node.start_mark.line + 1}"
        raise DataError(f"has a value that cannot be read: {error}".splitlines()[0], where) from error


def validate(model: type[_Model], document: YamlDocument, data: Any = None) -> _Model:
    """Check a document against a pydantic model.

    :param data: the value to check when it is not ``document.data`` itself but derived from it path by path
    :raises DataError: the first thing wrong, by file and line; further ones are counted
    """
    try:
        return model.model_validate(document.data if data is None else data)
    except ValidationError as error:
        raise data_error(error, document) from error


def data_error(error: ValidationError, document: YamlDocument) -> DataError:
    """One line for a pydantic error: the first problem in file order, with the number of others."""
    # a key that is missing has no line of its own; what stands there and is wrong is named first
    # a list is called too short besides when its only item is wrong; the item says more
    problems = [e for e in error.errors() if e["type"] != "too_short" or not _has_below(e["loc"], error)]
    problems.sort(key=lambda e: (e["type"] == "missing", document.lines.get(document.known(e["loc"]), 0)))
    first = problems[0]
    loc = tuple(first["loc"])
    named = (*document.known(loc[:-1]), loc[-1]) if loc and first["type"] == "missing" else document.known(loc) or loc
    key = ".".join(str(part) for part in named) or "the document"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "is not a key that wslgpu knows"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return DataError(f"{key}: {message}{more}", document.where(loc))


def _has_below(loc: tuple[_LocPart, ...], error: ValidationError) -> bool:
    return any(len(e["loc"]) > len(loc) and e["loc"][: len(loc)] == loc for e in error.errors())
