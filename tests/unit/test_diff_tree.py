"""A node's answer read: records as tree.sh prints them, also with odd names, also cut off or hostile."""

from __future__ import annotations

import gzip
import zlib

import pytest

from wslgpu.diff import tree
from wslgpu.diff.tree import TreePackage, TreePath, parse, payload
from wslgpu.errors import WslgpuError

HEAD = "tree\t1\tamd64\tdebian 13"
SHA = "a" * 64


def answer(*records: str, head: str = HEAD, end: str = "end") -> bytes:
    return gzip.compress("".join(f"{record}\0" for record in (head, *records, end)).encode())


def test_paths_of_every_kind() -> None:
    found = parse(
        answer(
            "p\td\t755\troot\troot\t4096\t1700000000.5\t/etc",
            "",
            "p\tf\t4755\troot\tdaemon\t7\t1700000001.0\t/etc/a file",
            "",
            "p\tl\t777\troot\troot\t5\t1700000002.0\t/etc/link",
            "/a\tb\nc",
            "p\ts\t666\troot\troot\t0\t0.0\t/etc/socket",
            "",
            f"h\t{SHA}  /etc/a file",
        ),
        "node1",
    )
    assert found.distribution == "debian 13"
    assert found.paths["/etc"] == TreePath("directory", "755", "root:root", modified_s=1700000000.5)
    file = found.paths["/etc/a file"]
    assert (file.mode, file.owner, file.sha256, file.size_bytes) == ("4755", "root:daemon", SHA, 7)
    assert file.modified == "2023-11-14T22:13:21Z"
    link = found.paths["/etc/link"]
    assert (link.kind, link.mode, link.target, link.size_bytes) == ("link", "", "/a\tb\nc", 0)
    assert found.paths["/etc/socket"].kind == "socket"


def test_a_name_with_tab_line_break_and_bytes_that_are_no_text() -> None:
    raw = f"{HEAD}\0p\tf\t644\troot\troot\t1\t0.0\t/a\tb\nc".encode() + b"\xff\0\0h\t" + SHA.encode()
    raw += b"  /a\tb\nc\xff\0end\0"
    found = parse(gzip.compress(raw), "node1")
    assert found.paths["/a\tb\nc\\xff"].sha256 == SHA


def test_a_file_that_went_away_meanwhile_has_no_digest() -> None:
    found = parse(answer("p\tf\t644\troot\troot\t9\t0.0\t/gone", ""), "node1")
    assert (found.paths["/gone"].sha256, found.paths["/gone"].size_bytes) == ("", 9)


def test_packages_marks_and_tables() -> None:
    found = parse(
        answer(
            "k\tcurl\tamd64\t8.0-1\tinstall\tinstalled",
            "k\tlibc6\ti386\t2.41\tinstall\tinstalled",
            "k\ttzdata\tall\t2026a\thold\tinstalled",
            "k\tgone\tamd64\t1\tdeinstall\tconfig-files",
            "k\tnever\tamd64\t\tunknown\tnot-installed",
            "a\tcurl",
            "u\tssh.service\tenabled",
            "U\troot\t0\t0\t/root\t/bin/bash",
            "g\tadm\t4\tlab",
            "i\tk8s.io\tdocker.io/x:1\tsha256:" + SHA,
        ),
        "node1",
    )
    assert found.packages == {
        "curl": TreePackage("8.0-1", "installed", automatic=True),
        "gone": TreePackage("1", "config-files"),
        "libc6:i386": TreePackage("2.41", "installed"),
        "tzdata": TreePackage("2026a", "installed", held=True),
    }
    assert found.units == {"ssh.service": "enabled"}
    assert found.users == {"root": "0:0:/root:/bin/bash"}
    assert found.groups == {"adm": "4:lab"}
    assert found.images == {"k8s.io docker.io/x:1": f"sha256:{SHA}"}


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "cut off"),
        (b"Permission denied", "no tree"),
        (answer(end="almost"), "cut off"),
        (answer()[:-12], "cut off"),
        (answer(head="tree\t2\tamd64\tdebian 13"), "cannot be read"),
        (answer("p\tf\t644\troot"), "cannot be read"),
        (answer("x\ty"), "cannot be read"),
        (answer("p\tf\t644\troot\troot\t1\t0.0\t/without-a-target", end="end")[:-20], "cut off"),
    ],
    ids=["empty", "words", "no end", "cut", "newer form", "short path", "unknown row", "cut in a row"],
)
def test_what_is_no_whole_tree_is_refused(raw: bytes, what: str) -> None:
    with pytest.raises(WslgpuError, match=what) as error:
        parse(raw, "node1")
    assert error.value.where == "node1"
    assert error.value.exit_code == 2


def test_an_answer_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "TREE_BYTES", 1 << 16)
    bomb = zlib.compressobj(9, wbits=31)
    with pytest.raises(WslgpuError, match="longer than"):
        parse(bomb.compress(b"\0" * (1 << 24)) + bomb.flush(), "node1")


def test_what_not_everybody_may_read_is_known() -> None:
    assert TreePath("file", "644", "root:root").readable_by_all
    assert not TreePath("file", "640", "root:shadow").readable_by_all


def test_the_script_is_told_what_to_leave_out() -> None:
    text = payload(("/srv/my models",)).decode()
    assert "'/srv/my models'" in text
    assert text.count("sudo -n") == 1
