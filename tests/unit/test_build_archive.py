"""Archives: what is unpacked and how, and that nothing of an unsafe or damaged one ever is (row 41)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.unit.hostile_archives import IN_ZIP, TOP, UNSAFE, WRITERS, Entry, deb, made, tar, zipped
from wslgpu.build.archive import unpack
from wslgpu.build.archive_check import leads_out
from wslgpu.build.archive_members import ArchiveError
from wslgpu.errors import ErrorClass

GOOD = (
    Entry("thing-1.0", "d", mode=0o2755, mtime=1_500_000_000),
    Entry("thing-1.0/configure", content=b"#!/bin/sh\n", mode=0o775),
    Entry("thing-1.0/src/main.c", content=b"int main;\n" * 200_000, mode=0o600, mtime=1_234_567_890),
    Entry("thing-1.0/src/empty", content=b""),
    Entry("thing-1.0/link", "l", target="src/main.c"),
    Entry("thing-1.0/src/up", "l", target="../configure"),
    Entry("thing-1.0/src/dangling", "l", target="../not/there"),
)
HARD = Entry("thing-1.0/same", "h", target="thing-1.0/configure")


def refused(archive: Path, target: Path, **options: int) -> ArchiveError:
    """The error, after a look whether anything was left."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(ArchiveError) as caught:
        unpack(archive, target, **options)
    assert not os.path.lexists(target)
    assert sorted(archive.parent.rglob("*")) == before
    return caught.value


def assert_good(target: Path) -> None:
    main = target / "src/main.c"
    assert main.read_bytes() == b"int main;\n" * 200_000
    assert main.stat().st_mode & 0o7777 == 0o644
    assert main.stat().st_mtime == 1_234_567_890
    assert (target / "configure").stat().st_mode & 0o7777 == 0o755
    assert (target / "src/empty").read_bytes() == b""
    assert (target / "link").readlink() == Path("src/main.c")
    assert (target / "src/up").read_bytes() == b"#!/bin/sh\n"
    assert (target / "src/dangling").is_symlink()
    assert {path.stat(follow_symlinks=False).st_uid for path in target.rglob("*")} == {os.geteuid()}
    for folder in (target, target / "src"):
        assert folder.stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_tar_is_unpacked_without_its_top_folder(tmp_path: Path, suffix: str) -> None:
    unpack(tar(tmp_path / f"thing{suffix}", *GOOD, HARD), tmp_path / "sub" / "tree")
    assert_good(tmp_path / "sub" / "tree")
    assert (tmp_path / "sub/tree/same").samefile(tmp_path / "sub/tree/configure")
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["tree"]


@pytest.mark.lab  # make setup installs the program for the lab's tests alone
def test_zstd(tmp_path: Path) -> None:
    plain = tar(tmp_path / "thing.tar", *GOOD)
    subprocess.run(["zstd", "-q", str(plain), "-o", str(tmp_path / "thing.tar.zst")], check=True)
    unpack(tmp_path / "thing.tar.zst", tmp_path / "tree")
    assert_good(tmp_path / "tree")
    content = (tmp_path / "thing.tar.zst").read_bytes()
    (tmp_path / "cut.tar.zst").write_bytes(content[: len(content) // 2])
    assert refused(tmp_path / "cut.tar.zst", tmp_path / "cut").error_class is ErrorClass.INTEGRITY


def test_without_the_program_zstd_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 100)
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(tmp_path / "x.tar.zst", tmp_path / "tree")
    assert "zstd" in error.what
    assert error.next_step == "apt-get install zstd"


def test_a_zip_is_unpacked_without_its_top_folder(tmp_path: Path) -> None:
    entries = [Entry(e.name, e.kind, e.content, e.target, e.mode, e.mtime) for e in GOOD]
    unpack(zipped(tmp_path / "thing.zip", *entries), tmp_path / "tree")
    os.utime(tmp_path / "tree/src/main.c", (1_234_567_890, 1_234_567_890))
    assert_good(tmp_path / "tree")
    assert (tmp_path / "tree/configure").stat().st_mtime == 1_600_000_000


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_deb_keeps_its_folders(tmp_path: Path, suffix: str) -> None:
    data = tar(tmp_path / f"data{suffix}", Entry("./", "d"), Entry("./usr", "d"), Entry("./usr/include/x.h"))
    unpack(deb(tmp_path / "x_1_amd64.deb", data), tmp_path / "tree")
    assert (tmp_path / "tree/usr/include/x.h").read_bytes() == b"content\n"


def test_a_wheel_keeps_its_folders(tmp_path: Path) -> None:
    unpack(zipped(tmp_path / "x-1-py3-none-any.whl", Entry("x/__init__.py"), Entry("x/a.py")), tmp_path / "tree")
    assert (tmp_path / "tree/x/a.py").exists()


@pytest.mark.parametrize(
    "entries",
    [(Entry("a"), Entry("b/c")), (Entry("a"),), (Entry("./a"), Entry("./b"))],
    ids=["two tops", "a file alone", "no top"],
)
def test_without_a_single_top_folder_nothing_is_taken_away(tmp_path: Path, entries: tuple[Entry, ...]) -> None:
    unpack(tar(tmp_path / "x.tar", *entries), tmp_path / "tree")
    assert (tmp_path / "tree/a").exists()


def test_a_folder_may_come_twice(tmp_path: Path) -> None:
    unpack(tar(tmp_path / "x.tar", TOP, Entry("top/a"), TOP, Entry("top/b")), tmp_path / "tree")
    assert sorted(path.name for path in (tmp_path / "tree").iterdir()) == ["a", "b"]


def test_an_empty_folder_may_be_there_and_nothing_else(tmp_path: Path) -> None:
    archive = tar(tmp_path / "x.tar", TOP, Entry("top/a"))
    (tmp_path / "tree").mkdir()
    unpack(archive, tmp_path / "tree")
    for target in (tmp_path / "tree", archive):
        with pytest.raises(ArchiveError) as caught:
            unpack(archive, target)
        assert caught.value.exit_code == 2
    assert (tmp_path / "tree/a").exists()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ArchiveError):
        unpack(archive, tmp_path / "link")


