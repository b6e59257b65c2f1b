"""What the node's scripts print, as parts of a lock."""

from __future__ import annotations

import itertools
import subprocess

import pytest

from tests.unit import lock_samples
from wslgpu.errors import WslgpuError
from wslgpu.lock import apt, words
from wslgpu.lock.check import compared
from wslgpu.lock.debian_version import compare

ANSWER = """\
key 3333333333333333333333333333333333333333333333333333333333333333 945
distribution debian 13
index 0 http://archive.invalid/debian/ trixie {one} BB,AA
release 0 Sun, 01 Mar 2026 12:00:00 +0200|Debian|Debian
index 1 http://archive.invalid/unused/ trixie-updates {one} -
release 1 Sun, 01 Mar 2026 10:00:00 UTC|Debian|Debian
index 2 http://toolkit.invalid/deb/ / {one} -
release 2 Mon, 02 Mar 2026 10:00:00 UTC|NVIDIA|a|b
base libc6
want curl 8.14
want libc6 2.41
want mail 1.0
want tool 2:1.20~rc1-1
stanza 0
Package: libc6
Version: 2.41
Filename: pool/libc6.deb
Size: 5
SHA256: {two}

stanza 0
Package: curl
Version: 8.14
Depends: libc6 (>= 2.4), libmail | mail-agent, absent | tool:any (>= 1)
Filename: pool/curl.deb
Size: 6
SHA256: {two}

stanza 0
Package: mail
Version: 1.0
Provides: mail-agent (= 1), libmail
Pre-Depends: libc6
Depends: mail (= 1.0)
Filename: pool/mail.deb
Size: 7
SHA256: {two}

stanza 2
Package: tool
Version: 2:1.20~rc1-1
Filename: ./tool.deb
Size: 8
SHA256: {two}

stanza 2
Package: curl
Version: 8.14
Filename: ./curl.deb
Size: 6
SHA256: {two}

""".format(one="1" * 64, two="2" * 64)


def test_an_answer_becomes_a_part_of_the_lock() -> None:
    found = apt.parse(ANSWER)
    part = apt.locked(found, {"curl": ("base", "vllm"), "tool": ("container_toolkit",)})
    assert found.distribution == "debian 13"
    assert apt.key_download(found, "http://toolkit.invalid/key").size_bytes == 945
    assert [index.uri for index in part.indexes] == ["http://archive.invalid/debian/", "http://toolkit.invalid/deb/"]
    assert part.indexes[0].date == "2026-03-01T10:00:00Z"
    assert part.indexes[0].signed_by == ["AA", "BB"]
    assert part.indexes[0].snapshot == "https://snapshot.debian.org/archive/debian/20260301T160000Z/"
    assert part.indexes[1].snapshot == ""
    rows = part.packages
    assert [name for name, row in rows.items() if row.base] == ["libc6"]
    assert sorted(rows) == ["curl", "libc6", "mail", "tool"]
    assert rows["curl"].depends == ["libc6", "mail", "tool"]
    assert rows["mail"].depends == ["libc6"], "not itself"
    assert (rows["curl"].index, rows["curl"].file) == (0, "pool/curl.deb"), "the index that is kept"
    assert (rows["tool"].index, rows["tool"].components) == (1, ["container_toolkit"])


def test_the_order_of_the_machines_sources_does_not_matter() -> None:
    part = apt.locked(apt.parse(ANSWER), {})
    other = ANSWER.replace("index 2", "index 7").replace("release 2", "release 7").replace("stanza 2", "stanza 7")
    head, *stanzas = other.split("stanza ")
    other = "stanza ".join((head, *reversed(stanzas)))
    other = other.replace("index 0", "index 8").replace("release 0", "release 8").replace("stanza 0", "stanza 8")
    assert apt.locked(apt.parse(other), {}) == part


def test_a_package_that_apt_would_install_without_a_stanza_is_refused() -> None:
    found = apt.parse(ANSWER.replace("want curl 8.14", "want nowhere 1\nwant curl 8.14"))
    with pytest.raises(WslgpuError, match="nowhere"):
        apt.locked(found, {})


def test_a_line_of_another_kind_is_refused() -> None:
    with pytest.raises(WslgpuError, match="cannot read"):
        apt.parse("surprise 1\n")


def test_what_is_gone_says_since_when_and_what_is_there_instead() -> None:
    part = lock_samples.distribution()
    rows = part.packages
    found = apt.Resolved(
        indexes={0: lock_samples.DEBIAN.model_copy(update={"date": "2026-05-05T05:05:05Z"})},
        has={(name, row.version, row.sha256) for name, row in rows.items() if name not in ("runc", "curl", "libc6")}
        | {("curl", rows["curl"].version, "f" * 64)},
        newest={"runc": "1.1.16", "curl": "8.14", "containerd": "1.7.25", "libc6": "2.42"},
    )
    checked = compared("debian 13", part, found)
    assert [(row.name, row.altered) for row in checked.lacking] == [("curl", True), ("runc", False)]
    assert [row.name for row in checked.gone if row.base] == ["libc6"]
    assert words.checked(checked)[-2:] == [
        "1 packages of the minimal system are gone from the archive; nodes keep theirs",
        "2 locked versions cannot be had any more: a bundle keeps them (wslgpu bundle make), and wslgpu lock --upgrade"
        " shows what would take their place",
    ]
    text = str(checked.lacking[1])
    assert "runc 1.1.15 (debian 13) is gone" in text
    assert "between 2026-03-01T10:00:00Z and 2026-05-05T05:05:05Z" in text
    assert "the archive has 1.1.16" in text
    assert "snapshot.debian.org/archive/debian/20260301T160000Z/" in text
    assert "another hash" in str(checked.lacking[0])
    assert [(row.name, row.newest) for row in checked.newer] == [("containerd", "1.7.25")]


VERSIONS = (
    *("0", "1.0", "1.0-1", "1.0~rc1", "1.0~", "1.0+b1", "1:0.1", "1.0a", "1.0.1", "10"),
    *("1.0-1~deb13u1", "2.41-12+deb13u2", "1.0a1", "1.0a~1", "1.01"),
)


@pytest.mark.parametrize(("left", "right"), list(itertools.combinations(VERSIONS, 2)))
def test_versions_are_ordered_as_dpkg_orders_them(left: str, right: str) -> None:
    def dpkg(relation: str) -> bool:
        return subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode == 0

    assert compare(left, right) == (-1 if dpkg("lt") else 1 if dpkg("gt") else 0)
    assert compare(right, left) == -compare(left, right)
