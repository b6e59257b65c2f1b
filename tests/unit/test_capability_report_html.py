"""The page: one file, nothing but text from nodes, no request to anywhere, and signs that can be read."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources

import pytest

from tests.unit import capability_samples as samples
from wslgpu.catalogue.model import Source
from wslgpu.report.capabilities import as_html
from wslgpu.report.capabilities.benchmarks import benchmarks, number_of
from wslgpu.verdict.model import NodeJudgement, State, Verdict

VOID = {"meta", "br", "use", "path", "rect", "circle"}
PAGE = as_html(samples.judgement())


class Document(HTMLParser):
    """Every element with its attributes, checked for being closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


DOCUMENT = Document(PAGE)


@pytest.mark.parametrize("page", [PAGE, as_html(samples.all_go()), as_html(samples.judgement(findings=()))])
def test_elements_are_closed_in_order(page: str) -> None:
    document = Document(page)
    assert document.wrong == []
    assert document.open == []


def test_scripts_of_nodes_are_text() -> None:
    assert PAGE.count("<script") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in PAGE
    assert "\u202e" not in PAGE
    assert "\x1b" not in PAGE


def test_no_element_can_make_a_request() -> None:
    tags = {tag for tag, _ in DOCUMENT.elements}
    assert not tags & set("img link iframe object embed audio video source form base input frame".split())
    names = {name for _, attributes in DOCUMENT.elements for name in attributes}
    assert not names & set("src srcset action style ping background poster data formaction xlink:href".split())
    assert not [name for name in names if name.startswith("on")]
    for tag, attributes in DOCUMENT.elements:
        address = attributes.get("href", "#")
        assert address.startswith("#") or (tag == "a" and address.startswith("https://"))
    style, script = (part("style.css.in"), part("script.js.in"))
    assert not re.search(r"url\(|@import|http", style)
    assert not re.search(r"fetch|XMLHttp|import|http|innerHTML|eval|insertAdjacent", script)


def part(name: str) -> str:
    return (resources.files("wslgpu.report.capabilities") / name).read_text(encoding="utf-8").strip()


def test_the_policy_allows_the_two_inline_parts_and_nothing_else() -> None:
    policy = next(meta["content"] for meta in DOCUMENT.all("meta") if "http-equiv" in meta)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for rule, element in (("style-src", "style"), ("script-src", "script")):
        content = re.search(rf"<{element}>(.*?)</{element}>", PAGE, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert rules.pop(rule) == f"'sha256-{digest}'"
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}


def test_every_link_within_the_page_leads_somewhere_and_ids_are_single() -> None:
    ids = [attributes["id"] for _, attributes in DOCUMENT.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {link["href"][1:] for _, link in DOCUMENT.elements if link.get("href", "").startswith("#")}
    assert targets <= set(ids)


def test_language_title_and_table_are_told() -> None:
    assert DOCUMENT.all("html") == [{"lang": "en"}]
    assert "<title>wslgpu check [lab, stand-in driver]: Something that is required cannot run</title>" in PAGE
    scopes = [cell["scope"] for cell in DOCUMENT.all("th") if "scope" in cell]
    assert {"col", "row", "rowgroup"} <= set(scopes)
    assert [cell for cell in DOCUMENT.all("th") if "scope" not in cell and "aria-hidden" not in cell] == []
    assert "<caption" in PAGE


def test_a_cell_leads_to_its_evidence() -> None:
    row = PAGE[PAGE.index("FFmpeg transcode in a container</th>") :]
    place = re.search(r'class="chip opens bad" href="#(n1w\d)"', row)
    assert place is not None
    body = PAGE[PAGE.index(f'id="{place[1]}"') :].split("</details>")[0]
    for wanted in (
        "FFmpeg finds no encoder",
        "container.cdi.codec_libraries",
        "derived.cdi",
        "gpu_devices",
        "What to do",
    ):
        assert wanted in body


def test_causes_come_first_and_are_told_once_over_all_nodes() -> None:
    broken = samples.without_gpu()
    page = as_html(samples.judgement(broken, replace(broken, name="second"), findings=()))
    first = page[page.index("What to do first") : page.index('id="matrix"')]
    assert first.count("The NVIDIA driver loads") == 1
    assert first.count("blocks 40 more") == 2
    assert ">second<" in first


def test_the_mark_stands_in_title_and_head_of_a_labs_report_only() -> None:
    assert "lab, stand-in driver" in PAGE.split("<style>")[0]
    assert "lab, stand-in driver: nothing here is true of a real GPU" in PAGE
    assert "lab, stand-in" not in as_html(samples.all_go())


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a?b=1&c='2'", 'href="https://example.org/a?b=1&amp;c=%272%27"'),
        ('https://example.org/"onmouseover="x\'<b>', 'href="https://example.org/%22onmouseover=%22x%27%3Cb%3E"'),
        ("http://example.org/", None),
        ("javascript:alert(1)", None),
        ("https://example.org/ x", None),
    ],
)
def test_only_safe_addresses_become_links(url: str, shown: str | None) -> None:
    source = Source.model_construct(url=url, date=samples.SOURCE.date, what="what")
    item = samples.capability("a.b", State.CANNOT, sources=(source,))
    page = as_html(samples.judgement(NodeJudgement("n", capabilities=(item,)), findings=()))
    links = [link["href"] for link in Document(page).all("a") if not link["href"].startswith("#")]
    assert len(links) == (shown is not None)
    assert shown is None or shown in page


