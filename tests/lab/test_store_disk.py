"""The artifact store on disks that are full, read-only, or out of inodes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.artifact_samples import Sample, make_sample
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.store import blobs
from wslgpu.store.folder import Store

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")]

Mounted = Callable[[str], Path]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mounted]:
    """``mounted("size=1m")``: a small file system of its own, gone at the end."""
    places: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "wslgpu-test", place], check=True, timeout=30)
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", place], check=True, timeout=30)


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "sample", content=os.urandom(3_000_000))


def add(store: Store, sample: Sample) -> None:
    store.add(sample.record, sample.archive, sample.bill, sample.provenance)


def leftovers(store: Store) -> list[Path]:
    return [path for path in store.path.rglob(".*") if path.is_file()]


def test_a_full_disk_is_refused_before_anything_is_written_20(mounted: Mounted, sample: Sample) -> None:
    store = Store(mounted("size=2m") / "store")
    with pytest.raises(WslgpuError, match="no room") as caught:
        add(store, sample)
    assert caught.value.error_class is ErrorClass.PLATFORM
    assert "bytes are needed" in caught.value.what
    assert store.records() == []
    assert blobs.digests(store.path) == []


def test_a_disk_that_fills_up_in_the_middle_20(
    mounted: Mounted, sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room was there when it was asked for, and somebody else took it."""
    monkeypatch.setattr(blobs, "require_room", lambda *_: None)
    small = make_sample(tmp_path / "small", content=b"small")
    store = Store(mounted("size=2m") / "store")
    add(store, small)
    with pytest.raises(WslgpuError, match="no room") as caught:
        add(store, sample)
    assert "wslgpu store prune" in caught.value.next_step
    assert store.records() == [small.record]
    assert store.verify() == []
    assert leftovers(store) == []
    assert not blobs.path_of(store.path, sample.record.digest).exists()


def test_no_inodes_21(mounted: Mounted, tmp_path: Path) -> None:
    small = make_sample(tmp_path / "small", content=b"small")
    store = Store(mounted("size=32m,nr_inodes=8") / "store")
    with pytest.raises(WslgpuError, match="no room"):
        add(store, small)
    assert store.records() == []


def test_a_read_only_store_gives_and_does_not_take(mounted: Mounted, sample: Sample, tmp_path: Path) -> None:
    disk = mounted("size=64m")
    store = Store(disk / "store")
    add(store, sample)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True, timeout=30)
    again = Store(disk / "store")
    assert again.records() == [sample.record]
    assert again.open_archive(sample.record).read_bytes() == sample.archive.read_bytes()
    assert again.verify() == []
    other = make_sample(tmp_path / "other", content=b"other")
    for change in (lambda: add(again, other), lambda: again.remove([sample.record.name]), lambda: again.prune([])):
        with pytest.raises(WslgpuError, match="may not be written") as caught:
            change()
        assert "WSLGPU_STORE_DIR" in caught.value.next_step
    assert again.records() == [sample.record]


def test_corruption_in_a_read_only_store_is_still_never_given_out(mounted: Mounted, sample: Sample) -> None:
    disk = mounted("size=64m")
    store = Store(disk / "store")
    add(store, sample)
    store.open_archive(sample.record).write_bytes(b"other")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True, timeout=30)
    for _ in range(2):
        with pytest.raises(WslgpuError, match="corrupted") as caught:
            store.open_archive(sample.record)
        assert caught.value.error_class is ErrorClass.INTEGRITY
        assert "could not be set aside" in caught.value.next_step
    (found,) = store.verify()
    assert found.name == sample.record.name
