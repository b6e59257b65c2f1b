"""The archive of an artifact: the same bytes from the same content, and nothing in it that leads out."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.artifact_samples import make_tree
from wslgpu.build.pack import check_archive, pack
from wslgpu.errors import ErrorClass, WslgpuError


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first = make_tree(tmp_path / "first")
    second = tmp_path / "a" / "longer" / "way" / "to" / "second"
    (second / "bin").mkdir(parents=True)  # made in another order, with other modes and times
    (second / "bin" / "thing").write_bytes(b"#!/bin/sh\n")
    (second / "bin" / "thing").chmod(0o700)
    (second / "lib").mkdir(mode=0o700)
    (second / "lib" / "libthing.so").symlink_to("libthing.so.1")
    (second / "lib" / "libthing.so.1").write_bytes(b"library")
    (second / "lib" / "libthing.so.1").chmod(0o600)
    os.utime(second / "lib" / "libthing.so.1", (1, 1))
    one, other = pack(first, tmp_path / "1.tar", epoch=5), pack(second, tmp_path / "2.tar", epoch=5)
    assert one == other
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert one.files == 3
    assert one.size_bytes == (tmp_path / "1.tar").stat().st_size


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda tree: (tree / "lib" / "libthing.so.1").write_bytes(b"libraRy"), id="a byte"),
        pytest.param(lambda tree: (tree / "bin" / "thing").chmod(0o644), id="no longer a program"),
        pytest.param(lambda tree: (tree / "bin" / "thing").rename(tree / "bin" / "Thing"), id="a name"),
        pytest.param(lambda tree: (tree / "empty").mkdir(), id="an empty folder"),
    ],
)
def test_other_content_gives_another_digest(tmp_path: Path, change: Callable[[Path], object]) -> None:
    tree = make_tree(tmp_path / "tree")
    before = pack(tree, tmp_path / "1.tar")
    change(tree)
    assert pack(tree, tmp_path / "2.tar").digest != before.digest


def test_members_have_one_owner_one_time_and_two_modes(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    long_name = tree / "share" / ("ö" * 100)
    long_name.parent.mkdir()
    long_name.write_bytes(b"x")
    pack(tree, tmp_path / "a.tar", epoch=1234)
    with tarfile.open(tmp_path / "a.tar") as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in members} == {
        (0, 0, "", "", 1234)
    }
    assert {oct(member.mode) for member in members if member.isfile()} == {"0o644", "0o755"}
    assert check_archive(tmp_path / "a.tar") == 4


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", "../.."])
def test_a_link_that_leads_out_is_not_packed(tmp_path: Path, target: str) -> None:
    tree = make_tree(tmp_path / "tree")
    (tree / "lib" / "away").symlink_to(target)
    with pytest.raises(WslgpuError, match="leads out"):
        pack(tree, tmp_path / "a.tar")


def test_what_is_no_file_is_not_packed(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree")
    os.mkfifo(tree / "pipe")
    with pytest.raises(WslgpuError, match="pipe is neither") as caught:
        pack(tree, tmp_path / "a.tar")
    assert caught.value.error_class is ErrorClass.INTEGRITY


def _member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    for key, value in fields.items():
        setattr(member, key, value)
    return member


HOSTILE = {
    "a path upwards": [_member("lib/../../etc/passwd")],
    "an absolute path": [_member("/etc/passwd")],
    "an absolute link": [_member("lib", tarfile.SYMTYPE, linkname="/etc")],
    "a link upwards": [_member("lib/a", tarfile.SYMTYPE, linkname="../../etc")],
    "a file below a link": [_member("lib", tarfile.SYMTYPE, linkname="bin"), _member("lib/a")],
    "a link in place of a folder with files": [_member("lib/a"), _member("lib", tarfile.SYMTYPE, linkname="bin")],
    "links that lead out together": [
        _member("a/b", tarfile.DIRTYPE),
        _member("a/b/up", tarfile.SYMTYPE, linkname="../.."),
        _member("a/b/out", tarfile.SYMTYPE, linkname="up/../x"),
    ],
    "a hard link": [_member("a"), _member("b", tarfile.LNKTYPE, linkname="a")],
    "a device": [_member("a", tarfile.CHRTYPE)],
    "a pipe": [_member("a", tarfile.FIFOTYPE)],
    "a setuid program": [_member("a", mode=0o4755)],
    "a name twice": [_member("a"), _member("a")],
    "a name with a line break": [_member("a\nb")],
    "a header of another kind": [_member("a", pax_headers={"GNU.sparse.major": "1"})],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_41(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_member("good"))
        for member in members:
            tar.addfile(member)
    with pytest.raises(WslgpuError) as caught:
        check_archive(tmp_path / "a.tar")
    assert caught.value.error_class is ErrorClass.SAFETY


def _archive(content: bytes = b"x" * 1000) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(_member("a", size=len(content)), io.BytesIO(content))
    return buffer.getvalue()


def _spoiled_header(data: bytes) -> bytes:
    """A second archive behind a header that tarfile stops at and other programs read past."""
    return data[:1536] + b"\x01" * 512 + data


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: data[:700], id="cut in a file"),
        pytest.param(lambda data: data[:1536], id="without its end"),
        pytest.param(lambda data: data + data, id="two archives, one after the other"),
        pytest.param(_spoiled_header, id="more behind a bad header"),
        pytest.param(lambda _: b"", id="nothing"),
        pytest.param(lambda data: b"\x1f\x8b" + data, id="compressed, or so it says"),
        pytest.param(lambda data: data[:124] + b"z" * 12 + data[136:], id="a size that is no number"),
    ],
)
def test_what_is_no_whole_archive_is_refused_18(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a.tar").write_bytes(_archive())
    assert check_archive(tmp_path / "a.tar") == 1
    (tmp_path / "a.tar").write_bytes(spoil(_archive()))
    with pytest.raises(WslgpuError, match="whole tar") as caught:
        check_archive(tmp_path / "a.tar")
    assert caught.value.error_class is ErrorClass.INTEGRITY


def test_a_header_that_wants_all_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    header = _member("a", tarfile.XHDTYPE, size=4 << 30).tobuf(tarfile.USTAR_FORMAT)
    with (tmp_path / "a.tar").open("wb") as handle:
        handle.write(header)
        handle.truncate((4 << 30) + 4096)  # a hole
    with pytest.raises(WslgpuError, match="no artifact has"):
        check_archive(tmp_path / "a.tar")
