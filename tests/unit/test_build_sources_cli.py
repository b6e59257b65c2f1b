"""``wslgpu sources`` as people and programs call it, with a site's own rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.unit.source_server import CONTENT, DIGEST, OTHER, Source, as_row, pin
from wslgpu.cli import cli
from wslgpu.settings import load

pytestmark = pytest.mark.usefixtures("build_cache")


def site(tmp_path: Path, source: Source) -> Path:
    """A site file with a good source, a wrong one, one without a hash, and a build of the first."""
    rows = {
        "thing-good": pin(source.put("thing-good.tar.xz"), file="thing-good.tar.xz"),
        "thing-wrong": pin(source.put("thing-wrong.tar.xz", b"x"), file="thing-wrong.tar.xz", sha256=OTHER),
        "thing-open": pin(source.put("thing-open.tar.xz"), file="thing-open.tar.xz", sha256="unresolved"),
    }
    build = {"artifact": "ffmpeg", "version": "1.0", "recipe": "ffmpeg", "sources": {"ffmpeg": "thing-good"}}
    data = {"build_sources": {name: json.loads(as_row(row)) for name, row in rows.items()}, "builds": {"mine": build}}
    path = tmp_path / "site.yml"
    path.write_text(yaml.safe_dump(data))
    return path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["sources", *(str(word) for word in words)])


@pytest.fixture
def mine(tmp_path: Path, source: Source) -> Path:
    return site(tmp_path, source)


def test_list_says_what_is_known_of_each(mine: Path) -> None:
    done = run("list", "--site", mine)
    assert done.exit_code == 0, done.output
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert set(lines) == set(load(mine).build_sources)
    assert "no hash" in lines["thing-open"]
    assert "not verified" in lines["thing-good"]
    assert "cached" not in lines["thing-good"]
    assert run("fetch", "thing-good", "--site", mine).exit_code == 0
    document = json.loads(run("list", "--json", "--site", mine).stdout)
    assert document["sources"]["thing-good"]["cached"] is True
    assert document["sources"]["thing-wrong"]["cached"] is False
    assert document["sources"]["thing-good"]["sha256"] == DIGEST


def test_the_sources_of_a_build_go_into_a_folder_and_from_there_without_a_network(
    mine: Path, tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("fetch", "--build", "mine", "--to", tmp_path / "stick", "--site", mine)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"thing-good {tmp_path / 'stick/thing-good.tar.xz'}\n"
    assert (tmp_path / "stick/thing-good.tar.xz").read_bytes() == CONTENT
    monkeypatch.setenv("WSLGPU_CACHE_DIR", str(tmp_path / "elsewhere"))
    asked = len(source.server.asked)
    assert run("fetch", "thing-good", "--from", tmp_path / "stick", "--site", mine).exit_code == 0
    assert len(source.server.asked) == asked


def test_one_that_fails_keeps_none_from_being_fetched_and_the_worst_decides(mine: Path) -> None:
    done = run("fetch", "thing-open", "thing-wrong", "thing-good", "--json", "--site", mine)
    document = json.loads(done.stdout)
    assert done.exit_code == document["exit_code"] == 1
    assert set(document["files"]) == {"thing-good"}
    assert document["errors"]["thing-wrong"]["class"] == "integrity"
    assert document["errors"]["thing-open"]["class"] == "usage"
    assert OTHER in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--build BUILD or --all"),
        (("nonesuch",), "there is no source 'nonesuch'"),
        (("thing-goood",), "Did you mean thing-good"),
        (("--build", "nonesuch"), "there is no build 'nonesuch'"),
        (("thing-good", "--from", "/nonexistent"), "does not exist"),
    ],
)
def test_wrong_words_end_with_2(mine: Path, words: tuple[str, ...], said: str) -> None:
    done = run("fetch", *words, "--site", mine)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize("words", [("Trixie", "mesa"), ("../x", "mesa"), ("trixie", "a b"), ("trixie", "-x")])
def test_a_row_of_nothing_sensible_is_refused_before_anything_is_asked(words: tuple[str, str]) -> None:
    done = run("row", "--", *words)
    assert done.exit_code == 2
    assert "no release and package" in done.stderr
