"""Which artifact of the store a node is to have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.artifact_records import store_one
from wslgpu.artifact_choice import archive_of, choose
from wslgpu.errors import DataError, WslgpuError
from wslgpu.settings import Settings, load


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSLGPU_STORE_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


def settings(**changes: object) -> Settings:
    return Settings.model_validate({**load().as_data(), **changes})


def test_an_empty_store_has_nothing_and_says_what_to_do(store: Path) -> None:
    choice = choose(settings(), "ffmpeg")
    assert choice.record is None
    assert "ffmpeg-7.1.5" in choice.missing
    assert "wslgpu build ffmpeg-7.1.5" in choice.remedy


def test_the_youngest_of_the_build_or_the_one_that_is_named(store: Path, tmp_path: Path) -> None:
    old = store_one(store, tmp_path, "ffmpeg", "1", {"bin/ffmpeg": "1"}, created="2026-01-01T00:00:00Z")
    new = store_one(store, tmp_path, "ffmpeg", "2", {"bin/ffmpeg": "2"}, created="2026-01-02T00:00:00Z")
    store_one(store, tmp_path, "ffmpeg", "3", {"bin/ffmpeg": "3"}, created="2026-01-03T00:00:00Z", build="ffmpeg-8.1.2")
    assert choose(settings(), "ffmpeg").record == new
    assert choose(settings(ffmpeg_artifact=old.digest), "ffmpeg").record == old
    gone = choose(settings(ffmpeg_artifact="sha256:" + "0" * 64), "ffmpeg")
    assert gone.record is None
    assert "sha256:" + "0" * 64 in gone.missing


def test_absent_needs_no_store(store: Path) -> None:
    store.mkdir()
    (store / "else").write_text("not a store")
    assert choose(settings(ffmpeg_install="absent"), "ffmpeg").record is None
    with pytest.raises(DataError):
        choose(settings(), "ffmpeg")


def test_a_digest_of_something_else_is_refused(store: Path, tmp_path: Path) -> None:
    mesa = store_one(store, tmp_path, "mesa-dozen", "1", {"lib/libvulkan_dzn.so": "1"})
    with pytest.raises(DataError, match="no ffmpeg"):
        choose(settings(ffmpeg_artifact=mesa.digest), "ffmpeg")


def test_a_corrupted_archive_is_never_given(store: Path, tmp_path: Path) -> None:
    stored = store_one(store, tmp_path, "ffmpeg", "1", {"bin/ffmpeg": "1"})
    path = archive_of(stored)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data.replace(b"1", b"2", 1))
    with pytest.raises(WslgpuError, match="corrupted"):
        archive_of(stored)
