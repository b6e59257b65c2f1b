"""The files under templates/, each at the path that it has on a node."""

from __future__ import annotations

import functools
from typing import Any

import jinja2

from wslgpu.project import PROJECT_ROOT
from wslgpu.yaml_text import Comment, flow

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


@functools.cache
def _yaml_environment() -> jinja2.Environment:
    environment = _environment().overlay(finalize=_finalized)
    environment.filters = {**environment.filters, "comment": Comment}
    return environment


def _finalized(value: Any) -> str:
    # str() of a value that was not given raises, with its name
    return str(value) if isinstance(value, jinja2.Undefined) else flow(value)


def render_yaml(path: str, **values: Any) -> str:
    """The text of a YAML file, in which each ``{{ value }}`` is written as YAML, quoted where it is a string.

    A template writes ``name: {{ name }}`` and ``args: {{ words }}``, without quotes of its own; one expression is one
    whole value, composed with ``~`` where need be. No value can end its scalar or its line. In a comment, and only
    there, ``{{ reason | comment }}`` is the bare text on one line.

    :param path: as :func:`render`
    :param values: strings, numbers, booleans, None, and lists and mappings of these
    :raises jinja2.UndefinedError: the template uses a value that was not given
    :raises ValueError: a string that is not Unicode text
    """
    return _yaml_environment().get_template(f"{path.lstrip('/')}.j2").render(values)