@pytest.mark.parametrize("python", ["with its own rules", "without"])
@pytest.mark.parametrize("case", UNSAFE)
def test_row_41_an_unsafe_tar_is_refused_before_anything_is_written(
    tmp_path: Path, case: str, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if python == "without":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    assert_refused_as_unsafe(tmp_path, made(case, tar, place(tmp_path, "x.tar.gz"), tmp_path / "out"), case)


@pytest.mark.parametrize("case", UNSAFE)
def test_row_41_an_unsafe_deb_is_refused(tmp_path: Path, case: str) -> None:
    if case == "link above the folder that is taken away":
        return  # a deb's is not
    data = made(case, tar, place(tmp_path, "data.tar.xz"), tmp_path / "out")
    assert_refused_as_unsafe(tmp_path, deb(data.with_name("x.deb"), data), case)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", IN_ZIP)
def test_row_41_an_unsafe_zip_is_refused(tmp_path: Path, case: str) -> None:
    assert_refused_as_unsafe(tmp_path, made(case, zipped, place(tmp_path, "x.zip"), tmp_path / "out"), case)


def place(tmp_path: Path, name: str) -> Path:
    """A folder for the archive, beside one with a canary."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/canary").write_text("alive")
    (tmp_path / "in").mkdir()
    return tmp_path / "in" / name


def assert_refused_as_unsafe(tmp_path: Path, archive: Path, case: str) -> None:
    error = refused(archive, tmp_path / "in" / "tree")
    assert (error.error_class, error.exit_code) == (ErrorClass.SAFETY, 1)
    assert UNSAFE[case][1] in error.what
    assert "Nothing of it was unpacked" in error.next_step
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["canary"]
    assert (tmp_path / "out/canary").read_text() == "alive"


@pytest.mark.parametrize(
    ("target", "out"),
    [
        ("x", False),
        ("../x", False),
        ("../../x", True),
        ("./../a/../../x", True),
        ("../up/../x", True),
        ("../here/x", False),
        ("../circle/x", False),
        ("../absolute/x", True),
        ("..", False),
        ("../..", True),
    ],
)
def test_links_are_followed_as_the_kernel_does(target: str, out: bool) -> None:
    links = {
        ("a", "link"): target,
        ("up",): "a/..",
        ("here",): "a",
        ("circle",): "circle",
        ("absolute",): "/etc",
    }
    assert leads_out(("a", "link"), links) is out


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz", ".tar.bz2"])
def test_a_bomb_is_bounded(tmp_path: Path, suffix: str) -> None:
    bomb = tar(tmp_path / f"bomb{suffix}", TOP, Entry("top/zero", content=b"\0" * 20_000_000))
    assert bomb.stat().st_size < 100_000
    error = refused(bomb, tmp_path / "tree", limit_bytes=10_000_000)
    assert (error.error_class, error.exit_code) == (ErrorClass.SAFETY, 1)
    assert "unpacks to more than 10,000,000 bytes" in str(error)


def test_a_zip_bomb_is_bounded(tmp_path: Path) -> None:
    bomb = zipped(tmp_path / "bomb.zip", *(Entry(f"zero{number}", content=b"\0" * 1_000_000) for number in range(20)))
    error = refused(bomb, tmp_path / "tree", limit_bytes=10_000_000)
    assert error.error_class is ErrorClass.SAFETY


def test_a_header_that_says_it_is_huge_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 33
    (tmp_path / "x.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT))
    error = refused(tmp_path / "x.tar", tmp_path / "tree")
    assert error.error_class is ErrorClass.SAFETY
    assert "header of 8,589,934,592 bytes" in str(error)


@pytest.mark.parametrize("name", [*(f"x{suffix}" for suffix in WRITERS), "x.zip", "x.deb"])
def test_a_truncated_archive_is_damaged(tmp_path: Path, name: str) -> None:
    contents = os.urandom(200_000)
    entries = (TOP, Entry("top/a", content=contents), Entry("top/b", content=contents))
    if name == "x.zip":
        archive = zipped(tmp_path / "whole.zip", *entries)
    elif name == "x.deb":
        archive = deb(tmp_path / "whole.deb", tar(tmp_path / "data.tar.xz", *entries))
    else:
        archive = tar(tmp_path / f"whole{name[1:]}", *entries)
    content = archive.read_bytes()
    for share in (0.0, 0.1, 0.6):
        (tmp_path / name).write_bytes(content[: int(len(content) * share)])
        error = refused(tmp_path / name, tmp_path / "tree")
        assert (error.error_class, error.exit_code) == (ErrorClass.INTEGRITY, 1), share


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar.xz", "x.tar.bz2", "x.zip"])
def test_a_flipped_byte_in_the_contents_is_damage(tmp_path: Path, name: str) -> None:
    make = zipped if name == "x.zip" else tar
    archive = make(tmp_path / name, TOP, Entry("top/a", content=os.urandom(100_000)))
    content = bytearray(archive.read_bytes())
    content[50_000] ^= 0xFF
    archive.write_bytes(content)
    assert refused(archive, tmp_path / "tree").error_class is ErrorClass.INTEGRITY


def test_an_encrypted_zip_is_no_traceback(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", Entry("a"))
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    archive.write_bytes(content)
    assert "encrypted" in str(refused(archive, tmp_path / "tree"))


@pytest.mark.parametrize("name", ["x.rar", "x", "x.tar.gz.asc.txt"])
def test_an_unknown_form_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    error = refused(tmp_path / name, tmp_path / "tree")
    assert error.exit_code == 2
    assert "Known: .tar" in error.next_step


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar", "x.deb", "x.zip", "x.tar.zst"])
def test_a_login_page_is_no_archive(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"<html>Please log in</html>" * 100)
    assert refused(tmp_path / name, tmp_path / "tree").error_class is ErrorClass.INTEGRITY


def test_an_empty_archive_is_damaged(tmp_path: Path) -> None:
    assert refused(tar(tmp_path / "x.tar"), tmp_path / "tree").error_class is ErrorClass.INTEGRITY
    with zipfile.ZipFile(tmp_path / "x.zip", "w"):
        pass
    assert refused(tmp_path / "x.zip", tmp_path / "tree").error_class is ErrorClass.INTEGRITY


def test_what_tar_and_zip_themselves_write_is_unpacked_the_same(tmp_path: Path) -> None:
    tree = tmp_path / "thing-1.0"
    (tree / "deep/er").mkdir(parents=True)
    (
        tree / "deep/er/long name with ü and a length of more than a hundred characters, so that headers are needed "
        "which are longer"
    ).write_bytes(b"x" * 3000)
    (tree / "deep/link").symlink_to("er")
    os.link(next((tree / "deep/er").iterdir()), tree / "hard")
    (tree / "holes").write_bytes(b"")
    os.truncate(tree / "holes", 1 << 20)
    for form in ("gnu", "pax", "ustar"):
        archive = tmp_path / f"{form}.tar.gz"
        done = subprocess.run(
            ["tar", f"--format={form}", "--sparse" if form != "ustar" else "--totals", "-czf", archive, "thing-1.0"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        if form == "ustar" and done.returncode:
            continue  # it has no room for such names
        unpack(archive, tmp_path / form)
        different = subprocess.run(["diff", "-r", "--no-dereference", tree, tmp_path / form], capture_output=True)
        assert different.returncode == 0, different.stdout
    shutil.rmtree(tree)


def test_a_link_in_a_zip_is_no_longer_than_a_name(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "x.zip", Entry("link", "l", target="x" * 10_000), Entry("b"))
    assert refused(archive, tmp_path / "tree").error_class is ErrorClass.SAFETY
