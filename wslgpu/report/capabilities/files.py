"""The reports as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wslgpu.errors import UsageError
from wslgpu.report.capabilities.html import as_html
from wslgpu.report.capabilities.json_document import as_json
from wslgpu.report.capabilities.junit import as_junit
from wslgpu.report.capabilities.markdown import as_markdown
from wslgpu.verdict.model import Judgement

WRITERS: dict[str, Callable[[Judgement], str]] = {
    "json": as_json,
    "junit": as_junit,
    "markdown": as_markdown,
    "html": as_html,
}


def write_file(judgement: Judgement, style: str, path: Path) -> None:
    """Write a report of one of :data:`WRITERS`' styles, whole or not at all.

    :raises UsageError: the place cannot be written
    """
    new = path.with_name(f".{path.name}.new")
    text = WRITERS[style](judgement)
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UsageError(
            f"the report cannot be written ({error.strerror})", str(path), "Name another place."
        ) from error
