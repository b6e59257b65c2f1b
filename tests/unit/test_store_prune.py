"""What pruning keeps: what pins name, the youngest of it and the one before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.artifact_samples import make_sample
from wslgpu.errors import DataError
from wslgpu.settings import load
from wslgpu.store import prune
from wslgpu.store.folder import Store
from wslgpu.store.prune import Named


def _store(tmp_path: Path, *rows: tuple[str, int]) -> tuple[Store, dict[str, str]]:
    """A store with artifacts of (build, day), and the digest of each by ``build day``."""
    store = Store(tmp_path / "store")
    digests = {}
    for build, day in rows:
        content, created = f"{build} {day}".encode(), f"2026-11-{day:02}T00:00:00Z"
        sample = make_sample(tmp_path / f"{build}-{day}", content=content, build=build, created=created)
        store.add(sample.record, sample.archive, sample.bill, sample.provenance)
        digests[f"{build} {day}"] = sample.record.digest
    return store, digests


def test_of_each_named_build_the_two_youngest_stay(tmp_path: Path) -> None:
    store, digests = _store(tmp_path, ("a", 1), ("a", 3), ("a", 2), ("b", 1), ("c", 9))
    found = prune.plan(store, Named({"a": "the site", "b": "the site"}, {}))
    kept = {record.digest: why for record, why in found.kept}
    assert set(kept) == {digests["a 3"], digests["a 2"], digests["b 1"]}
    assert "youngest of a" in kept[digests["a 3"]]
    assert "rollback" in kept[digests["a 2"]]
    assert {record.digest for record in found.gone} == {digests["a 1"], digests["c 9"]}


def test_a_pinned_digest_stays_however_old_and_what_is_asked_for(tmp_path: Path) -> None:
    store, digests = _store(tmp_path, ("a", 1), ("a", 2), ("a", 3), ("a", 4))
    found = prune.plan(store, Named({}, {digests["a 1"]: "the profile new"}), keep=[digests["a 2"]])
    assert {record.digest: why for record, why in found.kept} == {
        digests["a 1"]: "the profile new pins its digest",
        digests["a 2"]: "asked for",
    }


def test_the_bytes_are_those_that_are_freed(tmp_path: Path) -> None:
    store, _ = _store(tmp_path, ("a", 1), ("a", 2), ("a", 3))

    def size() -> int:
        return sum(path.stat().st_size for path in (store.path / "blobs").rglob("*") if path.is_file())

    found, before = prune.plan(store, Named({"a": "the site"}, {})), size()
    assert found.freed_bytes > 0
    store.prune([record.name for record, _ in found.kept])
    assert before - size() == found.freed_bytes
    assert prune.plan(store, Named({"a": "the site"}, {})).freed_bytes == 0


def test_every_pin_is_asked(tmp_path: Path) -> None:
    (tmp_path / "site.yml").write_text(f"ffmpeg_artifact: sha256:{'1' * 64}\n")
    (tmp_path / "fleet.yml").write_text(
        "schema: 1\nhosts:\n  one:\n    address: 192.0.2.1\n"
        f"    data: {{mesa_dozen_artifact: 'sha256:{'2' * 64}', ffmpeg_build: ffmpeg-8.1.2}}\n"
    )
    named = prune.named_by_pins(load(tmp_path / "site.yml"), tmp_path / "fleet.yml")
    assert named.digests == {f"sha256:{'1' * 64}": "the site", f"sha256:{'2' * 64}": "the host one"}
    assert set(named.builds) == set(load().builds)
    assert named.builds["ffmpeg-8.1.2"] == "the host one"
    assert set(load().builds) >= {load().mesa_dozen_build, load().ffmpeg_build}


def test_nothing_is_decided_on_a_wrong_fleet_file(tmp_path: Path) -> None:
    (tmp_path / "fleet.yml").write_text("schema: 1\nhost: {}\n")
    with pytest.raises(DataError):
        prune.named_by_pins(load(), tmp_path / "fleet.yml")
