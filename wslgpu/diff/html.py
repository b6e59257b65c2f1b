"""Diffs as one HTML page: it asks for nothing from any network and has no script."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2

from wslgpu.diff.rows import Diff, Row
from wslgpu.diff.text import headline
from wslgpu.report.plain import clean

_LOOKS = {"added": "unknown", "changed": "degraded", "removed": "bad"}


def as_html(diffs: Sequence[Diff], errors: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """The page.

    :param errors: node and error object of those that nothing can be said of
    """
    style = (resources.files("wslgpu.report.capabilities") / "style.css.in").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _page().render(diffs=diffs, errors=errors, style=style, style_hash=f"sha256-{digest}")


def _word(row: Row, diff: Diff) -> str:
    """The change; of two nodes, where it is."""
    if not diff.other:
        return row.change
    return {"added": f"only on {diff.other}", "removed": f"only on {diff.name}", "changed": "differs"}[row.change]


@functools.cache
def _page() -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=True
    )
    environment.globals.update(headline=headline, look=_LOOKS.__getitem__, word=_word)
    environment.filters.update(line=functools.partial(clean, limit=400))
    return environment.from_string((resources.files(__package__) / "page.html.in").read_text(encoding="utf-8"))
