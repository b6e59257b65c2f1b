"""Names and texts that were made to steer a screen, a browser, a mailer, a CI or a monitoring system."""

from __future__ import annotations

import html
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from tests.unit import capability_samples as samples
from wslgpu.report.capabilities.html import as_html
from wslgpu.report.capabilities.junit import as_junit
from wslgpu.report.capabilities.markdown import as_markdown
from wslgpu.report.capabilities.nagios import nagios_line
from wslgpu.report.capabilities.terminal import write_terminal
from wslgpu.verdict.model import Judgement

EVIL = (
    "[link=javascript:alert(1)]x[/link] \x1b]8;;http://evil\x07y\x1b]8;;\x07 \x9b31m \x1b[2J \u202e\u200b\u2028 \ufffe"
    ' </summary></details><img src=x onerror=alert(1)> "><svg/onload=1> ![i](http://e/x.png) [a](javascript:b)'
    " GH-1 owner/repo#5 @team `` ` $$x$$ \r\n# head\n|a|b|\n]]> & &lt; |rta=1;2;3"
)


def judgement() -> Judgement:
    """One node on which every text is that."""
    node = samples.judgement().nodes[0]
    capabilities = [
        replace(
            item,
            reason=EVIL,
            remedy=EVIL,
            title=EVIL,
            evidence=tuple(replace(one, value={EVIL: [EVIL]}, reason=EVIL, command=EVIL) for one in item.evidence),
        )
        for item in node.capabilities
    ]
    workloads = [
        replace(item, title=EVIL, reasons=tuple(replace(one, consequence=EVIL, remedy=EVIL) for one in item.reasons))
        for item in node.workloads
    ]
    node = replace(node, name=EVIL, facts={EVIL: EVIL}, capabilities=tuple(capabilities), workloads=tuple(workloads))
    return replace(samples.judgement(), nodes=(node,), operator=EVIL, started=EVIL)


class Elements(HTMLParser):
    """The elements of a text as a browser sees them, and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_fold_of_markdown_is_html_and_its_title_is_text() -> None:
    lines = [text for text in as_markdown(judgement()).splitlines() if text.startswith("<details>")]
    assert lines
    for text in lines:
        assert [tag for tag, _ in Elements(text).found] == ["details", "summary"]
        assert text.endswith("</summary>")
        assert text.count("</") == 1
        assert not re.search(r"@\w|#\d|GH-\d", html.unescape(text))


def test_markdown_refers_to_no_other_issue() -> None:
    node = replace(samples.judgement().nodes[0], name="see GH-1 and gh-23")
    text = as_markdown(replace(samples.judgement(), nodes=(node,)))
    assert not re.search(r"(?i)gh-\d", text)


def test_html_has_no_element_of_a_node() -> None:
    found = Elements(as_html(judgement())).found
    assert not {"img", "iframe", "object", "base", "form"} & {tag for tag, _ in found}
    for _, attributes in found:
        assert not [name for name in attributes if name.startswith("on")]
        assert re.match(r"(#|https://)", attributes.get("href") or "#")


@pytest.mark.parametrize("verbose", [False, True])
def test_the_terminal_gets_colours_and_nothing_else(verbose: bool) -> None:
    stream = io.StringIO()
    write_terminal(judgement(), Console(file=stream, width=80, force_terminal=True), verbose=verbose)
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert not {character for character in text if not character.isprintable()} - {"\n"}
    assert "[link=javascript:alert(1)]" in text


def test_junit_can_be_read() -> None:
    assert ET.fromstring(as_junit(judgement())).tag == "testsuites"  # noqa: S314 - our own


def test_monitoring_gets_one_line_of_numbers_and_one_per_node() -> None:
    text, _ = nagios_line(judgement())
    first, second, end = text.split("\n")
    assert end == ""
    assert first.count("|") == 1
    assert "|" not in second