def test_a_fleet_of_twenty_is_of_bounded_size() -> None:
    page = as_html(samples.fleet())
    assert len(page.encode()) < 3_000_000
    assert page.count('<td><a class="chip opens') == 20 * 22
    assert 'class="matrix dense"' in page


def test_what_a_node_sends_is_cut() -> None:
    long = samples.capability("a.b", State.BROKEN, reason="r" * 10**6, evidence=(samples.evidence("a.b", "v" * 10**6),))
    page = as_html(samples.judgement(NodeJudgement("n" * 10**5, capabilities=(long,)), findings=()))
    assert len(page) < 80_000


def test_an_empty_judgement_is_a_page_too() -> None:
    nothing = replace(samples.judgement(findings=()), nodes=())
    assert "It could not be judged whether" in as_html(nothing)
    assert Document(as_html(nothing)).wrong == []


def test_every_verdict_has_a_sign_and_a_word() -> None:
    icons = set(re.findall(r'<symbol id="i-(\w+)"', PAGE))
    assert set(re.findall(r'href="#i-(\w+)"', PAGE)) <= icons
    assert len(Verdict) == 5
    for look in ("go", "degraded", "bad", "unknown", "none"):
        assert f'{look}"><svg class="i" aria-hidden="true"><use href="#i-{look}"/></svg>' in PAGE


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+):(#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


_LIGHT, _DARK = (colours(block) for block in part("style.css.in").split("@media (prefers-color-scheme:dark)"))
PAIRS = [
    *((text, ground) for text in ("ink", "quiet", "link") for ground in ("page", "card", "well")),
    *((name, f"{name}-tint") for name in ("go", "degraded", "bad", "unknown", "cannot")),
]


@pytest.mark.parametrize(("text", "ground"), PAIRS)
@pytest.mark.parametrize("scheme", [_LIGHT, _DARK], ids="light dark".split())
def test_contrast_is_enough_to_read(scheme: dict[str, str], text: str, ground: str) -> None:
    assert contrast(scheme[text], scheme[ground]) >= 4.5


def test_bars_are_compared_with_their_peers_only() -> None:
    found = {one.id: one for one in benchmarks(samples.judgement())}
    pinned = found["bench.host_to_device_pinned"]
    assert [(bar.node, bar.text, bar.share, bar.against) for bar in pinned.bars] == [
        ("gpu-01.example", "12.5 GB/s", 50.0, "-33 %"),
        ("no-gpu", "25.0 GB/s", 100.0, "+33 %"),
    ]
    alone = found["bench.launch_latency"]
    assert (alone.median, alone.bars[0].against, alone.better) == (None, "", "less is better")


@pytest.mark.parametrize(
    "value",
    [None, 5, [], {}, {"bytes_per_s": True}, {"bytes_per_s": -1}, {"bytes_per_s": float("nan")}, {"median_us": "x"}],
)
def test_what_is_no_amount_has_no_bar(value: object) -> None:
    assert number_of(value) is None
