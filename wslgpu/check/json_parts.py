"""The JSON report node by node: that of a hundred nodes has fifty million characters, and far more bytes as values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from wslgpu.report.capabilities.json_document import as_data
from wslgpu.report.capabilities.words import mark_of
from wslgpu.verdict.model import Judgement


def json_parts(judgement: Judgement) -> Iterator[str]:
    """Texts that are one document together: the one of :func:`wslgpu.report.capabilities.as_json`."""
    # what follows from the nodes is said of all of them
    head = as_data(replace(judgement, nodes=())) | {"mark": mark_of(judgement), "exit_code": judgement.exit_code}
    del head["nodes"]
    yield _dumped(head)[: -len("\n}")] + ',\n "nodes": ['
    for number, node in enumerate(judgement.nodes):
        (data,) = as_data(replace(judgement, nodes=(node,)))["nodes"]
        yield ("," if number else "") + "\n" + _dumped(data)
    yield "\n ]\n}\n"


def _dumped(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
