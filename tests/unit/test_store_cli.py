"""`wslgpu store`, as people and programs call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.artifact_samples import Sample, make_sample
from wslgpu.cli import cli
from wslgpu.store import blobs
from wslgpu.store.folder import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("WSLGPU_STORE_DIR", str(tmp_path / "store"))
    monkeypatch.delenv("WSLGPU_SITE", raising=False)
    return Store(tmp_path / "store")


@pytest.fixture
def sample(tmp_path: Path, store: Store) -> Sample:
    """One that is in the store."""
    made = make_sample(tmp_path / "sample")
    store.add(made.record, made.archive, made.bill, made.provenance)
    return made


def call(*words: str) -> Result:
    return CliRunner().invoke(cli, ["store", *words], catch_exceptions=False)


def document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["schema"] == 1
    return found


def test_an_empty_store(store: Store) -> None:
    assert document(call("list", "--json"))["artifacts"] == []
    assert call("verify").exit_code == 0
    assert "0 artifacts" in call("list").stderr
    assert not store.path.exists()


def test_list_and_show(sample: Sample) -> None:
    listed = call("list")
    assert sample.record.name in listed.stdout
    assert listed.exit_code == 0
    (artifact,) = document(call("list", "--json"))["artifacts"]
    assert artifact["digest"] == sample.record.digest
    assert artifact["name"] == sample.record.name
    for word in (sample.record.name, sample.record.digest):
        assert sample.record.prefix in call("show", word).stdout
        assert document(call("show", word, "--json"))["artifact"] == artifact


def test_an_unknown_name(sample: Sample) -> None:
    result = call("show", "ffmpeg-9-000000000000")
    assert result.exit_code == 2
    assert sample.record.name in result.stderr


def test_verify_is_red_once(store: Store, sample: Sample) -> None:
    assert document(call("verify", "--json")) == {
        "schema": 1,
        "store": str(store.path),
        "whole": [sample.record.name],
        "corrupted": [],
        "set_aside_before": 0,
        "unnamed_bytes": 0,
        "exit_code": 0,
    }
    blobs.path_of(store.path, sample.record.digest).write_bytes(b"other")
    result = call("verify", "--json")
    found = document(result)
    assert result.exit_code == found["exit_code"] == 1
    assert found["error"]["class"] == "integrity"
    assert found["corrupted"][0]["name"] == sample.record.name
    assert found["whole"] == []
    again = call("verify")
    assert again.exit_code == 0
    assert "set aside earlier" in again.stdout


def test_verify_says_it_in_words(store: Store, sample: Sample) -> None:
    blobs.path_of(store.path, sample.record.bill).unlink()
    result = call("verify")
    assert result.exit_code == 1
    assert f"CORRUPTED {sample.record.name}" in result.stdout
    assert "wslgpu store pull" in result.stderr


def test_prune_says_first_and_keeps_what_is_named(store: Store, sample: Sample, tmp_path: Path) -> None:
    old = make_sample(tmp_path / "old", content=b"old", build="ffmpeg-0.1", version="0.1")
    store.add(old.record, old.archive, old.bill, old.provenance)
    dry = document(call("prune", "--dry", "--json"))
    assert dry["deleted"] == [old.record.name]
    assert [kept["name"] for kept in dry["kept"]] == [sample.record.name]
    assert dry["freed_bytes"] == old.record.size_bytes
    assert len(store.records()) == 2
    assert call("prune", "--keep", old.record.name).exit_code == 0
    assert len(store.records()) == 2
    result = call("prune")
    assert f"delete  {old.record.name}" in result.stdout
    assert f"{old.record.size_bytes:,} bytes" in result.stdout
    assert store.records() == [sample.record]
    assert document(call("prune", "--json"))["freed_bytes"] == 0


def test_prune_refuses_a_name_that_is_none(sample: Sample) -> None:
    assert call("prune", "--keep", "nonsense").exit_code == 2


def test_remove(store: Store, sample: Sample) -> None:
    assert call("remove").exit_code == 2
    assert document(call("remove", sample.record.name, "--json"))["deleted"] == [sample.record.name]
    assert store.records() == []


def test_export_and_import(store: Store, sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(document(call("export", sample.record.name, str(tmp_path / "stick"), "--json"))["files"]) == 4
    monkeypatch.setenv("WSLGPU_STORE_DIR", str(tmp_path / "other"))
    wrong = call("import", str(tmp_path / "stick"), "--digest", "sha256:" + "0" * 64)
    assert wrong.exit_code == 1
    assert document(call("import", str(tmp_path / "stick"), "--json"))["artifact"]["name"] == sample.record.name
    assert Store(tmp_path / "other").records() == [sample.record]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("push", "registry.example.com/team"), "say which artifacts"),
        (("push", "registry.example.com/team", "--all", "x"), "say which artifacts"),
        (("push", "team", "--all"), "no place in a registry"),
        (("pull", "registry.example.com/team", "nonsense"), "no artifact and no build"),
        (("pull", "registry.example.com/team", "--digest", "sha256:0"), "--digest is of one artifact"),
        (("import", "/nonexistent"), "does not exist"),
    ],
)
def test_wrong_usage(sample: Sample, words: tuple[str, ...], said: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_record_cannot_write_on_the_terminal(store: Store, tmp_path: Path) -> None:
    hostile = make_sample(tmp_path / "hostile", licence="\x1b]0;owned\x07MIT", base="\x1b[31mbookworm")
    store.add(hostile.record, hostile.archive, hostile.bill, hostile.provenance)
    for words in (("list",), ("show", hostile.record.name)):
        assert "\x1b" not in call(*words).stdout
