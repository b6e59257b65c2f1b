"""The manifest on real nodes: it names all that an apply changes, and tells the truth whatever happens to it."""

from __future__ import annotations

import fnmatch
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.raw_pyinfra import apply as raw_apply
from tests.lab.support.apply import Outcome, apply, converge, refused, started
from wslgpu.diff.tree import Snapshot, parse, payload
from wslgpu.lab import Lab, Node
from wslgpu.manifest.load import parse as parse_manifest
from wslgpu.manifest.model import BEFORE, MANIFEST, Manifest

pytestmark = pytest.mark.lab

WSL_CONF = "/etc/wsl.conf"
THEIRS = "# words of somebody else's\n[user]\ndefault = lab\n"
BEGIN, RECORD = "Note what is there before it", "Record it in the node's manifest"
EXPLAINED = {
    "/var/lib/wslgpu/manifest.json": "the manifest itself",
    "/var/lib/wslgpu/before*": "what it keeps",
    "/var/lib/dpkg*": "which packages there are; the manifest names them",
    "/var/lib/apt/*": "apt's lists, and which packages came as dependencies",
    "/var/lib/systemd/deb-systemd-helper-enabled*": "Debian's own notes on units that packages enable",
    "/var/lib/systemd/*": "what systemd notes of timers and its own runs",
    "/var/cache/*": "made anew whenever needed",
    "/var/log*": "logs",
    "/tmp*": "temporary",
    "/var/tmp*": "temporary",
    "/etc/ld.so.cache": "made anew by ldconfig",
    "/etc/cni*": "made by containerd sooner or later; goes with it where nothing is in it",
    "/etc/systemd/system/*.wants*": "links of enabled units, which the manifest names",
    "/etc/systemd/system/*.requires*": "links of enabled units, which the manifest names",
}
"""What changes on a node without being named by path in its manifest, and why; patterns reach into folders."""


@dataclass(frozen=True)
class Provisioned:
    """One node before and after its first apply."""

    lab: Lab
    before: Snapshot
    after: Snapshot
    outcome: Outcome


def tree_of(node: Node) -> Snapshot:
    done = subprocess.run(node.nsenter_argv(["sh", "-s"]), input=payload(), capture_output=True, check=True)
    return parse(done.stdout, node.name)


def manifest_of(node: Node) -> Manifest:
    return parse_manifest(node.nsenter(f"cat {MANIFEST}").stdout)


def edit(node: Node, **values: Any) -> None:
    """Give the manifest's document other values."""
    document = json.loads(node.nsenter(f"cat {MANIFEST}").stdout)
    node.put(MANIFEST, json.dumps({**document, **values}), 0o600)


@pytest.fixture(scope="module")
def provisioned(lab_factory: LabFactory) -> Provisioned:
    lab = lab_factory()
    node = lab.node()
    node.put(WSL_CONF, THEIRS, 0o640)
    before = tree_of(node)
    outcome = apply(lab)
    return Provisioned(lab, before, tree_of(node), outcome)


@pytest.fixture
def node(provisioned: Provisioned) -> Iterator[Node]:
    """A node whose manifest is put back to what the first apply made of it."""
    node = provisioned.lab.node()
    node.nsenter(f"cp -a {MANIFEST} /root/manifest")
    yield node
    node.nsenter(f"rm -rf {MANIFEST} {MANIFEST}.damaged-*; cp -a /root/manifest {MANIFEST}")
    assert apply(provisioned.lab, "--only", "wsl").code == 0


