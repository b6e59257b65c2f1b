"""The bundle's file: the same bytes for the same content, and not one bit of it can be changed unseen."""

from __future__ import annotations

import contextlib
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.unit.bundle_samples import lock, plain_bundle
from wslgpu.bundle.archive import Bundle
from wslgpu.bundle.checks import require_lock
from wslgpu.bundle.index import LOCK
from wslgpu.errors import UsageError, WslgpuError

FILES = {
    "packages/debian-13/" + "n" * 120 + ".deb": b"p" * 700,
    "project/deploy.py": b"",
    "bootstrap.sh": b"#!/bin/sh\n",
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return plain_bundle(tmp_path, FILES, lock("http://x"))


def test_any_tar_reads_it(bundle: Path) -> None:
    listed = subprocess.run(["tar", "--list", "--file", bundle], capture_output=True, text=True, check=True).stdout
    names = listed.split()
    assert names[:3] == ["index.json", "bootstrap.sh", LOCK]
    assert sorted(names[3:]) == sorted(set(FILES) - {"bootstrap.sh"})
    with tarfile.open(bundle) as archive:
        for name, content in FILES.items():
            member = archive.extractfile(name)
            assert member is not None
            assert member.read() == content
        assert {(entry.uid, entry.mtime, entry.mode) for entry in archive} == {(0, 1_000_000_000, 0o644)}


def test_members_are_read_in_place(bundle: Path) -> None:
    opened = Bundle(bundle)
    for name, content in FILES.items():
        assert opened.read(name) == content
    with opened.open("bootstrap.sh") as handle:
        assert handle.read(2) == b"#!"
        assert handle.read() == b"/bin/sh\n"
        assert handle.seek(0) == 0
        assert handle.read(100) == b"#!/bin/sh\n"


def test_the_same_content_makes_the_same_file(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    other = dict(reversed(FILES.items()))
    assert plain_bundle(tmp_path / "again", other, lock("http://x")).read_bytes() == bundle.read_bytes()


def test_no_bit_changes_unseen(bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    altered = tmp_path / "altered.tar"
    unseen = []
    for position in range(0, len(whole), 11):
        content = bytearray(whole)
        content[position] ^= 1
        altered.write_bytes(content)
        with contextlib.suppress(WslgpuError):
            Bundle(altered).verify()
            unseen.append(position)
    assert unseen == []


def test_an_altered_member_is_named(bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    place = Bundle(bundle).places["bootstrap.sh"]
    content[place.offset] ^= 1
    bundle.write_bytes(content)
    opened = Bundle(bundle)
    with pytest.raises(WslgpuError, match=r"bootstrap\.sh") as raised:
        opened.verify()
    assert (raised.value.error_class.value, raised.value.exit_code) == ("integrity", 1)
    with pytest.raises(WslgpuError, match=r"bootstrap\.sh in it has other bytes"):
        opened.read("bootstrap.sh")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_part_of_a_bundle_is_none(bundle: Path, share: float) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WslgpuError) as raised:
        Bundle(bundle)
    assert (raised.value.error_class.value, raised.value.exit_code) == ("integrity", 1)


def test_what_hangs_behind_it_is_refused(bundle: Path) -> None:
    bundle.write_bytes(bundle.read_bytes() + b"\0" * 512)
    with pytest.raises(WslgpuError, match="and its index makes"):
        Bundle(bundle)


def test_other_files_are_no_bundles(tmp_path: Path) -> None:
    tar = tmp_path / "other.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(__file__, "index.json")
    for path in (tar, Path(__file__)):
        with pytest.raises(WslgpuError) as raised:
            Bundle(path)
        assert raised.value.error_class.value == "integrity"
    with pytest.raises(UsageError, match="cannot be read"):
        Bundle(tmp_path / "nowhere.tar")


def test_a_later_schema_asks_for_a_later_wslgpu(tmp_path: Path) -> None:
    tar = tmp_path / "later.tar"
    later = tmp_path / "index.json"
    later.write_text('{"kind": "wslgpu-bundle", "schema": 2, "tool_version": "9.9"}')
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.add(later, "index.json")
    with pytest.raises(WslgpuError, match=r"made by wslgpu 9\.9.*Upgrade") as raised:
        Bundle(tar)
    assert raised.value.exit_code == 2


def test_another_locks_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    opened = Bundle(bundle)
    require_lock(opened, tmp_path / LOCK)
    (tmp_path / LOCK).write_text("other")
    with pytest.raises(UsageError, match="is a bundle of another lock") as raised:
        require_lock(opened, tmp_path / LOCK)
    assert opened.index.lock[:19] in raised.value.what
