"""Whether a machine can build: places that cannot be built in, locks, and where a limit was set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from wslgpu.build.errors import BuildError, named_trouble
from wslgpu.build.locks import build_lock, held_by_nobody, holder, is_free
from wslgpu.build.machine import require_no_windows_drive, require_room, require_writable
from wslgpu.errors import UsageError
from wslgpu.probe.node.files import parse_mountinfo

# recorded in a WSL2 distro; the last line stands for a FUSE mount, as the lab's stand-in for a Windows drive is
MOUNTS = parse_mountinfo(
    r"""77 60 8:32 / / rw,relatime - ext4 /dev/sdc rw,discard,errors=remount-ro,data=ordered
78 77 0:29 / /mnt/wsl rw,relatime shared:1 - tmpfs none rw
90 77 0:53 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync,aname=drvfs;path=C:\;uid=1000;gid=1000;symlinkroot=/mnt/,mmap
91 77 0:54 / /mnt/d rw,noatime - virtiofs drvfs2 rw
92 77 0:55 / /mnt/e rw,noatime - fuse.drvfs E:\134 rw
"""
)


@pytest.mark.parametrize(
    ("place", "kind"), [("/mnt/c/work", "9p"), ("/mnt/d", "virtiofs"), ("/mnt/e/x/y", "fuse.drvfs")]
)
def test_a_windows_drive_is_no_place_to_build_54(place: str, kind: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_no_windows_drive(Path(place), MOUNTS)
    assert f"({kind} at {place[:6]})" in caught.value.what
    assert "WSLGPU_CACHE_DIR" in caught.value.next_step
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("place", ["/var/cache/wslgpu", "/mnt/cache", "/mnt/wsl/x"])
def test_other_places_are_54(place: str) -> None:
    require_no_windows_drive(Path(place), MOUNTS)


def test_a_link_to_a_windows_drive_is_one_54(tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to("/mnt/c/cache")
    with pytest.raises(UsageError):
        require_no_windows_drive(tmp_path / "cache" / "wslgpu", MOUNTS)


def test_room_is_asked_for_with_both_numbers(tmp_path: Path) -> None:
    require_room(tmp_path, 1, "building x")
    with pytest.raises(BuildError, match=r"GB are free, building x needs 1000000000\.0 GB|MB are free"):
        require_room(tmp_path, 10**18, "building x")


def test_a_store_that_does_not_exist_yet_is_judged_by_what_does(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b", "the store")
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="the store cannot be written"):
        require_writable(tmp_path / "file" / "store", "the store")


def test_trouble_with_files_becomes_one_line(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught, named_trouble("packing", tmp_path):
        (tmp_path / "no" / "such").write_text("")
    assert caught.value.what == "packing failed: No such file or directory"
    assert caught.value.where == str(tmp_path / "no" / "such")
    with (
        pytest.raises(BuildError, match=r"the disk is full: packing could not be finished; .* are free"),
        named_trouble("packing", tmp_path),
    ):
        raise OSError(28, "No space left on device")


def test_a_lock_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    assert is_free(lock)
    with build_lock(lock, "x-1", lambda _: None) as waited:
        assert not waited
        assert not is_free(lock)
        assert "which has been building x-1 since" in holder(lock)
        assert json.loads(lock.read_text())["what"] == "x-1"
        with held_by_nobody(lock) as free:
            assert not free
    assert not lock.exists()
    lock.write_text("half")
    assert holder(lock) == "another builder"


def test_who_waits_for_a_lock_gets_it_when_the_holder_dies(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    code = (
        "import sys, time, pathlib\nfrom wslgpu.build.locks import build_lock\n"
        f"with build_lock(pathlib.Path({str(lock)!r}), 'x-1', print):\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    said: list[str] = []
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"

        def waiting(line: str) -> None:
            said.append(line)
            other.kill()

        with build_lock(lock, "x-1", waiting) as waited:
            assert waited
    assert f"waiting for process {other.pid} of user" in said[0]