def test_every_change_is_named(provisioned: Provisioned) -> None:
    """By path, by the package that it belongs to, or by a short list of reasons."""
    assert provisioned.outcome.code == 0, provisioned.outcome
    node = provisioned.lab.node()
    manifest = manifest_of(node)
    before, after = provisioned.before, provisioned.after
    touched = {
        path
        for path in {*before.paths, *after.paths}
        if _what(before, path) != _what(after, path) and not path.startswith(("/run/", "/root/", "/mnt/"))
    }
    named = {path for component in manifest.components.values() for path in component.files}
    packages = {name for component in manifest.components.values() for name in component.packages}
    of_packages = set(node.nsenter(f"dpkg -L {' '.join(sorted(packages))}").stdout.splitlines())
    # merged /usr: dpkg still says /lib where a package does
    of_packages |= {f"/usr{path}" for path in of_packages if path.startswith(("/lib/", "/sbin/", "/bin/"))}
    data = tuple(f"{folder}/" for folder in ("/var/lib/containerd",) if folder in named)
    unnamed = {
        path
        for path in touched - named - of_packages
        if not path.startswith(data) and not any(fnmatch.fnmatchcase(path, pattern) for pattern in EXPLAINED)
    }
    assert unnamed == set()
    assert {"/etc/containerd/config.toml", WSL_CONF, "/etc/cdi/wslgpu-video.yaml"} <= touched & named
    came = {name for name in after.packages if after.packages[name].version != _version(before, name)}
    assert came == packages != set()
    assert {name for name in {*before.users, *after.users} if name not in before.users} == {
        name for component in manifest.components.values() for name in component.users
    }
    enabled = {name for name, state in after.units.items() if state == "enabled" and before.units.get(name) != state}
    units = {
        name for one in manifest.components.values() for name, unit in one.units.items() if unit.state == "enabled"
    }
    assert enabled == units != set()
    assert manifest.components["container_toolkit"].holds == sorted(
        name for name, package in after.packages.items() if package.held
    )


def _what(snapshot: Snapshot, path: str) -> object:
    found = snapshot.paths.get(path)
    return found and (found.kind, found.mode, found.owner, found.sha256, found.target)


def _version(snapshot: Snapshot, name: str) -> str:
    return snapshot.packages[name].version if name in snapshot.packages else ""


def test_what_stood_there_before_is_kept_for_root_alone(provisioned: Provisioned) -> None:
    node = provisioned.lab.node()
    wsl = manifest_of(node).components["wsl"]
    stood = wsl.before[WSL_CONF]
    assert (stood.mode, stood.owner) == ("640", "root:root")
    assert node.nsenter(f"cat {BEFORE}/{stood.sha256}").stdout == THEIRS
    assert node.nsenter(f"stat -c '%a %U' {BEFORE} {BEFORE}/{stood.sha256} {MANIFEST}").stdout.split("\n")[:3] == [
        "700 root",
        "600 root",
        "600 root",
    ]


def test_a_second_apply_writes_nothing(provisioned: Provisioned) -> None:
    node = provisioned.lab.node()
    before = node.nsenter(f"stat -c %Y.%i {MANIFEST}; sha256sum {MANIFEST}").stdout
    outcome = apply(provisioned.lab)
    assert outcome.host()["outcome"] == "unchanged", outcome
    assert node.nsenter(f"stat -c %Y.%i {MANIFEST}; sha256sum {MANIFEST}").stdout == before


def test_a_node_of_a_newer_wslgpu_is_refused_before_anything_is_changed(provisioned: Provisioned, node: Node) -> None:
    node.nsenter(f"sed -i /systemd/d {WSL_CONF}")
    text = node.nsenter(f"cat {WSL_CONF}").stdout
    for values in ({"tool_version": "99.0"}, {"schema": 2, "new": True}):
        edit(node, **values)
        outcome = apply(provisioned.lab)
        assert outcome.code == 2, outcome
        refused(outcome, "usage", "manifest" if "schema" in values else "99.0", "Upgrade wslgpu")
        # and where preflight has no part
        outcome = apply(provisioned.lab, "--only", "wsl")
        assert outcome.code == 2, outcome
        assert node.nsenter(f"cat {WSL_CONF}").stdout == text


@pytest.mark.parametrize("damage", ["cut off", "a link", "a folder"])
def test_what_is_no_manifest_is_kept_aside_and_a_new_one_written(
    provisioned: Provisioned, node: Node, damage: str
) -> None:
    node.put("/root/victim", "theirs")
    node.nsenter(
        {
            "cut off": f"truncate -s 100 {MANIFEST}",
            "a link": f"ln -sf /root/victim {MANIFEST}",
            "a folder": f"rm {MANIFEST}; mkdir {MANIFEST}; touch {MANIFEST}/x",
        }[damage]
    )
    outcome = apply(provisioned.lab, "--only", "wsl", "--only", "video_cdi")
    assert outcome.code == 0, outcome
    assert "kept aside" in outcome.told, outcome
    assert node.nsenter(f"test -e {MANIFEST}.damaged-1 -o -L {MANIFEST}.damaged-1").ok
    assert node.nsenter("cat /root/victim").stdout == "theirs"
    made = manifest_of(node)
    # what stood there before cannot be known now, and only what is marked as ours is named
    assert made.components["video_cdi"].unknown_before
    assert WSL_CONF not in made.components["wsl"].files
    assert "/usr/local/lib/wslgpu/refresh-cdi" in made.components["video_cdi"].files
    again = apply(provisioned.lab, "--only", "wsl", "--only", "video_cdi")
    assert again.host()["outcome"] == "unchanged", again


