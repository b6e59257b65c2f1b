"""What is wrong in a catalogue's files is named by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from wslgpu.catalogue.load import load_catalogue
from wslgpu.catalogue.model import Platform
from wslgpu.errors import DataError

ENTRY = """\
  - id: site.{name}
    title: A title
    meaning: What it means.
    works: {works}
    expectations:
      - {{expect: works, confidence: high{more}}}
    remedy: What to do.
    sources:
      - {{url: "https://example.org/{name}", date: 2026-11-01, what: a page}}
"""


def entry(name: str, works: str = "{of: system.cpus, at_least: 1}", more: str = "", extra: str = "") -> str:
    return ENTRY.format(name=name, works=works, more=more) + extra


OVERRIDE = """\
overrides:
  - capability: wsl.dxg
    reason: no GPU in the lab
    person: Ada
"""


def site(folder: Path, *entries: str, workloads: str = "", site_file: str = "") -> Path:
    (folder / "capabilities").mkdir(parents=True)
    (folder / "capabilities" / "ours.yml").write_text("capabilities:\n" + "".join(entries))
    if workloads:
        (folder / "workloads").mkdir()
        (folder / "workloads" / "ours.yml").write_text("workloads:\n" + workloads)
    if site_file:
        (folder / "site.yml").write_text(site_file)
    return folder


def test_the_product_s_own_catalogue_loads() -> None:
    catalogue = load_catalogue()
    assert catalogue.capabilities["wsl.dxg"].area == "wsl"
    assert catalogue.places["wsl.dxg"].rsplit(":", 1)[0].endswith("capabilities/wsl_platform.yml")
    assert len(catalogue.digest) == 64


def test_a_site_adds_its_own(tmp_path: Path) -> None:
    workload = "  - {id: ours, title: Ours, meaning: It runs., requires: [site.one]}\n"
    settings = (
        "require_workloads: [ours]\nwaivers:\n  - {capability: wsl.clock, reason: r, person: p, expires: 2027-01-01}\n"
    )
    catalogue = load_catalogue(site(tmp_path, entry("one"), workloads=workload, site_file=settings))
    assert catalogue.capabilities["site.one"].remedy == "What to do."
    assert catalogue.site.waivers[0].capability == "wsl.clock"
    assert catalogue.places["site.one"] == f"{tmp_path}/capabilities/ours.yml:2"
    assert catalogue.digest != load_catalogue().digest
    assert "site.one" not in load_catalogue().capabilities


def test_a_digest_tells_any_change(tmp_path: Path) -> None:
    first = load_catalogue(site(tmp_path / "a", entry("one")))
    again = load_catalogue(site(tmp_path / "b", entry("one")))
    other = load_catalogue(site(tmp_path / "c", entry("one", works="{of: system.cpus, at_least: 2}")))
    assert first.digest == again.digest != other.digest


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (entry("one", extra="    remedys: no\n"), 11, "remedys: is not a key that wslgpu knows"),
        (entry("one") + entry("one"), 11, "the id 'site.one' is there already"),
        (entry("one", works="{of: system.cpu, at_least: 1}"), 2, "there is no observation 'system.cpu'"),
        (entry("one", extra="    needs: [site.two]\n"), 2, "there is no capability 'site.two'"),
        (entry("one", extra="    needs: [site.one]\n"), 2, "'site.one' needs itself"),
        (entry("one", works="{of: system.cpus, at_least: 1, at_most: 2}"), 5, "has more than one test"),
        (entry("one", works='{of: system.pid1, matches: "("}'), 5, "is no regular expression"),
        (entry("one", works="{of: system.cpus, at_leest: 1}"), 5, "at_leest: is not a key that wslgpu knows"),
        (entry("one", works="{all: []}"), 5, "at least 1 item"),
        (entry("one", more=', when: {toolkit: "~1.20"}'), 7, "'~1.20' is no version range"),
        (entry("one", more=", platform: wsl3"), 7, "wsl2"),
        (entry("one").replace("site.one", "Site.One"), 2, "an id is area.thing"),
        (entry("one").replace("https://example.org/one", "http://example.org"), 10, "https"),
        (entry("one").replace("2026-11-01", "autumn"), 10, "date"),
        (entry("one").replace("    title: A title\n", ""), 2, "title: Field required"),
        (entry("one").replace("What to do.", "\n      wsl2: a\n      linx: b"), 10, "remedy.linx: is not a key"),
        (entry("one").replace("What to do.", "\n      wsl2: a"), 8, "remedy.linux: Field required"),
        (entry("one").replace("What to do.", "''"), 8, "remedy: String should have at least 1 character"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(text: str, line: int, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_catalogue(site(tmp_path, text))
    assert caught.value.where == f"{tmp_path}/capabilities/ours.yml:{line}"
    assert says in caught.value.what


def test_a_site_says_what_it_knows_better(tmp_path: Path) -> None:
    source = "{url: https://example.org, date: 2026-11-01, what: w}"
    row = f"{{platform: wsl2, expect: varies, confidence: low, sources: [{source}]}}"
    text = f"{OVERRIDE}    remedy: {{wsl2: Call Ada, linux: Call Bob}}\n    expectations:\n      - {row}\n"
    ours, theirs = load_catalogue(), load_catalogue(site(tmp_path, entry("one"), site_file=text))
    before, after = ours.capabilities["wsl.dxg"], theirs.capabilities["wsl.dxg"]
    assert (after.remedy_on(Platform.WSL2), after.remedy_on(Platform.LINUX)) == ("Call Ada", "Call Bob")
    assert after.expectations[1:] == before.expectations
    assert after.expectations[0].note == "at this site: no GPU in the lab (Ada)"
    assert (after.works, after.sources) == (before.works, before.sources)
    assert load_catalogue().capabilities["wsl.dxg"] == before


def test_a_circle_is_named(tmp_path: Path) -> None:
    one, two = entry("one", extra="    needs: [site.two]\n"), entry("two", extra="    needs: [site.one]\n")
    with pytest.raises(DataError, match=r"'site\.(one|two)' needs itself by way of others"):
        load_catalogue(site(tmp_path, one, two))


def test_a_site_cannot_take_an_id_of_the_product(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'wsl\.dxg' is there already \(.*wsl_platform\.yml:\d+\)"):
        load_catalogue(site(tmp_path, entry("one").replace("site.one", "wsl.dxg")))


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("require_capabilities: [no.such]\n", 1, "there is no capability 'no.such'"),
        ("require_workloads:\n  - no-such\n", 2, "there is no workload 'no-such'"),
        ("waivers:\n  - {capability: no.such, reason: r, person: p, expires: 2027-01-01}\n", 2, "no capability"),
        ("waivers:\n  - {capability: wsl.dxg, reason: r, person: p}\n", 2, "expires: Field required"),
        ("waiver: []\n", 1, "is not a key that wslgpu knows"),
        ("overrides:\n  - {capability: no.such, reason: r, person: p, remedy: x}\n", 2, "no capability"),
        ("overrides:\n  - {capability: wsl.dxg, reason: r, person: p}\n", 2, "neither a remedy nor expectations"),
        ("overrides:\n  - {capability: wsl.dxg, reason: r, remedy: x}\n", 2, "person: Field required"),
        (OVERRIDE + "    remedy: x\n" + OVERRIDE.partition("\n")[2] + "    remedy: y\n", 6, "is overridden twice"),
        (OVERRIDE + "    expectations: [{expect: works, confidence: low}]\n", 2, "without sources"),
    ],
)
def test_a_wrong_site_file(text: str, line: int, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_catalogue(site(tmp_path, entry("one"), site_file=text))
    assert caught.value.where == f"{tmp_path}/site.yml:{line}"
    assert says in caught.value.what


def test_a_workload_names_capabilities_that_exist(tmp_path: Path) -> None:
    workload = "  - {id: ours, title: Ours, meaning: It runs., requires: [site.two]}\n"
    with pytest.raises(DataError, match=r"there is no capability 'site\.two'") as caught:
        load_catalogue(site(tmp_path, entry("one"), workloads=workload))
    assert caught.value.where == f"{tmp_path}/workloads/ours.yml:2"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        load_catalogue(tmp_path / "none")
