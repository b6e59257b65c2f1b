"""What the documents say about the code, held against the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wslgpu.cli import cli
from wslgpu.errors import EXIT_CODES
from wslgpu.lab import host
from wslgpu.settings import PROJECT_ROOT

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*PROJECT_ROOT.glob("*.md"), *PROJECT_ROOT.glob("docs/**/*.md")])


def test_the_readmes_exit_codes_are_the_codes() -> None:
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+?) \|$", README, re.MULTILINE)}
    assert rows == EXIT_CODES


def test_the_readme_names_every_task() -> None:
    tasks = {path.stem for path in (PROJECT_ROOT / "tasks").glob("*.py")} - {"__init__"}
    assert len(tasks) >= 6
    rows = set(re.findall(r"^\| ([a-z_]+) \| ", README, re.MULTILINE))
    assert tasks == rows - {"task", "code"}


def test_the_readme_names_every_command() -> None:
    commands = set(cli.list_commands(cli.make_context("wslgpu", ["--help"], resilient_parsing=True)))
    assert {"apply", "verify", "lab", "inventory", "pins"} <= commands
    assert [name for name in commands if f"wslgpu {name}" not in README] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize(
    "target", ["demo", "demo-kubernetes", "demo-rebuild", "node", "test", "test-fast", "test-long", "check", "bench"]
)
def test_make_has_what_the_documents_name(target: str) -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_every_test_that_the_fault_table_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (PROJECT_ROOT / "docs" / "faults.md").read_text(encoding="utf-8")))
    assert len(named) > 40
    sources = [path.read_text(encoding="utf-8") for path in (PROJECT_ROOT / "tests").rglob("test_*.py")]
    there = {name for source in sources for name in re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)}
    assert named - there == set()
    assert {name for name in there if re.match(r"test_fault_\d", name)} - named == set()


def test_the_set_up_installs_every_package_that_the_lab_asks_for() -> None:
    text = (PROJECT_ROOT / "scripts" / "setup.sh").read_text(encoding="utf-8")
    installed = set(re.findall(r"[a-z0-9-]+", " ".join(re.findall(r'packages="(.*)"', text))))
    # these are on every Debian and Ubuntu
    asked = set(host.PROGRAMS.values()) - {"dpkg", "util-linux"} | {"debian-archive-keyring"}
    assert asked - installed == set()
