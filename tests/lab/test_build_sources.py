"""Sources from the distribution: from a small archive of our own that can be broken, and from Debian's as it is today;
and disks that fill up while sources come. Nothing here names a version that Debian must have."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.lab.support.debian_archive import DebianArchive, debian_archive
from tests.unit.hostile_archives import Entry, tar
from tests.unit.source_server import CONTENT, DIGEST, OTHER, pin, serving
from wslgpu.build import apt_folder, distribution
from wslgpu.build.archive import unpack
from wslgpu.build.distribution import find
from wslgpu.build.fetch import cached_place, fetch
from wslgpu.build.pins import DebianOrigin, SourcePin
from wslgpu.build.rows import row_of
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.lab.faults import Fault
from wslgpu.project import PROJECT_ROOT

pytestmark = pytest.mark.lab

ORIGIN = DebianOrigin(release="trixie", package="thing")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSLGPU_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[DebianArchive]:
    with tempfile.TemporaryDirectory(prefix="wlgpg-") as home, debian_archive(tmp_path / "www", Path(home)) as made:
        made.add("thing", "1:1.0-2", "thing_1.0.orig.tar.xz", CONTENT)
        monkeypatch.setattr(apt_folder, "KEYRING", made.keyring)
        monkeypatch.setattr(apt_folder, "RETRIES", 0)
        monkeypatch.setattr(distribution, "candidates", lambda release: [[(made.address, release)]])
        yield made


def wanted(**changes: object) -> SourcePin:
    return pin(**changes).model_copy(update={"urls": [], "debian": ORIGIN})


def refused(source: SourcePin) -> WslgpuError:
    with pytest.raises(WslgpuError) as caught:
        fetch(source, progress=lambda _: None)
    assert not cached_place(source).exists()
    return caught.value


def test_a_source_is_found_by_its_hash_in_the_signed_index(archive: DebianArchive) -> None:
    archive.add("thing", "1:1.1-1", "thing_1.1.orig.tar.xz", b"newer")
    archive.add("things", "9-1", "things_9.orig.tar.xz", b"another package")
    assert [file.version for file in find("trixie", "thing")] == ["1:1.1-1", "1:1.0-2"]
    file = fetch(wanted(), progress=lambda _: None)
    assert file.read_bytes() == CONTENT
    asked = len(archive.source.server.asked)
    assert find("trixie", "nonesuch") == []
    assert len(archive.source.server.asked) == asked, "the index is kept for an hour"


def test_what_the_archive_dropped_is_named_with_what_it_has_now(archive: DebianArchive, cache: Path) -> None:
    assert find("trixie", "thing")
    archive.remove("thing")
    archive.add("thing", "1:1.1-1", "thing_1.1.orig.tar.xz", b"newer")
    os.utime(cache / "apt/trixie-source/updated", (0, 0))
    error = refused(wanted())
    assert (error.error_class, error.exit_code) == (ErrorClass.PLATFORM, 1)
    assert "1:1.1-1" in str(error)


def test_fault_18_a_file_that_is_not_what_the_index_says(archive: DebianArchive) -> None:
    archive.source.faults.set("/debian/pool", Fault(flip_byte=True))
    error = refused(wanted())
    assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1)
    archive.source.faults.clear()
    assert fetch(wanted(), progress=lambda _: None).read_bytes() == CONTENT


def test_fault_17_a_pin_that_the_archive_does_not_bear_out(archive: DebianArchive) -> None:
    error = refused(wanted(sha256=OTHER))
    assert "has no such file" in str(error)
    assert not any("pool" in request["path"] for request in archive.source.server.asked)


def test_fault_14_an_index_that_was_edited_after_it_was_signed(archive: DebianArchive) -> None:
    index = archive.source.folder / "debian/dists/trixie/main/source/Sources"
    index.write_text(index.read_text().replace(DIGEST, OTHER))
    error = refused(wanted(sha256=OTHER))
    assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1)


def test_fault_12_an_index_that_another_key_signed(archive: DebianArchive, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="wlgpg-") as home, debian_archive(tmp_path / "other", Path(home)) as other:
        archive.keyring.write_bytes(other.keyring.read_bytes())
    error = refused(wanted())
    assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1)


def test_debians_own_archive(tmp_path: Path) -> None:
    """What it has today is found, fetched, compared and unpacked, in the cache that builds use as well."""
    found = find("trixie", "nv-codec-headers")
    assert found
    _, source = row_of(found[0])
    file = fetch(source, progress=lambda _: None)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == found[0].sha256
    unpack(file, tmp_path / "tree")
    assert (tmp_path / "tree/include/ffnvcodec/nvEncodeAPI.h").exists()


def test_somebody_without_root_can_do_it_too(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="wslgpu-nobody-"))
    os.chown(folder, 65534, 65534)
    # the right to look into folders, since Python itself may lie in one of root's
    capability = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    person = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *capability]
    command = [
        sys.executable,
        "-m",
        "wslgpu.cli",
        "sources",
        "row",
        "trixie",
        "wayland-protocols",
        "--binary",
        "--fetch",
    ]
    environment = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("WSLGPU_CACHE_DIR", None)
    try:
        done = subprocess.run(
            [*person, *command], cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        ((_, row),) = yaml.safe_load(done.stdout).items()
        assert row["verified"] is True
        place = folder / "wslgpu/sources/sha256" / row["sha256"] / row["file"]
        assert hashlib.sha256(place.read_bytes()).hexdigest() == row["sha256"]
        assert place.stat().st_uid == 65534
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "wslgpu-test", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_fault_20_a_disk_that_fills_up_while_a_source_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "served") as source, small_disk(tmp_path / "disk", "size=600k") as disk:
        monkeypatch.setenv("WSLGPU_CACHE_DIR", str(disk))
        source.faults.set("/", Fault(bytes_per_s=300_000))
        wanted_now = pin(source.put())
        partial = disk / "sources/partial" / f"{DIGEST}.part"

        def fill() -> None:
            while not (partial.exists() and partial.stat().st_size):
                time.sleep(0.005)
            subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler", "bs=4k"], capture_output=True, check=False)

        filling = threading.Thread(target=fill)
        filling.start()
        error = refused(wanted_now)
        filling.join()
        assert error.exit_code == 1
        assert "disk is full" in str(error)
        (disk / "filler").unlink()
        source.faults.clear()
        assert fetch(wanted_now, progress=lambda _: None).read_bytes() == CONTENT


@pytest.mark.parametrize("options", ["size=400k", "size=4m,nr_inodes=50"], ids=["fault 20: bytes", "fault 21: inodes"])
def test_a_disk_that_fills_up_while_an_archive_is_unpacked(tmp_path: Path, options: str) -> None:
    archive = tar(tmp_path / "many.tar.gz", *(Entry(f"top/{number}", content=b"x") for number in range(200)))
    with small_disk(tmp_path / "disk", options) as disk:
        with pytest.raises(WslgpuError) as caught:
            unpack(archive, disk / "tree")
        assert "disk is full" in str(caught.value)
        assert "inodes are free" in str(caught.value)
        assert list(disk.iterdir()) == []
