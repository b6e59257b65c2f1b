"""Markdown for an issue: rendered by a real parser, it holds what it should and nothing that a node brought in."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.unit import capability_samples as samples
from wslgpu.report.capabilities import as_markdown
from wslgpu.report.capabilities.markdown import SIZE_LIMIT_CHARACTERS
from wslgpu.report.capabilities.markdown_text import code, escape, prose

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TEXT = as_markdown(samples.judgement())


class Tags(HTMLParser):
    """Tags, addresses and text of a piece of HTML."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.words += data


PAGE = Tags(PARSER.render(TEXT))


def test_no_markup_of_a_node_takes_effect() -> None:
    known = "h1 h2 p strong blockquote ul li code table thead tbody tr th td details summary a sub".split()
    assert set(PAGE.tags) <= set(known)
    assert {address.split("?")[0] for address in PAGE.addresses} == {
        "https://docs.nvidia.com/cuda/wsl-user-guide/index.html",
        "https://learn.microsoft.com/en-us/windows/wsl/",
    }


def test_every_row_of_a_table_has_its_cells() -> None:
    html = PARSER.render(TEXT)
    rows = re.findall(r"<tr>.*?</tr>", html, re.DOTALL)
    assert len(rows) == 1 + 5 + 1 + 3
    assert {len(re.findall(r"<t[dh]", row)) for row in rows} == {3}


def test_folds_are_closed_and_hold_lists() -> None:
    html = PARSER.render(TEXT)
    assert html.count("<details>") == html.count("</details>") >= 3
    inner = re.findall(r"</summary>(.*?)</details>", html, re.DOTALL)
    assert all("<li>" in part for part in inner)


def test_causes_verdicts_and_what_was_not_tested_are_there() -> None:
    for wanted in (
        "lab, stand-in driver",
        "broken here: The NVIDIA driver loads (cuda.driver.loads: libcuda.so.1 is not there); blocks 40 more",
        "cuda.library is null (ldconfig -p | grep libcuda)",
        "gpu-01.example, WSL2 cannot: 2",
        "gpu-01.example, not tested: 5",
        "needs --level standard: cuda.checkpoint.state, cuda.checkpoint.lock",
        "broken here, waiver expired",
        "Could not be probed: ssh: no route to host",
    ):
        assert wanted in PAGE.words
    assert PAGE.words.index("libcuda.so.1 is not there") < PAGE.words.index("vLLM on one GPU", 3000)


def test_one_missing_driver_is_one_line() -> None:
    assert TEXT.count("the driver is missing") == 0
    assert TEXT.count("libcuda.so.1 is not there") == 1


def test_mentions_references_and_addresses_are_dead() -> None:
    assert not re.search(r"@team|(?<!`)#1\b", re.sub(r"(`+).*?\1", "", TEXT))
    assert "http://evil" not in re.sub(r"(`+).*?\1", "", TEXT)


_NASTY = st.text(alphabet="ab1 |`\\*_[]()<>&!#@~$:.-+=\n\"'/htpsw", max_size=40)


def words(source: str) -> str:
    rendered = Tags(PARSER.render(f"x {source} x"))
    assert set(rendered.tags) <= {"p", "code"}
    return rendered.words.replace("\u200b", "").strip("\n")


@given(_NASTY)
def test_escaped_text_reads_as_it_was(text: str) -> None:
    assert words(escape(text)).split() == f"x {text} x".split()


@given(_NASTY)
def test_code_reads_as_it_was(text: str) -> None:
    assert words(code(text)).split() == f"x {text} x".split()


@given(_NASTY)
def test_no_text_ends_a_cell(text: str) -> None:
    row = f"| {escape(text)} | {code(text, in_table=True)} | {prose(text, in_table=True)} |"
    rendered = Tags(PARSER.render(f"| a | b | c |\n|---|---|---|\n{row}\n"))
    assert rendered.tags.count("td") == 3
    assert set(rendered.tags) <= set("table thead tbody tr th td code".split())


def test_a_fleet_fits_an_issue_and_says_what_was_left_out() -> None:
    text = as_markdown(samples.fleet())
    assert len(text) <= SIZE_LIMIT_CHARACTERS
    assert "More was found than an issue can hold" in text
    assert len([line for line in text.splitlines() if line.startswith(("## gpu-", "- gpu-"))]) == 20
    assert "More was found" not in TEXT
    names = [samples.unreachable()] * 2000
    assert len(as_markdown(samples.judgement(*names))) <= SIZE_LIMIT_CHARACTERS


def test_no_fold_is_cut_in_two() -> None:
    text = as_markdown(samples.fleet())
    assert text.count("<details>") == text.count("</details>") > 0
