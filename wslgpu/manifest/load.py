"""The manifest read: from a node's text to the model, or a word on why that cannot be trusted."""

from __future__ import annotations

import json
import re

from pydantic import ValidationError

from wslgpu import __version__
from wslgpu.errors import DataError, ErrorClass, WslgpuError
from wslgpu.manifest.model import MANIFEST, SCHEMA, Manifest

UPGRADE = "Upgrade wslgpu on this machine, and run it again. Nothing was changed."
_VERSION = re.compile(r"\d+(?:\.\d+)*")


class NewerToolError(WslgpuError):
    """A newer wslgpu has written this node's manifest: an older one would not know what it breaks. Usage, exit 2."""

    def __init__(self, what: str, where: str = MANIFEST) -> None:
        super().__init__(what, where, UPGRADE, ErrorClass.USAGE)


def version_key(version: str) -> tuple[int, ...]:
    """A version of wslgpu for comparison: its leading numbers; what has none is older than all.

    Trailing zeros do not count: 1.0 is 1.0.0.
    """
    match = _VERSION.match(version)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def parse(text: str, where: str = MANIFEST, tool_version: str = __version__) -> Manifest:
    """A manifest from its text.

    :param where: for error messages: host and path
    :param tool_version: the version that reads
    :raises NewerToolError: a newer wslgpu wrote it, or its schema is newer
    :raises DataError: it is damaged: no JSON, cut off, or not of the schema
    """
    damaged = "wslgpu apply keeps it aside, and writes one anew from what is there."
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the node's manifest is damaged: {error}", where, damaged) from error
    if not isinstance(document, dict):
        raise DataError("the node's manifest is damaged: it is no JSON object", where, damaged)
    schema, written_by = document.get("schema"), document.get("tool_version")
    if isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA:
        raise NewerToolError(
            f"the node's manifest has schema {schema}, and wslgpu {tool_version} knows {SCHEMA}", where
        )
    if isinstance(written_by, str) and version_key(written_by) > version_key(tool_version):
        raise NewerToolError(
            f"wslgpu {_printable(written_by)} was the last to change this node, and this is {tool_version}", where
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(_printable(str(part)) for part in first["loc"])
        raise DataError(f"the node's manifest is damaged: {place}: {first['msg']}", where, damaged) from error


def manifest_text(manifest: Manifest) -> str:
    """The manifest as it stands on a node: sorted, so that equal ones have equal bytes; what is empty is left out."""
    document = {"schema": SCHEMA, **manifest.model_dump(mode="json", by_alias=True, exclude_defaults=True)}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _printable(text: str) -> str:
    """A word from a node for a terminal: bounded, without control characters."""
    return "".join(character if character.isprintable() else "?" for character in text[:80])
