"""A node without a network, provisioned and verified from a bundle, over the one ssh connection that it has."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import Outcome, apply, refused
from tests.lab.support.command import wslgpu
from tests.lab.support.end_state import differences, end_state
from tests.lab.support.nodes import forget_images, images
from wslgpu.bundle.archive import Bundle
from wslgpu.bundle.in_force import InForce
from wslgpu.host_files import sha256_of_file
from wslgpu.lab import Lab, Node
from wslgpu.lab.shell import run
from wslgpu.lock.load import load_lock
from wslgpu.lock.model import Lock
from wslgpu.operations.bundle import FOLDER

pytestmark = pytest.mark.lab

ONLY_SSH = """\
table inet wslgpu_test {
 chain input { type filter hook input priority 0; policy drop; iif lo accept; tcp dport 22 accept; }
 chain output { type filter hook output priority 0; policy drop; oif lo accept; tcp sport 22 accept; }
}
"""
LEFT_OUT = ("sources", "wheels", "project", "vllm", "device-plugin")


@dataclass(frozen=True)
class Bundled:
    """A lab with a lock, and the bundle of that: node1 is without a network, node2 has one."""

    lab: Lab
    file: Path

    @property
    def node(self) -> Node:
        return self.lab.node("node1")

    def apply(self, *words: str, bundle: Path | None = None) -> Outcome:
        """Apply to node1 from the bundle."""
        return apply(self.lab, "--bundle", str(bundle or self.file), "--limit", "node1", *words)


def make(lab: Lab, target: Path) -> dict[str, object]:
    words = ["--lock", str(lab.lock_file), "--site", str(lab.site_file), "--to", str(target), "--json"]
    done = wslgpu("bundle", "make", *words, *(word for kind in LEFT_OUT for word in ("--without", kind)))
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def bundled(lab_factory: LabFactory, tmp_path_factory: pytest.TempPathFactory) -> Bundled:
    lab = lab_factory(nodes=2, lock=True)
    file = tmp_path_factory.mktemp("bundle") / "lab.tar"
    made = make(lab, file)
    assert made["sha256"] == sha256_of_file(file)
    run(["nsenter", f"--target={lab.node('node1').leader()}", "--net", "nft", "-f", "-"], stdin=ONLY_SSH.encode())
    return Bundled(lab, file)


def reaches(node: Node, url: str) -> bool:
    """Whether a node gets anything from an address; python3 is in every lab node."""
    code = f"import urllib.request; urllib.request.urlopen({url!r}, timeout=3).read(1)"
    return node.nsenter(["python3", "-c", code], check=False).ok


def test_provisioned_and_verified_without_a_network(bundled: Bundled) -> None:
    key = bundled.lab.state.base_url + "/libnvidia-container/gpgkey"
    assert reaches(bundled.lab.node("node2"), key), "the address serves nothing: that says nothing of the cut"
    assert not reaches(bundled.node, key)

    asked = len(bundled.lab.faults.requests())
    first = bundled.apply()
    assert (first.code, first.host()["outcome"]) == (0, "changed"), first
    second = bundled.apply()
    assert (second.code, second.host()["outcome"]) == (0, "unchanged"), second
    assert len(bundled.lab.faults.requests()) == asked
    assert bundled.node.nsenter(f"test -e {FOLDER}", check=False).rc == 1

    verified = wslgpu("verify", "--lab", bundled.lab.name, "--limit", "node1")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_it_ends_as_with_a_network(bundled: Bundled) -> None:
    assert apply(bundled.lab, "--limit", "node2").code == 0
    with_network, without = end_state(bundled.lab.node("node2")), end_state(bundled.node)
    assert "docker.io/nvidia/cuda" in str(without["images"])
    assert differences(without, with_network) == []
    marks = [
        bundled.lab.node(name).nsenter("apt-mark showauto; apt-mark showhold").stdout for name in ("node1", "node2")
    ]
    assert marks[0] == marks[1]


def test_made_twice_it_is_the_same(bundled: Bundled, tmp_path: Path) -> None:
    assert make(bundled.lab, tmp_path / "again.tar")["sha256"] == sha256_of_file(bundled.file)


@pytest.fixture
def without_images(bundled: Bundled) -> Iterator[Bundled]:
    """The node holds no image, and whatever a test does to where files are sent, it is gone afterwards."""
    if not bundled.node.nsenter("command -v ctr", check=False).ok:  # where this test runs alone
        assert bundled.apply("--only", "base", "--only", "containerd").code == 0
    forget_images(bundled.node)
    yield bundled
    bundled.node.nsenter(f"rm -rf {FOLDER}")


def images_from(bundled: Bundled, **options: Path) -> Outcome:
    return bundled.apply("--only", "cuda_images", **options)


def test_a_byte_that_changed_is_found_before_a_host_is_contacted(bundled: Bundled, tmp_path: Path) -> None:
    altered = tmp_path / "altered.tar"
    opened = Bundle(bundled.file)
    member = next(one for one in opened.index.members if one.path.endswith(".deb") and "containerd" in one.path)
    content = bytearray(bundled.file.read_bytes())
    content[opened.places[member.path].offset + 1000] ^= 1
    altered.write_bytes(content)
    for command in (("bundle", "verify", str(altered)), ("apply", "--lab", bundled.lab.name, "--bundle", str(altered))):
        done = wslgpu(*command)
        assert done.returncode == 1, done
        assert member.path in done.stderr
        assert "Connecting" not in done.stderr


def test_another_locks_bundle_is_refused_before_a_host_is_contacted(bundled: Bundled, tmp_path: Path) -> None:
    lock = bundled.lab.lock_file
    text = lock.read_text()
    other = tmp_path / "other.yml"
    other.write_text(text.replace("wslgpu.lock.yml, written", "wslgpu.lock.yml, also written"))
    done = wslgpu(
        "apply", "--lab", bundled.lab.name, "--bundle", str(bundled.file), environment={"WSLGPU_LOCK": str(other)}
    )
    assert done.returncode == 2, done
    assert "is a bundle of another lock" in done.stderr
    assert "Connecting" not in done.stderr


def test_half_of_what_an_earlier_run_sent_is_sent_again(without_images: Bundled) -> None:
    """As after a kill in the middle of a transfer: one file whole, one in part, one of the right size that is wrong."""
    bundle = Bundle(without_images.file)
    name, digest = next((name, row.digest) for name, row in lock_of(without_images).images.items() if "base" in name)
    content = {member.size_bytes: member for _, member in InForce(bundle, lock_of(without_images)).image(name, digest)}
    node, layer, other = without_images.node, content[max(content)], content[min(content)]
    node.nsenter(f"mkdir -p {FOLDER}/incoming {FOLDER}/files")
    node.put(f"{FOLDER}/incoming/{layer.sha256}", bundle.read(layer.path)[:-100])
    node.put(f"{FOLDER}/files/{other.sha256}", b"x" * other.size_bytes)
    refused(images_from(without_images), "integrity", "another hash", retryable=True)
    assert images(node) == []
    outcome = images_from(without_images)
    assert outcome.code == 0, outcome
    assert len([name for name in images(node) if "@" in name]) == 3


def lock_of(bundled: Bundled) -> Lock:
    return load_lock(bundled.lab.lock_file)[0]


@contextlib.contextmanager
def small_disk(node: Node, path: str, size: str) -> Iterator[None]:
    node.nsenter(f"mkdir -p {path} && mount -t tmpfs -o size={size} tmpfs {path}")
    try:
        yield
    finally:
        node.nsenter(f"umount {path}")


def test_no_room_for_what_is_sent(without_images: Bundled) -> None:
    with small_disk(without_images.node, FOLDER, "4M"):
        refused(images_from(without_images), "platform", FOLDER, "are free", step="base image")
    assert images_from(without_images).code == 0


def test_a_link_in_the_place_of_the_folder_is_not_followed(without_images: Bundled) -> None:
    node = without_images.node
    node.nsenter(f"rm -rf {FOLDER}; mkdir -p /srv/elsewhere; chmod 750 /srv/elsewhere; ln -s /srv/elsewhere {FOLDER}")
    outcome = images_from(without_images)
    assert outcome.code == 0, outcome
    assert node.nsenter("stat -c %a /srv/elsewhere; ls -A /srv/elsewhere").stdout == "750\n"


def test_a_bundle_without_the_images_says_so(without_images: Bundled, tmp_path: Path) -> None:
    lab, target = without_images.lab, tmp_path / "small.tar"
    without = [word for kind in (*LEFT_OUT, "images", "packages") for word in ("--without", kind)]
    made = wslgpu(
        "bundle", "make", "--lock", str(lab.lock_file), "--site", str(lab.site_file), "--to", str(target), *without
    )
    assert made.returncode == 0, made.stderr
    outcome = images_from(without_images, bundle=target)
    refused(outcome, "usage", "was made --without images", "wslgpu bundle make")
