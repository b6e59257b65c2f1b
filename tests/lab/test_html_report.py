"""The HTML report in a real browser: it asks for nothing, complains of nothing, and can be used with keys alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.support.chromium import Chromium, chromium
from tests.unit import capability_samples as samples
from wslgpu.report.capabilities import as_html

pytestmark = pytest.mark.lab

MIXED, FLEET = "mixed.html", "fleet.html"
FOCUSED = "document.activeElement"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / MIXED).write_text(as_html(samples.judgement()), encoding="utf-8")
    (folder / FLEET).write_text(as_html(samples.fleet()), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(autouse=True)
def quiet(browser: Chromium) -> None:
    browser.console.clear()
    browser.requests.clear()
    browser.refused.clear()


def tab_to(browser: Chromium, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        browser.press("Tab")
        if browser.evaluate(f"{FOCUSED}.matches({selector!r})"):
            return
    raise AssertionError(f"{selector} cannot be reached with Tab")


@pytest.mark.parametrize("name", [MIXED, FLEET])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_without_a_complaint_or_a_request(
    browser: Chromium, folder: Path, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    browser.open(folder / name, width=width, scheme=scheme)
    assert browser.evaluate("document.documentElement.className") == "script"
    assert browser.evaluate("document.scripts.length") == 1
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    dark = browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(19, 22, 26)"
    assert dark is (scheme == "dark")
    browser.screenshot(tmp_path / f"{name}-{width}-{scheme}.png")
    assert (tmp_path / f"{name}-{width}-{scheme}.png").stat().st_size > 20_000
    assert browser.console == []
    assert browser.requests == [(folder / name).as_uri()]


def test_a_cell_opens_and_closes_with_keys_alone(browser: Chromium, folder: Path) -> None:
    browser.open(folder / MIXED)
    browser.press("Tab")
    assert browser.evaluate(f"{FOCUSED}.className") == "skip"
    tab_to(browser, "td a.bad")
    cell = browser.evaluate(f"{FOCUSED}.getAttribute('href')")
    assert browser.evaluate(f"getComputedStyle({FOCUSED}).outlineStyle") == "solid"
    browser.press("Enter")
    assert browser.evaluate("document.querySelector('dialog').open")
    assert browser.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    text = browser.evaluate("document.querySelector('dialog').innerText")
    for wanted in ("NO-GO", "broken here", "cuda.driver.loads", "ldconfig -p | grep libcuda", "What to do"):
        assert wanted in text
    tab_to(browser, "dialog .body a")
    browser.press("Enter")
    assert "libcuda.so.1 is not there" in browser.evaluate("document.querySelector('dialog').innerText")
    tab_to(browser, "dialog .back")
    browser.press("Enter")
    assert "no program finds a GPU" in browser.evaluate("document.querySelector('dialog').innerText")
    browser.press("Escape")
    assert not browser.evaluate("document.querySelector('dialog').open")
    assert browser.evaluate(f"{FOCUSED}.getAttribute('href')") == cell
    assert browser.console == []


def test_the_dialog_leads_to_the_list(browser: Chromium, folder: Path) -> None:
    browser.open(folder / FLEET)
    tab_to(browser, "td a.degraded")
    place = browser.evaluate(f"{FOCUSED}.getAttribute('href').slice(1)")
    browser.press("Enter")
    tab_to(browser, "dialog .list")
    browser.press("Enter")
    assert browser.evaluate("location.hash") == f"#{place}"
    assert browser.evaluate(f"document.getElementById('{place}').checkVisibility()")
    assert not browser.evaluate("document.querySelector('dialog').open")


def test_without_its_script_a_cell_leads_to_the_evidence(browser: Chromium, folder: Path) -> None:
    browser.open(folder / FLEET, script=False)
    assert browser.evaluate("document.documentElement.className") == ""
    tab_to(browser, "td a.degraded")
    place = browser.evaluate(f"{FOCUSED}.getAttribute('href').slice(1)")
    assert not browser.evaluate(f"document.getElementById('{place}').checkVisibility({{contentVisibilityAuto: true}})")
    browser.press("Enter")
    assert browser.evaluate("location.hash") == f"#{place}"
    assert browser.evaluate(f"document.getElementById('{place}').closest('details').open")
    assert browser.evaluate(f"document.getElementById('{place}').checkVisibility()")


def names_of(browser: Chromium, role: str) -> list[str]:
    nodes: list[dict[str, Any]] = browser.call("Accessibility.getFullAXTree")["nodes"]
    return [node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == role and "name" in node]


def test_a_screen_reader_finds_headers_regions_and_words_for_signs(browser: Chromium, folder: Path) -> None:
    browser.open(folder / FLEET)
    assert "The verdict over every workload on every node" in names_of(browser, "table")
    assert "gpu-07" in " ".join(names_of(browser, "columnheader"))
    assert "Workload number 3 with a title" in names_of(browser, "rowheader")
    assert "Workloads" in names_of(browser, "region")
    words = [name for name in names_of(browser, "link") if name in ("GO", "NO-GO", "DEGRADED", "UNKNOWN")]
    assert len(words) > 300
    assert "" not in names_of(browser, "link")


def test_paper_shows_what_a_screen_folds(browser: Chromium, folder: Path) -> None:
    browser.open(folder / MIXED)
    visible = "document.querySelector('.group.paper:not([open]) .cap').checkVisibility()"
    assert not browser.evaluate(visible)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate(visible)
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_policy_stops_what_could_slip_in(browser: Chromium, folder: Path) -> None:
    browser.open(folder / MIXED)
    browser.evaluate("""{
        const script = document.createElement("script"); script.textContent = "window.slipped = 1";
        const image = document.createElement("img"); image.src = "http://127.0.0.1:1/x.png";
        const handler = document.createElement("div"); handler.innerHTML = "<b onclick='window.slipped = 2'>x</b>";
        document.body.append(script, image, handler); handler.firstChild.click();
    }""")
    assert browser.evaluate("window.slipped === undefined")
    browser.call("Runtime.evaluate", expression="new Promise(done => setTimeout(done, 200))", awaitPromise=True)
    assert browser.refused == ["csp"]
    assert len([line for line in browser.console if "Content Security Policy" in line]) >= 3
