"""Text put into Markdown so that GitHub shows it as it is."""

from __future__ import annotations

import html
import re

from wslgpu.report.capabilities.text import line

_MARKUP = re.compile(r"([\\`*_{}\[\]<>&|~$])")
_LINKED = re.compile(r"(?i)(h)(?=ttps?:)|(w)(?=ww\.)|(m)(?=ailto:)|(f)(?=tp:)|(@)|(#)(?=\d)|(g)(?=h-\d)")
_NO_SPACE = "&#8203;"
DETAIL_LIMIT_CHARACTERS = 400


def escape(text: str) -> str:
    """One line of text that GitHub shows as it is: no markup, HTML, link, mention, reference or end of a cell."""
    return _LINKED.sub(lambda match: match[0] + _NO_SPACE, _MARKUP.sub(r"\\\1", line(text)))


def in_html(text: str) -> str:
    """The same for a line that begins with an HTML tag: there a backslash takes nothing away from a ``<``."""
    return _LINKED.sub(lambda match: match[0] + _NO_SPACE, html.escape(line(text), quote=False))


def code(text: str, *, in_table: bool = False) -> str:
    """One line of text as code: nothing in it is markup, whatever backquotes it holds."""
    text = line(text, DETAIL_LIMIT_CHARACTERS) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text.replace('|', chr(92) + '|') if in_table else text}{space}{fence}"


def prose(text: str, *, in_table: bool = False) -> str:
    """Text of the catalogue: what stands between backquotes is code, all else is as it is."""
    parts = re.split(r"`([^`]+)`", line(text, 1000))
    return "".join(code(part, in_table=in_table) if index % 2 else escape(part) for index, part in enumerate(parts))


def target(url: str) -> str:
    """An address that can stand between < and > in a link."""
    return line(url, 2000).replace("<", "%3C").replace(">", "%3E").replace("\\", "%5C").replace("`", "%60")
