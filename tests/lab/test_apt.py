"""apt on real nodes: locked, interrupted, held, and a repository that lies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lab.raw_pyinfra import Run, apply
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab

TASK = "tasks.container_toolkit.container_toolkit"
INSTALL = "Install and hold the toolkit's four packages"
BASE = "nvidia-container-toolkit-base"
NAMES = f"nvidia-container-toolkit {BASE} libnvidia-container-tools libnvidia-container1"
KEYRING = "/usr/share/keyrings/nvidia-container-toolkit-keyring.gpg"
LOCKED = """\
import fcntl, time
with open("{path}", "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    open("/run/locked", "w").close()
    time.sleep({seconds})
"""


@pytest.fixture(scope="module")
def prepared(lab: Lab) -> Node:
    """A node with containerd, ready for the toolkit."""
    assert apply(lab, "tasks.containerd.containerd").rc == 0
    return lab.node()


@pytest.fixture
def node(prepared: Node, lab: Lab) -> Iterator[Node]:
    """No toolkit on the node, and the repository as it was afterwards."""
    prepared.run(
        f"apt-mark unhold {NAMES} >/dev/null 2>&1; dpkg --purge {NAMES} >/dev/null 2>&1; apt-get clean;"
        f" rm -rf /var/lib/wslgpu/apt-* /etc/apt/preferences.d/wslgpu-* /etc/apt/sources.list.d/nvidia-* {KEYRING}"
        " /var/lib/apt/lists/*libnvidia* /run/locked"
    )
    before = lab.directory / "www.before"
    shutil.rmtree(before, ignore_errors=True)
    shutil.copytree(lab.repository.www, before, symlinks=True)
    yield prepared
    shutil.rmtree(lab.repository.www)
    before.rename(lab.repository.www)


def installed(node: Node) -> list[str]:
    return node.run(f"dpkg-query -W -f '${{Package}} ${{db:Status-Status}}\\n' {NAMES} 2>/dev/null").stdout.splitlines()


def refused(run: Run, error_class: str, *words: str, retryable: bool = False) -> None:
    assert "Traceback" not in run.text
    (error,) = run.errors
    assert (error.error_class.value, error.retryable) == (error_class, retryable), error
    for word in words:
        assert word in error.what, error
    assert error.next_step


def test_a_key_of_another_fingerprint_12(node: Node, lab: Lab) -> None:
    assert apply(lab, TASK).rc == 0
    before = node.run(f"sha256sum {KEYRING}").stdout
    other = lab.repository.sign_with_other_key()
    # a node that knew the old key goes on with what it has; one that has to fetch the key is told of both
    assert apply(lab, TASK).changed == ()
    assert node.run(f"sha256sum {KEYRING}").stdout == before
    node.run(f"chmod 666 {KEYRING}", check=True)
    refused(apply(lab, TASK), "integrity", other.fingerprint, lab.repository.fingerprint)
    assert node.run(f"sha256sum {KEYRING}").stdout == before


def test_an_expired_key_11(node: Node, lab: Lab) -> None:
    key = lab.repository.publish_expired_key()
    refused(apply(lab, TASK), "integrity", "expired", key.fingerprint)
    assert not node.run(f"test -e {KEYRING}").ok
    assert installed(node) == []


def test_a_package_with_a_changed_byte_18(node: Node, lab: Lab) -> None:
    lab.repository.corrupt_deb(f"{BASE}_1.20.0-1_")
    refused(apply(lab, TASK), "integrity", "another hash")
    assert installed(node) == []
    assert node.run("ls -A /var/cache/apt/archives/partial").stdout == ""


def test_an_index_that_changed_after_it_was_signed_14(node: Node, lab: Lab) -> None:
    lab.repository.edit_packages()
    refused(apply(lab, TASK), "integrity", "another hash")
    assert installed(node) == []


def test_a_pinned_version_that_is_gone_15(node: Node, lab: Lab) -> None:
    lab.repository.delete_version("1.20.0-1")
    refused(apply(lab, TASK), "platform", "=1.20.0-1", "1.19.1-1")


def test_a_keyring_that_is_a_link_is_replaced_42(node: Node, lab: Lab) -> None:
    node.put("/root/canary", "alive")
    node.run(f"ln -sf /root/canary {KEYRING}", check=True)
    assert apply(lab, TASK).rc == 0
    assert node.run(f"cat /root/canary; stat -c %F {KEYRING}").stdout == "aliveregular file\n"


def test_two_files_with_different_keys_13(node: Node, lab: Lab) -> None:
    uri = f"{lab.state.base_url}/libnvidia-container/stable/deb"
    path = "/etc/apt/sources.list.d/nvidia-container-toolkit.list"
    node.put(path, f"deb [signed-by=/root/other.gpg] {uri}/$(ARCH) /\n")
    refused(apply(lab, TASK), "platform", path, "nvidia-container-toolkit.sources")
    assert node.run(f"cat {path}").ok


@pytest.mark.parametrize("path", ["/var/lib/dpkg/lock-frontend", "/var/lib/apt/lists/lock"])
def test_a_lock_of_somebody_else_5(node: Node, lab: Lab, path: str) -> None:
    node.put("/root/hold.py", LOCKED.format(path=path, seconds=30))
    node.run(
        "setsid python3 /root/hold.py >/dev/null 2>&1 & while ! [ -e /run/locked ]; do sleep 0.1; done", check=True
    )
    refused(apply(lab, TASK, apt_lock_timeout_s=2), "timeout", "(python3)", retryable=True)
    node.run("kill $(pgrep -f /root/hold.p[y])", check=True)
    assert node.run(f"test -e {path}").ok
    assert apply(lab, TASK).rc == 0


def test_an_interrupted_dpkg_is_finished_7(node: Node, lab: Lab) -> None:
    node.run(
        "mkdir -p /root/half/DEBIAN && cd /root && printf 'Package: half\\nVersion: 1\\nArchitecture: all\\n"
        "Maintainer: lab <lab@lab.invalid>\\nDescription: half\\n' >half/DEBIAN/control"
        " && printf '#!/bin/sh\\ntest -e /root/go || kill -9 $PPID\\n' >half/DEBIAN/postinst"
        " && chmod 755 half/DEBIAN/postinst && dpkg-deb -b half half.deb && rm -f go",
        check=True,
    )
    node.run("dpkg -i /root/half.deb")
    assert node.run("dpkg-query -W -f '${db:Status-Status}' half").stdout != "installed"
    node.run("touch /root/go", check=True)
    run = apply(lab, TASK)
    assert run.rc == 0, run.text
    assert node.run("dpkg-query -W -f '${db:Status-Status}' half").stdout == "installed"
    node.run("dpkg --purge half", check=True)


def test_garbage_in_dpkgs_journal_is_left_alone_8(node: Node, lab: Lab) -> None:
    node.put("/var/lib/dpkg/updates/0001", "junk\n")
    refused(apply(lab, TASK), "platform", "/var/lib/dpkg/updates/0001")
    assert node.run("cat /var/lib/dpkg/updates/0001").stdout == "junk\n"
    node.run("rm /var/lib/dpkg/updates/0001", check=True)
    assert apply(lab, TASK).rc == 0


def test_a_hold_of_somebody_else_stays_9(node: Node, lab: Lab) -> None:
    deb: Path = next(path for path in lab.repository.debs() if path.name.startswith(f"{BASE}_1.19.1-1_"))
    node.put("/root/base.deb", deb.read_bytes())
    node.run(f"dpkg -i /root/base.deb && apt-mark hold {BASE}", check=True)
    refused(apply(lab, TASK), "platform", BASE, "1.19.1-1", "not by wslgpu")
    assert node.run("apt-mark showhold").stdout.split() == [BASE]


def test_a_release_from_tomorrow_23(node: Node, lab: Lab) -> None:
    lab.repository.date_release(timedelta(days=1))
    refused(apply(lab, TASK), "platform", " s behind", retryable=True)


def test_unheld_packages_are_held_again(node: Node, lab: Lab) -> None:
    assert apply(lab, TASK).rc == 0
    node.run(f"apt-mark unhold {BASE}", check=True)
    run = apply(lab, TASK)
    assert run.changed == (INSTALL,)
    assert sorted(node.run("apt-mark showhold").stdout.split()) == sorted(NAMES.split())
    assert apply(lab, TASK).changed == ()
