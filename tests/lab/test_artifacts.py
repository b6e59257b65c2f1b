"""Artifacts on real nodes, from stores of the tests' own: installed, switched, taken away, and disturbed on the way.

What is in them is text and noise; real ones are in test_real_artifacts.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.raw_pyinfra import OF_THE_MANIFEST
from tests.lab.support.apply import PROJECT, Outcome, apply, converge, refused, site, started
from tests.lab.support.artifacts import (
    install,
    installing_hangs,
    is_whole,
    links,
    listing,
    state_of,
    store_dozen,
    store_ffmpeg,
    versions,
)
from tests.lab.support.nodes import program, wait_until
from wslgpu.lab import Lab, Node
from wslgpu.operations.artifact import settled

pytestmark = pytest.mark.lab

FFMPEG = ("--only", "ffmpeg")
DOZEN = ("--only", "mesa_dozen")
STEP = "Install FFmpeg from the store"
OFFER = ("/etc/vulkan/icd.d/wslgpu_dzn_icd.x86_64.json", "/etc/profile.d/wslgpu-mesa-dozen.sh")


@pytest.fixture(scope="module")
def lab(lab_factory: LabFactory) -> Lab:
    return lab_factory(servers=False)


@pytest.fixture
def node(lab: Lab) -> Iterator[Node]:
    """A node without artifacts."""
    found = lab.node()
    found.nsenter("/bin/rm -rf /usr/local/sbin/* /opt/wslgpu /etc/vulkan/icd.d/wslgpu* /etc/profile.d/wslgpu*")
    yield found
    found.nsenter("rm -f /usr/local/sbin/*")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSLGPU_STORE_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


def done(outcome: Outcome, result: str = "changed") -> None:
    """It ended well.

    :param result: ``changed``, ``unchanged``, or ``recorded``: other data was asked for, and nothing but the node's
        manifest had to follow
    """
    assert outcome.code == 0, outcome
    if result == "recorded":
        assert {name.rpartition("| ")[2] for name in outcome.host()["changed"]} == set(OF_THE_MANIFEST), outcome
    else:
        assert outcome.host()["outcome"] == result, outcome


def rollback(lab: Lab, artifact: str) -> tuple[int, dict[str, Any], str]:
    words = [sys.executable, "-m", "wslgpu.cli", "rollback", artifact, "--lab", lab.name, "--json"]
    ended = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)
    return ended.returncode, json.loads(ended.stdout), ended.stderr


def test_from_nothing_to_nothing(lab: Lab, node: Node, store: Path, tmp_path: Path) -> None:
    """Installed, unchanged, upgraded twice, rolled back, forward again, and away without a trace."""
    done(apply(lab, *FFMPEG), "recorded")
    before = listing(node, "/opt", "/etc", "/usr/local")
    first = store_ffmpeg(store, tmp_path, "1")
    done(apply(lab, *FFMPEG))
    assert links(node, "ffmpeg") == {"current": first.folder}
    assert is_whole(node, "ffmpeg")
    assert node.nsenter("stat -c '%a %U' /opt/wslgpu/ffmpeg/current/bin/ffmpeg").stdout.split() == ["755", "root"]
    done(apply(lab, *FFMPEG), "unchanged")

    second = store_ffmpeg(store, tmp_path, "2")
    done(apply(lab, *FFMPEG))
    assert links(node, "ffmpeg") == {"current": second.folder, "previous": first.folder}
    third = store_ffmpeg(store, tmp_path, "3")
    done(apply(lab, *FFMPEG))
    assert links(node, "ffmpeg") == {"current": third.folder, "previous": second.folder}
    assert versions(node, "ffmpeg") == sorted([second.folder, third.folder])

    code, document, told = rollback(lab, "ffmpeg")
    assert (code, document["command"], document["hosts"]["node1"]["outcome"]) == (0, "rollback", "changed")
    assert f"ffmpeg_artifact: {second.digest}" in told
    assert links(node, "ffmpeg") == {"current": second.folder, "previous": third.folder}
    with site(lab, ffmpeg_artifact=second.digest):
        done(apply(lab, *FFMPEG), "recorded")
        done(apply(lab, *FFMPEG), "unchanged")
    done(apply(lab, *FFMPEG))
    assert links(node, "ffmpeg") == {"current": third.folder, "previous": second.folder}

    with site(lab, ffmpeg_install="absent"):
        done(apply(lab, *FFMPEG))
        done(apply(lab, *FFMPEG), "unchanged")
    assert listing(node, "/opt", "/etc", "/usr/local") == before


def test_a_rollback_without_a_version_before_is_refused(lab: Lab, node: Node, store: Path, tmp_path: Path) -> None:
    code, document, _ = rollback(lab, "ffmpeg")
    assert code == 1
    assert "none is installed" in document["hosts"]["node1"]["errors"][0]["what"]
    assert install(node, store_ffmpeg(store, tmp_path, "1")).ok
    code, document, told = rollback(lab, "ffmpeg")
    assert code == 1
    assert "only 7.1.5-" in document["hosts"]["node1"]["errors"][0]["what"]
    assert "Traceback" not in told


DAMAGES = [
    pytest.param("printf x >>current/bin/ffmpeg", True, id="changed file"),
    pytest.param("rm current/share/doc/ffmpeg/COPYING", False, id="missing file"),
    pytest.param("echo more >current/bin/more", False, id="added file"),
    pytest.param("chmod 777 current/bin", False, id="writable folder"),
    pytest.param("chown daemon current/bin/ffprobe", False, id="owner"),
    pytest.param("ln -sfn ../bin 'current/share/doc/ffmpeg/licence with a space'", False, id="changed link"),
    pytest.param("rm -r current/.wslgpu", True, id="notes gone"),
    pytest.param("rm -r $(readlink current)", False, id="version gone"),
    pytest.param("rm current", False, id="current gone"),
    pytest.param("ln -sfn / current", True, id="current of another folder"),
    pytest.param("mkdir -p old/.wslgpu && echo sha256:00 >old/.wslgpu/digest", True, id="surplus version"),
    pytest.param("ln -sfn gone previous", False, id="previous leads nowhere"),
    pytest.param("mkdir -p .gone-x/.wslgpu .new-y && ln -s x .link-current", True, id="left by killed runs"),
]


@pytest.mark.parametrize(("damage", "deployed"), DAMAGES)
def test_what_is_damaged_is_seen_and_put_back(
    lab: Lab, node: Node, store: Path, tmp_path: Path, damage: str, deployed: bool
) -> None:
    """:param deployed: by a whole deploy; else by what its operation sends, which takes a tenth of the time"""
    record = store_ffmpeg(store, tmp_path, "1", 1000)
    assert install(node, record).ok
    assert settled(state_of(node).of("ffmpeg"), record)
    before = listing(node, "/opt/wslgpu")
    node.nsenter(f"cd /opt/wslgpu/ffmpeg && {damage}")
    assert listing(node, "/opt/wslgpu") != before
    assert not settled(state_of(node).of("ffmpeg"), record)
    if deployed:
        done(apply(lab, *FFMPEG))
    else:
        assert install(node, record).ok
    assert listing(node, "/opt/wslgpu") == before
    assert settled(state_of(node).of("ffmpeg"), record)


def test_a_folder_in_the_place_of_the_link_is_nobodys_to_remove(
    lab: Lab, node: Node, store: Path, tmp_path: Path
) -> None:
    store_ffmpeg(store, tmp_path, "1", 1000)
    node.nsenter("mkdir -p /opt/wslgpu/ffmpeg/current && echo mine >/opt/wslgpu/ffmpeg/current/file")
    refused(apply(lab, *FFMPEG), "platform", "is no link", "move it away", step=STEP)
    assert node.nsenter("cat /opt/wslgpu/ffmpeg/current/file").stdout == "mine\n"


def test_a_node_that_is_too_old_or_of_another_kind_is_refused_43(
    lab: Lab, node: Node, store: Path, tmp_path: Path
) -> None:
    asks = {"glibc": "2.99", "glibcxx": "3.4.99", "cxxabi": "1.3", "sonames": ["libz.so.1"]}
    store_ffmpeg(store, tmp_path, "1", 1000, requirements=asks)
    outcome = apply(lab, *FFMPEG)
    refused(outcome, "platform", "GLIBC_2.99", "2.41", "debian 13", step="Install the libraries that FFmpeg links")
    refused(outcome, "platform", "GLIBCXX_3.4.99", step="Install the libraries that FFmpeg links")
    with program(
        node, "dpkg", '#!/bin/sh\n[ "$1" != --print-architecture ] || { echo arm64; exit; }\nexec /usr/bin/dpkg "$@"\n'
    ):
        refused(apply(lab, *FFMPEG), "usage", "is for amd64", "the node is arm64")
    assert not node.nsenter("test -e /opt/wslgpu", check=False).ok


def test_what_the_store_does_not_have(lab: Lab, node: Node, store: Path) -> None:
    apply(lab, *FFMPEG)
    outcome = apply(lab, *FFMPEG)
    done(outcome, "unchanged")
    assert "the store of this machine has no artifact of the build ffmpeg-7.1.5; none is installed" in outcome.told
    with site(lab, ffmpeg_install="required"):
        refused(apply(lab, *FFMPEG), "usage", "wslgpu build ffmpeg-7.1.5", "wslgpu store pull", step=STEP)


def test_a_corrupted_store_entry_is_never_installed_19(lab: Lab, node: Node, store: Path, tmp_path: Path) -> None:
    first = store_ffmpeg(store, tmp_path, "1")
    done(apply(lab, *FFMPEG))
    second = store_ffmpeg(store, tmp_path, "2")
    blob = store / "blobs/sha256" / second.digest.removeprefix("sha256:")
    data = bytearray(blob.read_bytes())
    data[1000] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)
    refused(apply(lab, *FFMPEG), "integrity", "corrupted in the store", "wslgpu build", step=STEP)
    assert links(node, "ffmpeg") == {"current": first.folder}
    assert versions(node, "ffmpeg") == [first.folder]


def where_it_installs(command: str, text: str) -> str:
    """A program in the place of another: it does this in artifact_install.sh, and elsewhere what the real one does."""
    asked = "tr '\\0' '\\n' </proc/$PPID/cmdline | grep -qx wslgpu-artifact_install"
    return f'#!/bin/sh\nif {asked}; then\n{text}\nelse\nexec /usr/bin/{command} "$@"\nfi\n'


BAD_TRANSFERS = {
    "another byte": ("gzip", '/usr/bin/gzip "$@"; printf x', "integrity", False, "arrived as"),
    "cut off": ("base64", 'head -c 100000 | /usr/bin/base64 "$@"', "network", True, "did not arrive whole"),
    "no base64": ("base64", 'tr A-M "?" | /usr/bin/base64 "$@"', "network", True, "did not arrive whole"),
}


@pytest.mark.parametrize("name", BAD_TRANSFERS)
def test_an_archive_that_arrives_otherwise_is_thrown_away_18(
    lab: Lab, node: Node, store: Path, tmp_path: Path, name: str
) -> None:
    command, text, error_class, retryable, words = BAD_TRANSFERS[name]
    first = store_ffmpeg(store, tmp_path, "1", 1000)
    assert install(node, first).ok
    second = store_ffmpeg(store, tmp_path, "2", 5_000_000)
    with program(node, command, where_it_installs(command, text)):
        refused(apply(lab, *FFMPEG), error_class, words, retryable=retryable, step=STEP)
    assert links(node, "ffmpeg") == {"current": first.folder}
    assert versions(node, "ffmpeg") == [first.folder]
    assert install(node, second).ok
    assert links(node, "ffmpeg") == {"current": second.folder, "previous": first.folder}


POINTS = [
    pytest.param("gzip", 1, id="on the way"),
    pytest.param("tar", 1, id="before it is unpacked", marks=pytest.mark.long),
    pytest.param("xargs", 2, id="before it is synced", marks=pytest.mark.long),
    pytest.param("mv", 1, id="before it is renamed"),
    pytest.param("ln", 1, id="before previous is kept", marks=pytest.mark.long),
    pytest.param("mv", 2, id="before previous is switched", marks=pytest.mark.long),
    pytest.param("ln", 2, id="between the two links"),
    pytest.param("mv", 3, id="before current is switched"),
    pytest.param("mv", 4, id="before the oldest is set aside", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("name", "number"), POINTS)
def test_killed_on_the_node(lab: Lab, node: Node, store: Path, tmp_path: Path, name: str, number: int) -> None:
    """At every moment current leads to a whole version, and the next deploy ends as if nothing had happened."""
    for mark in ("1", "2"):
        record = store_ffmpeg(store, tmp_path, mark, 1000)
        assert install(node, record).ok
    newest = store_ffmpeg(store, tmp_path, "3", 1000)
    with installing_hangs(node, newest, name, number):
        pass
    assert links(node, "ffmpeg")["current"] in (record.folder, newest.folder)
    assert is_whole(node, "ffmpeg")
    assert not settled(state_of(node).of("ffmpeg"), newest)
    done(apply(lab, *FFMPEG))
    assert links(node, "ffmpeg") == {"current": newest.folder, "previous": record.folder}
    assert is_whole(node, "ffmpeg")
    assert versions(node, "ffmpeg") == sorted([newest.folder, record.folder])
    assert settled(state_of(node).of("ffmpeg"), newest)


def test_the_controller_killed_on_the_way_24(lab: Lab, node: Node, store: Path, tmp_path: Path) -> None:
    first = store_ffmpeg(store, tmp_path, "1", 1000)
    done(apply(lab, *FFMPEG))
    newest = store_ffmpeg(store, tmp_path, "2", 30_000_000)
    with started(lab, *FFMPEG) as run:
        wait_until(node, "test -s /opt/wslgpu/ffmpeg/.new-*/archive")
        run.kill()
    assert links(node, "ffmpeg") == {"current": first.folder}
    done(converge(lab, *FFMPEG))
    assert links(node, "ffmpeg") == {"current": newest.folder, "previous": first.folder}
    assert versions(node, "ffmpeg") == sorted([first.folder, newest.folder])


def test_a_disk_without_room_20_21(lab: Lab, node: Node, store: Path, tmp_path: Path) -> None:
    store_ffmpeg(store, tmp_path, "1", 3_000_000)
    with site(lab, free_disk_reserve_bytes=0):
        for options, words in (("size=4m", "bytes in /opt/wslgpu"), ("size=20m,nr_inodes=20", "inodes in /opt/wslgpu")):
            node.nsenter(f"mkdir -p /opt/wslgpu && mount -t tmpfs -o {options} none /opt/wslgpu")
            try:
                refused(apply(lab, *FFMPEG), "platform", words, "free space there", step=STEP)
                assert node.nsenter("ls -A /opt/wslgpu").stdout == ""
            finally:
                node.nsenter("umount /opt/wslgpu")


@pytest.mark.parametrize("filled_by", ["gzip", "tar", "sha256sum"])
def test_a_disk_that_fills_up_on_the_way_20(lab: Lab, node: Node, store: Path, tmp_path: Path, filled_by: str) -> None:
    first = store_ffmpeg(store, tmp_path, "1", 1000)
    node.nsenter("mkdir -p /opt/wslgpu && mount -t tmpfs -o size=20m none /opt/wslgpu")
    try:
        with site(lab, free_disk_reserve_bytes=0):
            assert install(node, first).ok
            newest = store_ffmpeg(store, tmp_path, "2", 5_000_000)
            fill = f'cat /dev/zero >/opt/wslgpu/fill 2>/dev/null\nexec /usr/bin/{filled_by} "$@"'
            with program(node, filled_by, where_it_installs(filled_by, fill)):
                refused(apply(lab, *FFMPEG), "platform", "cannot write in /opt/wslgpu/ffmpeg", "free space", step=STEP)
            node.nsenter("rm /opt/wslgpu/fill")
            assert links(node, "ffmpeg") == {"current": first.folder}
            assert is_whole(node, "ffmpeg")
            assert versions(node, "ffmpeg") == [first.folder]
            assert install(node, newest).ok
            assert links(node, "ffmpeg")["current"] == newest.folder
    finally:
        node.nsenter("umount /opt/wslgpu")


def test_a_place_that_cannot_be_written_22(lab: Lab, node: Node, store: Path, tmp_path: Path) -> None:
    store_ffmpeg(store, tmp_path, "1", 1_000_000)
    node.nsenter("mount --bind /opt /opt && mount -o remount,bind,ro /opt")
    try:
        refused(apply(lab, *FFMPEG), "platform", "Read-only file system", "mount show", step=STEP)
    finally:
        node.nsenter("umount /opt")
    done(apply(lab, *FFMPEG))


def test_dozen_is_offered_to_shells_or_to_all(lab: Lab, node: Node, store: Path, tmp_path: Path) -> None:
    apply(lab, *DOZEN)
    before = listing(node, "/etc")
    store_dozen(store, tmp_path, "1")
    done(apply(lab, *DOZEN))
    for path in OFFER:
        assert not node.nsenter(f"test -e {path}", check=False).ok
    with site(lab, mesa_dozen_offer="system"):
        done(apply(lab, *DOZEN))
        done(apply(lab, *DOZEN), "unchanged")
        library = json.loads(node.nsenter(f"cat {OFFER[0]}").stdout)["ICD"]["library_path"]
        assert node.nsenter(f"cat {library}").stdout == "library 1\n"
        assert "NVIDIA" in node.nsenter(["sh", "-lc", "echo $MESA_D3D12_DEFAULT_ADAPTER_NAME"]).stdout
        store_dozen(store, tmp_path, "2")
        done(apply(lab, *DOZEN))
        assert node.nsenter(f"cat {library}").stdout == "library 2\n"
    done(apply(lab, *DOZEN))
    changed = {line.split()[-1] for line in set(listing(node, "/etc")) ^ set(before)}
    assert {path for path in changed if "wslgpu" in path} == set()
    with site(lab, mesa_dozen_offer="system"):
        done(apply(lab, *DOZEN))
        with site(lab, mesa_dozen_install="absent", mesa_dozen_offer="system"):
            done(apply(lab, *DOZEN))
    assert not node.nsenter("test -e /opt/wslgpu", check=False).ok
    assert node.nsenter("find /etc -path '*wslgpu*' -name '*d*n*' ! -path '/etc/wslgpu-lab*'").stdout == ""


def test_a_run_with_nothing_to_do_asks_once_for_both(lab: Lab, node: Node, store: Path, tmp_path: Path) -> None:
    store_ffmpeg(store, tmp_path, "1", 1000)
    store_dozen(store, tmp_path, "1")
    done(apply(lab, *DOZEN, *FFMPEG))
    outcome = apply(lab, *DOZEN, *FFMPEG, "--verbose")
    done(outcome, "unchanged")
    assert outcome.told.count(" wslgpu-artifact ffmpeg mesa-dozen") == 1
    assert "wslgpu-artifact_install" not in outcome.told


def test_a_user_with_sudo(lab: Lab, node: Node, store: Path, tmp_path: Path) -> None:
    record = store_ffmpeg(store, tmp_path, "1", 3_000_000)
    inventory = tmp_path / "nodes.py"
    inventory.write_text(
        f"import os, runpy\nos.environ['WSLGPU_LAB'] = {lab.name!r}\n"
        f"gpu_nodes = [(name, {{**data, 'ssh_user': 'lab'}}) for name, data in"
        f" runpy.run_path({str(PROJECT / 'inventory/lab.py')!r})['gpu_nodes']]\n"
    )
    done(apply(lab, *FFMPEG, inventory=inventory))
    assert links(node, "ffmpeg") == {"current": record.folder}
    assert node.nsenter("find /opt/wslgpu ! -user root").stdout == ""
    assert node.nsenter("ls -A /home/lab /tmp | grep -i pyinfra", check=False).stdout == ""
    done(apply(lab, *FFMPEG, inventory=inventory), "unchanged")


def test_debian_12(lab_factory: LabFactory, store: Path, tmp_path: Path) -> None:
    lab = lab_factory(base="bookworm", servers=False)
    record = store_ffmpeg(store, tmp_path, "1", requirements={"glibc": "2.34", "sonames": ["libz.so.1"]})
    done(apply(lab, *FFMPEG))
    assert links(lab.node(), "ffmpeg") == {"current": record.folder}
    done(apply(lab, *FFMPEG), "unchanged")
    asks = {"glibc": "2.38"}
    store_ffmpeg(store, tmp_path, "2", requirements=asks)
    refused(apply(lab, *FFMPEG), "platform", "GLIBC_2.38", "debian 12", "2.36")
    assert links(lab.node(), "ffmpeg") == {"current": record.folder}
