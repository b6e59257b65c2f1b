"""The generated page, what is stale, and one entry in the terminal."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from wslgpu.catalogue.condition import Condition, Test
from wslgpu.catalogue.docs import RENEW, render
from wslgpu.catalogue.explain import WIDTH_COLUMNS, explain
from wslgpu.catalogue.load import Catalogue, load_catalogue
from wslgpu.catalogue.model import Capability, Platform, Workload
from wslgpu.catalogue.stale import stale
from wslgpu.catalogue.words import condition_lines, expected, rows_for

PAGE = Path(__file__).parents[2] / "docs" / "capabilities.md"


def capability(name: str = "area.thing", **fields: object) -> Capability:
    return Capability.model_validate(
        {
            "id": name,
            "title": "A title",
            "meaning": "What it means.",
            "works": {"of": "system.cpus", "at_least": 2},
            "expectations": [{"expect": "works", "confidence": "high"}],
            "remedy": "What to do.",
            "sources": [{"url": "https://example.org/a", "date": "2026-03-01", "what": "a page"}],
            **fields,
        }
    )


def row(expect: str, confidence: str, **fields: object) -> dict[str, object]:
    return {"expect": expect, "confidence": confidence, **fields}


def catalogue(*capabilities: Capability, workloads: tuple[Workload, ...] = ()) -> Catalogue:
    places = {entry.id: f"our.yml:{line}" for line, entry in enumerate(capabilities)}
    by_id = {entry.id: entry for entry in capabilities}
    return Catalogue(by_id, {entry.id: entry for entry in workloads}, places=places)


def test_the_committed_page_is_the_catalogue_s() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(load_catalogue()), f"renew it: {RENEW}"


def test_every_entry_is_on_the_page_and_every_link_leads_somewhere() -> None:
    whole = load_catalogue()
    page = render(whole)
    headings = re.findall(r"^##+ (.+)$", page, re.MULTILINE)
    anchors = [re.sub(r"[^a-z0-9_-]", "", heading.lower().replace(" ", "-")) for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= set(anchors)
    assert set(whole.capabilities) <= set(headings)
    assert {f"Workload {name}" for name in whole.workloads} <= set(headings)


def test_a_page_of_two() -> None:
    one = capability(
        applies={"of": "derived.platform", "path": "name", "equals": "wsl2"},
        expectations=[
            {
                "platform": "wsl2",
                "when": {"toolkit": "<1.20"},
                "expect": "cannot",
                "confidence": "high",
                "note": "A | list",
            },
            {"platform": "wsl2", "expect": "works", "confidence": "medium"},
        ],
        claims=[{"claimed": "It is <b>so</b>.", "in_fact": "It is not."}],
        seen="RTX 4090, driver 581.80",
    )
    workload = Workload.model_validate(
        {
            "id": "run",
            "title": "Runs",
            "meaning": "m",
            "requires": ["area.thing"],
            "better_with": [{"capability": "area.other", "consequence": "slower"}],
        }
    )
    page = render(catalogue(one, capability("area.other"), workloads=(workload,)))
    assert (
        "| [area.thing](#areathing) | A title | cannot (toolkit \\<1.20), else works | - | - | high / medium |" in page
    )
    assert "| [area.other](#areaother) | A title | works | works | works | high |" in page
    assert "- wsl2, toolkit \\<1.20: A \\| list" in page
    assert "> It is \\<b\\>so\\</b\\>." in page
    assert "Seen: RTX 4090, driver 581.80" in page
    assert "Sources: [a page](https://example.org/a) (2026-03-01)" in page
    assert "| [run](#workload-run) | Runs | - |" in page
    assert "### Workload run\n\n**Runs.** m\n\nRequires: [area.thing](#areathing).\n" in page
    assert "- without [area.other](#areaother): slower" in page
    assert "2 capabilities, 1 workloads." in page


@pytest.mark.parametrize(
    ("applies", "platform", "rows"),
    [
        (None, Platform.LINUX, 1),
        ({"of": "derived.platform", "path": "name", "equals": "wsl2"}, Platform.LINUX, 0),
        ({"of": "derived.platform", "path": "name", "in": ["wsl2", "linux"]}, Platform.LINUX, 1),
        ({"not": {"of": "derived.platform", "path": "name", "equals": "wsl2"}}, Platform.WSL2, 0),
        ({"not": {"of": "derived.platform", "path": "name", "equals": "wsl2"}}, Platform.LINUX, 1),
        ({"of": "docker.client", "exists": True}, Platform.LINUX, 1),
        (
            {"all": [{"of": "docker.client"}, {"of": "derived.platform", "path": "name", "equals": "wsl2"}]},
            Platform.LINUX,
            0,
        ),
        (
            {"any": [{"of": "docker.client"}, {"of": "derived.platform", "path": "name", "equals": "wsl2"}]},
            Platform.LINUX,
            1,
        ),
    ],
)
def test_where_a_question_makes_sense(applies: object, platform: Platform, rows: int) -> None:
    assert len(rows_for(capability(applies=applies), platform)) == rows


def test_rows_after_one_that_always_fits_do_not_count() -> None:
    rows = [
        {
            "platform": "linux",
            "when": {"toolkit": ">=1.18, <1.20", "driver": ">=580"},
            "expect": "limited",
            "confidence": "low",
        },
        {"expect": "works", "confidence": "high"},
        {"platform": "linux", "expect": "cannot", "confidence": "high"},
    ]
    entry = capability(expectations=rows)
    assert expected(rows_for(entry, Platform.LINUX)) == "limited (toolkit >=1.18, <1.20; driver >=580), else works"
    assert expected(rows_for(entry, Platform.WSL2)) == "works"
    assert expected(()) == "-"


@pytest.mark.parametrize(
    ("condition", "lines"),
    [
        ({"of": "wsl.dxg", "path": "openable"}, ["wsl.dxg openable is there, and not 0, false or empty"]),
        ({"of": "wsl.dxg", "exists": True}, ["wsl.dxg is there"]),
        ({"of": "wsl.dxg", "exists": False}, ["wsl.dxg is not there"]),
        ({"of": "system.cpus", "at_least": 4}, ["system.cpus is at least 4"]),
        ({"of": "system.pid1", "in": ["a", "b"]}, ["system.pid1 is one of a, b"]),
        ({"of": "cuda.init", "status": "crash"}, ["cuda.init is crash as an observation"]),
        ({"not": {"of": "system.pid1", "equals": "init"}}, ["not: system.pid1 is init"]),
        (
            {"any": [{"of": "system.cpus", "at_most": 2}, {"not": {"all": [{"of": "wsl.pci", "count_at_least": 2}]}}]},
            ["one of:", "  system.cpus is at most 2", "  not:", "    all of:", "      wsl.pci has 2 or more"],
        ),
    ],
)
def test_conditions_in_words(condition: dict[str, object], lines: list[str]) -> None:
    entry: Condition = capability(works=condition).works
    assert condition_lines(entry) == lines


def test_every_kind_of_test_has_words() -> None:
    for name, operand in {
        "equals": 1,
        "in": [1],
        "at_least": 1,
        "at_most": 1,
        "matches": "a",
        "contains": "a",
        "version_at_least": "1",
        "version_below": "1",
        "count_at_least": 1,
        "exists": True,
        "status": "hang",
    }.items():
        assert len(condition_lines(Test.model_validate({"of": "x", name: operand}))) == 1


def test_stale_entries_are_those_whose_newest_source_is_old() -> None:
    old = {"url": "https://example.org/old", "date": "2024-01-01", "what": "old"}
    new = {"url": "https://example.org/new", "date": "2026-06-01", "what": "new"}
    workload = Workload.model_validate(
        {"id": "w", "title": "t", "meaning": "m", "requires": ["a.old"], "sources": [old | {"date": "2023-01-01"}]}
    )
    whole = catalogue(
        capability("a.old", sources=[old]),
        capability("a.both", sources=[new, old]),
        capability("a.row", sources=[old], expectations=[row("works", "high", sources=[new])]),
        workloads=(workload,),
    )
    found = stale(whole, datetime.date(2026, 1, 1))
    assert [(entry.id, entry.newest.isoformat(), entry.place) for entry in found] == [
        ("w", "2023-01-01", ""),
        ("a.old", "2024-01-01", "our.yml:0"),
    ]
    assert found[1].url == "https://example.org/old"
    assert stale(whole, datetime.date(2023, 1, 1)) == []
    assert len(stale(whole, datetime.date(2026, 6, 2))) == 4


def test_explain_one() -> None:
    entry = load_catalogue().capabilities["container.cdi.codec_libraries"]
    text = "\n".join(explain(entry, {entry.id: "here.yml:7"}))
    for part in (
        "container.cdi.codec_libraries: The specification mounts",
        "wsl2, toolkit <1.20: cannot, confidence high.",
        "linux: works, confidence high",
        "derived.cdi (computed)",
        "Needs\n  container.cdi.spec",
        "What to do\n  Toolkit 1.20.0",
        "In fact: True up to 1.19.x.",
        "https://github.com/NVIDIA/nvidia-container-toolkit/issues/1864",
        "2026-06-15",
        "Seen on real hardware by this project\n  Not yet.",
        "Written in here.yml:7",
    ):
        assert part in text


def test_explain_shows_the_command_that_one_can_run() -> None:
    lines = explain(load_catalogue().capabilities["wsl.dxg"])
    assert "      $ ls -l /dev/dxg" in lines
    assert any(line.startswith("  wsl.dxg (level quick): ") for line in lines)


def test_explain_says_what_was_seen() -> None:
    assert "  RTX 4090" in explain(capability(seen="RTX 4090"))


def test_explain_fits_80_columns() -> None:
    for capability in load_catalogue().capabilities.values():
        for line in explain(capability):
            # an address, a command or a word that is longer by itself cannot be broken
            whole = len(line.split()) == 1 or line.startswith("      $ ")
            assert len(line) <= WIDTH_COLUMNS or whole or _one_long_word(line), capability.id


def _one_long_word(line: str) -> bool:
    return max(map(len, line.split())) > 40
