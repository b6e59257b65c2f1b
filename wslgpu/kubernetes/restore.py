"""Puts back what was edited by hand: also what was added, which apply by itself leaves alone. Pure.

``kubectl apply`` takes away only what stands in the annotation of what was last applied. So what somebody added is
written into that annotation first; the apply after it then removes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wslgpu.kubernetes.drift import CLOSED, LAST_APPLIED, marked, merge_key
from wslgpu.kubernetes.kubectl import Request
from wslgpu.workloads.manifest import identity


def forget(document: Mapping[str, Any], live: Mapping[str, Any]) -> Request | None:
    """The call of kubectl that makes additions known as applied; None where there is none, or for a Secret."""
    if document.get("kind") == "Secret":
        return None
    ours = marked(document)
    grown = with_additions(ours, live)
    if grown == ours:
        return None
    who = identity(document)
    space = (f"--namespace={who.namespace}",) if who.namespace else ()
    patch = {"metadata": {"annotations": {LAST_APPLIED: json.dumps(grown)}}}
    words = ("patch", who.kind.lower(), who.name, *space, "--type=merge", "--patch-file=/dev/stdin")
    return Request(words, json.dumps(patch))


def with_additions(ours: Any, live: Any, name: str = "") -> Any:
    """Our value with what somebody added to its lists, and to the maps that nobody fills in by default."""
    if isinstance(ours, dict) and isinstance(live, dict):
        made = {key: with_additions(value, live.get(key), str(key)) for key, value in ours.items()}
        if name in CLOSED:
            made |= {key: value for key, value in live.items() if key not in ours}
        return made
    if isinstance(ours, list) and isinstance(live, list) and (key := merge_key(ours, live)):
        there = {str(row[key]): row for row in live}
        grown = [with_additions(row, there.get(str(row[key]))) for row in ours]
        own = {str(row[key]) for row in ours}
        return [*grown, *(row for name, row in there.items() if name not in own)]
    return ours
