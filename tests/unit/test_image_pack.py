"""A tree as a .wsl file: the same bytes for the same tree, and nothing of the machine it was made on."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import tarfile
from pathlib import Path

import pytest

from wslgpu.errors import ErrorClass
from wslgpu.image.errors import ImageError
from wslgpu.image.normalise import DAY_S, newest_change, normalise, set_days
from wslgpu.image.pack import pack
from wslgpu.image.parts import Part, add, icon, parts

EPOCH = 1_760_000_000


def tree(root: Path) -> Path:
    """A few files of all kinds, in an order of making of its own."""
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/sudo").write_bytes(b"program")
    (root / "usr/bin/sudo").chmod(0o4755)
    (root / "etc").mkdir()
    (root / "etc/shadow").write_text("root:*:20370:0:99999:7:::\n")
    (root / "etc/shadow").chmod(0o640)
    (root / "usr/B").write_text("b")
    (root / "usr/a").write_text("a")
    (root / "usr/ä").symlink_to("a")
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/a b").hardlink_to(root / "usr/a")
    return root


def packed(root: Path, target: Path) -> tuple[str, bytes]:
    return pack(root, target, epoch=EPOCH).sha256, target.read_bytes()


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tree(tmp_path / "one"), tmp_path / "two"
    shutil.copytree(first, second, symlinks=True)  # other inodes, other order, no hard link
    for path, time in ((second / "usr/a", EPOCH + 500), (second / "usr", EPOCH + 500), (second / "etc", EPOCH - 500)):
        os.utime(path, (time, time))
    digest, data = packed(first, tmp_path / "first.wsl")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    before = os.umask(0o077)
    try:
        again = packed(second, tmp_path / "second of another name.wsl")
    finally:
        os.umask(before)
    assert again == (digest, data)
    assert digest == hashlib.sha256(data).hexdigest()


def test_what_is_kept_and_what_is_not(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    os.utime(root / "usr/B", (EPOCH - 5, EPOCH - 5))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "etc/s"))
    result = pack(root, tmp_path / "x.wsl", epoch=EPOCH)
    data = (tmp_path / "x.wsl").read_bytes()
    assert data[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff", "neither a name nor a time"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        members = {member.name: member for member in archive}
    assert list(members) == sorted(members, key=lambda name: [part.encode() for part in name.split("/")])
    assert "etc/s" not in members, "a socket is no file"
    assert result.members == len(members)
    assert members["usr/bin/sudo"].mode == 0o4755
    assert members["usr/a b"].isreg(), "a hard link is a file of its own"
    assert members["usr/ä"].linkname == "a"
    assert {member.mtime for member in members.values()} == {EPOCH}, "older ones tell of the kept base system"
    assert {(member.uname, member.gname) for member in members.values()} == {("", "")}


def test_a_capability_of_a_program_is_kept(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    capability = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw=ep, as setcap writes it
    try:
        os.setxattr(root / "usr/bin/sudo", "security.capability", capability)
    except PermissionError:
        assert os.geteuid() != 0, "root may set capabilities"
        return
    pack(root, tmp_path / "x.wsl", epoch=EPOCH)
    with tarfile.open(tmp_path / "x.wsl") as archive:
        kept = archive.getmember("usr/bin/sudo").pax_headers["SCHILY.xattr.security.capability"]
    assert kept.encode("utf-8", "surrogateescape") == capability


@pytest.mark.parametrize("where", ["content", "between pieces", "name"])
def test_what_gives_the_builder_away_is_refused(tmp_path: Path, where: str) -> None:
    root = tree(tmp_path / "root")
    if where == "name":
        (root / "etc/at-builder.example").write_text("")
    else:
        piece = 16 * 1024  # tarfile's own
        (root / "etc/x").write_bytes(
            bytes(piece - 4 if where == "between pieces" else 9) + b"builder.example" + bytes(9)
        )
    with pytest.raises(ImageError) as caught:
        pack(root, tmp_path / "x.wsl", epoch=EPOCH, forbidden=(b"builder.example",))
    assert caught.value.error_class is ErrorClass.SAFETY
    assert "builder.example" in str(caught.value)


def test_normalising_empties_what_is_of_one_machine(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    gone = [
        "etc/hostname",
        "etc/ssh/ssh_host_rsa_key",
        "root/.ssh/authorized_keys",
        "var/log/apt/term.log",
        "var/log/journal/0123/system.journal",
        "var/lib/apt/lists/deb_InRelease",
        "var/cache/apt/pkgcache.bin",
        "var/lib/systemd/random-seed",
        "etc/passwd-",
        "usr/lib/python3/__pycache__/x.pyc",
        "run/x",
        "tmp/.x",
        "var/lib/containerd/meta.db",
    ]
    kept = ["usr/lib/python3/x.py", "var/lib/dpkg/status", "etc/ssh/sshd_config"]
    for name in (*gone, *kept):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "etc/machine-id").write_text("0123\n")
    normalise(root, EPOCH)
    assert [name for name in gone if (root / name).exists()] == []
    assert [name for name in kept if not (root / name).exists()] == []
    assert (root / "etc/machine-id").read_bytes() == b""
    assert os.readlink(root / "var/lib/dbus/machine-id") == "/etc/machine-id"  # noqa: PTH115
    assert (root / "var/log/apt").is_dir(), "packages expect their folder"
    assert (root / "run").is_dir()
    normalise(root, EPOCH)  # a second time changes nothing and fails at nothing


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (root / "etc/machine-id").symlink_to(outside / "precious")
    (root / "var").mkdir()
    (root / "var/tmp").symlink_to(outside)
    (root / "tmp").mkdir()
    (root / "tmp/x").symlink_to(outside)
    normalise(root, EPOCH)
    assert (outside / "precious").read_text() == "x"


def test_the_day_of_a_passwords_change(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.write_text("root:*:20000:0:99999:7:::\nsshd:!:20783::::::\nodd:*\nnever:*::0:99999:7:::\n")
    shadow.chmod(0o640)
    set_days(shadow, EPOCH)
    day = EPOCH // DAY_S
    assert shadow.read_text() == (f"root:*:{day}:0:99999:7:::\nsshd:!:{day}::::::\nodd:*\nnever:*::0:99999:7:::\n")
    assert shadow.stat().st_mode & 0o777 == 0o640


def test_a_manifest_says_neither_who_built_nor_when(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    place = root / "var/lib/wslgpu/manifest.json"
    place.parent.mkdir(parents=True)
    component = {"at": "2026-11-26T01:38:07Z", "files": {"/x": {"kind": "file"}}}
    place.write_text(json.dumps({"by": "ada@desk", "serial": 19, "at": "x", "components": {"base": component}}))
    place.chmod(0o600)
    normalise(root, EPOCH)
    document = json.loads(place.read_text())
    assert document["by"] == "image"
    assert document["at"] == document["components"]["base"]["at"] == "2025-10-09T08:53:20Z"
    assert document["components"]["base"]["files"] == component["files"]
    assert place.stat().st_mode & 0o777 == 0o600


def test_the_youngest_package_decides_the_time_where_nothing_else_does(tmp_path: Path) -> None:
    for name, when in (("a", EPOCH - 9), ("b", EPOCH)):
        path = tmp_path / f"usr/share/doc/{name}/changelog.Debian.gz"
        path.parent.mkdir(parents=True)
        path.write_text("")
        os.utime(path, (when, when))
    (tmp_path / "etc").mkdir()
    assert newest_change(tmp_path) == EPOCH


def test_parts_are_added_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.write_text("x")
    (tmp_path / "etc/wsl.conf").symlink_to(outside)
    before = os.umask(0o077)
    try:
        add(tmp_path, parts(name="n", wsl_conf={"boot": {"systemd": True}}, cloud_init=False))
        add(tmp_path, [Part("/etc/wsl.conf", b"[boot]\nsystemd=true\n")])
    finally:
        os.umask(before)
    assert outside.read_text() == "x"
    assert (tmp_path / "etc/wsl.conf").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "usr/libexec/wsl").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "usr/libexec/wsl/oobe.sh").stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "etc/cloud").exists()
    assert "no WSL data source" in (tmp_path / "etc/wsl-distribution.conf").read_text()


def test_the_icon_is_one_picture_of_the_size_that_it_states() -> None:
    data = icon()
    assert data[:6] == b"\0\0\1\0\1\0"
    length, offset = int.from_bytes(data[14:18], "little"), int.from_bytes(data[18:22], "little")
    assert offset + length == len(data)
