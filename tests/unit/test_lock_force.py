"""Data and lock: they agree, or are refused with both values; and then the lock decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.artifact_records import store_one
from tests.unit import lock_samples
from wslgpu.artifact_choice import choose
from wslgpu.errors import DataError
from wslgpu.lock import force
from wslgpu.lock.load import digest_of
from wslgpu.lock.model import LOCK_VARIABLE, Download, LockedArtifact
from wslgpu.lock.text import lock_text
from wslgpu.settings import Settings, load

Write = Callable[[str], Path]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yml"
    path.write_text("")
    return path


@pytest.fixture
def file(tmp_path: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lock in force, of the data without a site."""
    path = tmp_path / "wslgpu.lock.yml"
    path.write_text(lock_text(lock_samples.lock(load(site))))
    monkeypatch.setenv(LOCK_VARIABLE, str(path))
    return path


def test_the_lock_gives_digests_and_names_itself(site: Path, file: Path) -> None:
    settings = force.load_locked(site)
    assert (settings.lock_file, settings.lock_digest) == (str(file), digest_of(file))
    base = next(image for image in settings.cuda_images if image.role == "base")
    assert base.digest == f"sha256:{'9' * 64}", "unresolved in the pins"
    assert load(site).lock_file == "", "settings alone know no lock"
    force.check_host(settings)


def test_an_artifact_that_is_not_in_the_lock_is_not_installed_by_chance(
    site: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSLGPU_STORE_DIR", str(tmp_path / "store"))
    record = store_one(tmp_path / "store", tmp_path, "ffmpeg", "a", {"bin/ffmpeg": "x"})
    assert choose(load(site), "ffmpeg").record == record
    for install in ("auto", "required"):
        settings = force.load_locked(site).model_copy(update={"ffmpeg_install": install})
        choice = choose(settings, "ffmpeg")
        assert (choice.install, choice.record) == (install, None), "what a node has stays there"
        assert choice.missing == "the lock has no ffmpeg"
        assert "make the lock anew" in choice.remedy
    lock = lock_samples.lock(load(site))
    digest = f"sha256:{'7' * 64}"
    row = LockedArtifact(build="ffmpeg-7.1.5", key="6" * 64, digest=digest)
    file.write_text(lock_text(lock.model_copy(update={"artifacts": {"ffmpeg": row}})))
    settings = force.load_locked(site)
    assert (settings.ffmpeg_install, settings.ffmpeg_artifact) == ("auto", digest)
    force.check_host(settings)


def test_every_disagreement_is_named_with_both_values_and_places(site: Path, file: Path) -> None:
    site.write_text("containerd_version: 1.7.24-1\nprofile: reference\n")
    with pytest.raises(DataError) as refusal:
        force.load_locked(site)
    text = str(refusal.value)
    line = next(i for i, row in enumerate(file.read_text().splitlines(), 1) if "containerd_version" in row)
    assert f"containerd_version is 1.7.24-1 ({site}:1), and not set in the lock ({file}:{line})" in text
    assert f"profile is reference ({site}:2), and current in the lock ({file}:5)" in text
    assert "container_toolkit_version is 1.18.1-1" in text
    assert "pins.yml" in text, "a value of the profile stands in the pins"
    assert refusal.value.exit_code == 2


def test_a_digest_that_the_data_name_must_be_the_locks(site: Path, file: Path) -> None:
    images = load(site).as_data()["cuda_images"]
    images[1]["digest"] = f"sha256:{'5' * 64}"
    site.write_text(f"cuda_images: {images}\n")
    with pytest.raises(DataError, match=rf"cuda_images.*sha256:{'5' * 64}"):
        force.load_locked(site)


def test_what_a_lock_lacks_or_has_of_another_hash_is_named(site: Path, file: Path) -> None:
    site.write_text("kubernetes_role: k3s\n")
    settings = load(site)
    lock = lock_samples.lock(settings)
    lacking = {name: row for name, row in lock.images.items() if "cuda" not in name}
    k3s = Download(url=settings.k3s.url, sha256="4" * 64)
    file.write_text(lock_text(lock.model_copy(update={"images": lacking, "downloads": {"k3s": k3s}})))
    with pytest.raises(DataError) as refusal:
        force.load_locked(site)
    assert f"kubernetes_k3s_versions is {settings.k3s.sha256}" in str(refusal.value)
    assert "4" * 64 in str(refusal.value)
    assert f"cuda_images is {settings.cuda_images[0].name}" in str(refusal.value)
    assert "no such image in the lock" in str(refusal.value)


def test_data_of_one_host_are_held_against_the_lock_too(site: Path, file: Path) -> None:
    settings = force.load_locked(site)
    changed = settings.model_copy(update={"vllm_install": "quadlet"})
    with pytest.raises(DataError, match="vllm_install is quadlet"):
        force.check_host(changed)
    file.write_text(file.read_text() + "\n")
    with pytest.raises(DataError, match="was changed while the run went on"):
        force.check_host(settings)


def test_a_site_cannot_claim_a_lock(site: Path) -> None:
    site.write_text("lock_file: /tmp/x\n")
    with pytest.raises(DataError, match="is set by wslgpu itself"):
        load(site)


def test_without_a_lock_one_may_be_required(site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(LOCK_VARIABLE, raising=False)
    monkeypatch.setattr("wslgpu.lock.load.PROJECT_ROOT", tmp_path)
    assert force.load_locked(site).lock_file == ""
    site.write_text("lock_required: true\n")
    with pytest.raises(DataError, match=r"there is no wslgpu\.lock\.yml") as refusal:
        force.load_locked(site)
    assert refusal.value.where == f"{site}:1"


def test_a_lock_with_what_is_known_not_to_go_together_is_not_accepted(site: Path, file: Path) -> None:
    lock = lock_samples.lock(load(site), toolkit="1.17.7-1")
    file.write_text(lock_text(lock))
    with pytest.raises(DataError, match="CVE-2025-23266") as refusal:
        force.load_locked(site)
    assert refusal.value.where == str(file)


def test_an_inventory_with_a_lock_of_its_own_decides_for_its_hosts(
    site: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(force, "_inventory_decides", False)
    data = force.inventory_overrides(site, file)
    assert data["lock_digest"] == digest_of(file)
    assert set(force.LOCKED_SETTINGS) <= set(data)
    file.unlink()
    assert force.load_or_exit()["lock_file"] == "", "the group's data then do not look for another lock"
    assert isinstance(Settings.model_validate({**force.load_or_exit(), **data}), Settings)
