"""Packages and their repository, through `wslgpu apply`. More of these rows: tests/lab/test_apt.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.raw_pyinfra import OF_THE_MANIFEST
from tests.lab.support.apply import apply, refused, site
from tests.lab.support.nodes import (
    KEYRING,
    forget_toolkit,
    lock_held,
    repository_kept,
    toolkit_packages,
)
from wslgpu.lab import Lab, Node
from wslgpu.lab.faults import Fault
from wslgpu.lab.packages import PATH

pytestmark = pytest.mark.lab

ONLY = ("--only", "container_toolkit")
KEY_STEP = "Let apt know NVIDIA's repository by its key"
PACKAGE_STEP = "Install and hold the toolkit's four packages"
BASE_DEB = "nvidia-container-toolkit-base_1.20.0-1"


@pytest.fixture
def spoilt(lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    """The lab, whose repository is as before at the end."""
    with repository_kept(lab, tmp_path / "www"):
        yield lab


def converges(lab: Lab) -> None:
    """A later run, with nothing in the way, brings the node to where it should be."""
    outcome = apply(lab, *ONLY)
    assert outcome.code == 0, outcome
    assert toolkit_packages(lab.node()).split().count("installed") == 4


def test_fault_05_dpkg_lock_held(lab: Lab, node_without_toolkit: Node) -> None:
    node = node_without_toolkit
    with site(lab, apt_lock_timeout_s=2), lock_held(node) as holder:
        outcome = apply(lab, *ONLY)
        refused(outcome, "timeout", "python3", holder, "delete no lock", retryable=True, step=PACKAGE_STEP)
        assert node.nsenter("test -e /var/lib/dpkg/lock-frontend", check=False).ok
        outcome = apply(lab)
        refused(outcome, "timeout", "python3", holder, retryable=True, step="Preflight")
    assert toolkit_packages(node) == ""
    with lock_held(node, seconds=4):
        converges(lab)


def test_fault_10_downgrade_that_nobody_asked_for(lab: Lab, node: Node) -> None:
    with site(lab, container_toolkit_version="1.18.1-1"):
        refused(apply(lab, *ONLY), "safety", "1.20.0-1", "1.18.1-1", "allow_downgrade: true", step=PACKAGE_STEP)
    assert "1.20.0-1" in node.nsenter("dpkg-query -W nvidia-container-toolkit").stdout
    # the refused run has begun the component by other data, and said so
    assert {name.rpartition("| ")[2] for name in apply(lab, *ONLY).host()["changed"]} == set(OF_THE_MANIFEST)
    assert apply(lab, *ONLY).host()["outcome"] == "unchanged"


def test_fault_12_key_of_another_fingerprint(spoilt: Lab, node_without_toolkit: Node) -> None:
    node, expected = node_without_toolkit, spoilt.repository.fingerprint
    other = spoilt.repository.sign_with_other_key()
    refused(apply(spoilt, *ONLY), "integrity", other.fingerprint, expected, step=KEY_STEP)
    assert not node.nsenter(f"test -e {KEYRING}", check=False).ok
    spoilt.repository.repair()
    converges(spoilt)
    # a node that has the right key, and an index that is signed by another
    forget_toolkit(node, packages_only=True)
    node.nsenter("rm -f /var/lib/wslgpu/apt-lists /var/lib/apt/lists/*libnvidia-container*")
    spoilt.repository.sign_with_other_key()
    error = refused(apply(spoilt, *ONLY), "integrity", "signed by another key", expected, step=PACKAGE_STEP)
    assert other.fingerprint[-16:] in error["what"], error
    assert toolkit_packages(node) == ""
    spoilt.repository.repair()
    converges(spoilt)


def test_fault_18_download_cut_off_once(lab: Lab, node_without_toolkit: Node) -> None:
    before = len(lab.faults.requests())
    lab.faults.set(f"/{PATH}/{BASE_DEB}", Fault(truncate_at=0.5, times=1))
    converges(lab)
    asked = [request["path"] for request in lab.faults.requests()[before:] if BASE_DEB in request["path"]]
    assert len(asked) == 2, asked


def test_fault_19_corrupted_cache(lab: Lab, node: Node) -> None:
    forget_toolkit(node, packages_only=True)
    name = "nvidia-container-toolkit-base"
    node.nsenter(f"apt-get install -qq -y --download-only {name}=1.20.0-1", timeout=120)
    program = (
        f"import glob; [p] = glob.glob('/var/cache/apt/archives/{name}_*'); d = bytearray(open(p, 'rb').read());"
        " d[len(d) // 2] ^= 255; open(p, 'wb').write(d)"
    )
    node.nsenter(["python3", "-c", program])
    converges(lab)