def test_a_node_without_its_manifest_gets_one(provisioned: Provisioned, node: Node) -> None:
    node.nsenter(f"rm {MANIFEST}")
    outcome = apply(provisioned.lab)
    assert outcome.code == 0, outcome
    assert "no manifest says what stood there before" in outcome.told, outcome
    assert manifest_of(node).components["containerd"].unknown_before
    assert apply(provisioned.lab).host()["outcome"] == "unchanged"


def test_cut_off_it_says_so_and_the_next_run_still_knows(provisioned: Provisioned, node: Node) -> None:
    node.nsenter(f"rm -rf {MANIFEST} {BEFORE}; rm -f /run/wslgpu/lock")
    node.put(WSL_CONF, THEIRS, 0o640)
    with started(provisioned.lab, "--only", "wsl") as run:
        run.wait_for("| Set our keys in /etc/wsl.conf")
        run.kill()
    begun = manifest_of(node).components["wsl"]
    assert begun.state == "applying"
    assert begun.begun is not None
    assert "dpkg" in begun.begun.packages
    converge(provisioned.lab, "--only", "wsl")
    done = manifest_of(node).components["wsl"]
    assert (done.state, done.begun) == ("applied", None)
    assert set(done.files) == {WSL_CONF}
    assert node.nsenter(f"cat {BEFORE}/{done.before[WSL_CONF].sha256}").stdout == THEIRS


def test_words_of_others_that_came_since_are_no_words_of_ours(provisioned: Provisioned, node: Node) -> None:
    """A key that somebody adds and we leave alone: it is kept, seen once, and what we wrote stays recorded."""
    ours = manifest_of(node).components["wsl"].files[WSL_CONF]
    node.nsenter(f"printf '[interop]\\nenabled = true\\n' >>{WSL_CONF}")
    sha256 = node.nsenter(f"sha256sum <{WSL_CONF}").stdout.split()[0]
    assert apply(provisioned.lab, "--only", "wsl").code == 0
    assert manifest_of(node).components["wsl"].files[WSL_CONF] == ours
    assert node.nsenter(f"grep -c interop {BEFORE}/{sha256}").stdout == "1\n"
    assert apply(provisioned.lab, "--only", "wsl").host()["outcome"] == "unchanged"


def test_a_full_disk_leaves_the_old_manifest_whole(provisioned: Provisioned, node: Node) -> None:
    text = node.nsenter(f"cat {MANIFEST}").stdout
    place = "/var/lib/wslgpu"
    node.nsenter(f"mkdir -p /run/full && mount -t tmpfs -o size=256k none /run/full && cp -a {place}/. /run/full/")
    node.nsenter("dd if=/dev/zero of=/run/full/zero bs=4k status=none", check=False)
    node.nsenter(f"mount --bind /run/full {place}")
    try:
        # raw: preflight would refuse a data directory in memory
        run = raw_apply(provisioned.lab, "tasks.video_cdi.video_cdi", video_cdi_kind="site.example/gpu")
        assert run.rc == 1, run.text
        assert [error.error_class.value for error in run.errors] == ["platform"]
        assert "no space" in run.errors[0].what
        assert node.nsenter(f"cat {MANIFEST}").stdout == text
        assert node.nsenter(f"find {place} -name '.*wslgpu-*'").stdout == ""
    finally:
        node.nsenter(f"umount {place}; umount /run/full; rmdir /run/full")


def test_the_time_can_be_given(provisioned: Provisioned, node: Node) -> None:
    """An image is made of the same bytes wherever and whenever it is built."""
    node.nsenter(f"rm {MANIFEST}")
    environment = {"SOURCE_DATE_EPOCH": "1700000000"}
    assert apply(provisioned.lab, "--only", "wsl", environment=environment).code == 0
    manifest = manifest_of(node)
    assert (manifest.at, manifest.by) == ("2023-11-14T22:13:20Z", "-")
    assert manifest.components["wsl"].at == manifest.at
