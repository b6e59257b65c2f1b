"""The files under templates/, each at the path that it has on a node."""

from __future__ import annotations

import functools
from typing import Any

import jinja2

from wslgpu.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "templates"
_TEXTS = {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.j2")}


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.DictLoader(_TEXTS),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701  configuration files, not HTML; values are checked where they are read
    )


def render(path: str, **values: Any) -> str:
    """The text of a file for a node.

    :param path: its absolute path on the node; ``templates<path>.j2`` is the template
    :raises jinja2.UndefinedError: the template uses a value that was not given
    """
    return _environment().get_template(f"{path.lstrip('/')}.j2").render(values)
