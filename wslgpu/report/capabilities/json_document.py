"""The report as JSON, ``wslgpu.check/1``, and its strict reader."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.report.capabilities.document import SCHEMA, Report
from wslgpu.report.capabilities.text import bounded, line, plain
from wslgpu.report.capabilities.words import mark_of
from wslgpu.verdict.model import Judgement

SIZE_LIMIT_BYTES = 256 << 20
_JUDGEMENT = TypeAdapter(Judgement)
_WRITTEN_ONLY = ("schema", "tool", "mark", "exit_code")
"""Keys of the document that follow from the others."""


class ReportError(WslgpuError):
    """A file is no report of ``wslgpu check --json``."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(
            what, where, "Give a file that `wslgpu check --json` or `--keep` wrote, unchanged.", ErrorClass.INTEGRITY
        )


def as_data(judgement: Judgement) -> dict[str, Any]:
    """The report as plain JSON values, every text bounded and without control characters."""
    data: dict[str, Any] = _JUDGEMENT.dump_python(judgement, mode="json", warnings=False)
    nodes = []
    for node, values in zip(judgement.nodes, data.pop("nodes"), strict=True):
        values["benchmarks"] = bounded(node.benchmarks)
        values["probe"] = bounded(node.probe)
        nodes.append(_clean({**values, "exit_code": node.exit_code(strict=judgement.strict)}))
    return {
        "schema": SCHEMA,
        "tool": "wslgpu",
        **_clean(data),
        "duration_s": round(judgement.duration_s, 3),
        "mark": mark_of(judgement),
        "exit_code": judgement.exit_code,
        "nodes": nodes,
    }


def as_json(judgement: Judgement) -> str:
    """The report as one JSON document that ``schema.json`` describes."""
    return json.dumps(as_data(judgement), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _clean(value: Any) -> Any:
    """Texts made plain wherever they stand, and an observation's value bounded; no list of our own is cut."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): bounded(item) if key == "value" else _clean(item) for key, item in value.items()}
    return value


def from_json(raw: bytes | str, where: str = "") -> Judgement:
    """Read a report back.

    :param where: the file, for the error
    :raises ReportError: too long, not JSON, a key twice or unknown, a wrong shape, or an exit code or a mark that
        does not follow from the rest
    """
    if len(raw) > SIZE_LIMIT_BYTES:
        raise ReportError(f"the report is longer than {SIZE_LIMIT_BYTES} bytes", where)
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = json.loads(text, object_pairs_hook=_no_duplicates)
        # refuses halves of surrogate pairs and numbers that are no JSON
        exact = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ReportError(f"the report is not a JSON document: {line(str(error), 120)}", where) from error
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        found = line(str(value.get("schema")), 60) if isinstance(value, dict) else "no object"
        raise ReportError(f"this wslgpu reads reports of the schema {SCHEMA}, and this one is {found}", where)
    try:
        Report.model_validate_json(exact)
        judgement = _JUDGEMENT.validate_python(_read_only(value))
    except ValidationError as error:
        first = error.errors()[0]
        place = line(".".join(str(part) for part in first["loc"]), 120)
        raise ReportError(f"the report has a wrong shape: {place}: {line(first['msg'], 160)}", where) from error
    _follows(value, judgement, where)
    return judgement


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice")
    return result


def _read_only(value: dict[str, Any]) -> dict[str, Any]:
    nodes = [{key: item for key, item in node.items() if key != "exit_code"} for node in value["nodes"]]
    return {key: item for key, item in value.items() if key not in _WRITTEN_ONLY} | {"nodes": nodes}


def _follows(value: dict[str, Any], judgement: Judgement, where: str) -> None:
    """No report may claim what its own content does not give."""
    for node in judgement.nodes:
        judged = {item.id for item in node.capabilities}
        for name in node.required_capabilities:
            if name not in judged:
                raise ReportError(f"{line(node.name, 60)} requires {line(name, 60)}, which was not judged", where)
    claims: list[tuple[str, Any, Any]] = [
        ("the exit code", value["exit_code"], judgement.exit_code),
        ("the mark", value.get("mark", ""), mark_of(judgement)),
    ]
    for given, node in zip(value["nodes"], judgement.nodes, strict=True):
        claims.append(
            (f"the exit code of {line(node.name, 60)}", given["exit_code"], node.exit_code(strict=judgement.strict))
        )
    for name, claimed, follows in claims:
        if claimed != follows:
            raise ReportError(f"{name} is {claimed!r}, and {follows!r} follows from the rest of the report", where)
