"""Preflight on real nodes: what it refuses, in whose words, and that it changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.lab.raw_pyinfra import Run, apply
from wslgpu.lab import Lab, Node
from wslgpu.settings import PROJECT_ROOT

pytestmark = pytest.mark.lab
TASK = "tasks.preflight.preflight"
HOLD = """\
import fcntl, sys, time
lock = open(sys.argv[1], "a")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def holding(node: Node, path: str, seconds: float) -> Iterator[None]:
    """A process on the node that holds a lock as apt and dpkg do. flock(1) would not do: it is another lock."""
    node.put("/root/hold.py", HOLD)
    holder = subprocess.Popen(
        node.ssh_argv(f"exec python3 /root/hold.py {path} {seconds}"), stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        node.run("pkill -f '^python3 /root/hold.py'")
        holder.wait(timeout=10)
        holder.stdout.close()


def state_of(node: Node) -> str:
    """What a run that changes nothing leaves as it was."""
    return node.run(
        "find /etc /var/lib/dpkg /var/lib/wslgpu /usr/local -newer /run/mark -not -path '*/mtab' 2>&1"
    ).stdout


def messages(run: Run) -> list[str]:
    return [error.what for error in run.errors]


def test_a_good_node_is_let_through_and_nothing_on_it_changes(lab: Lab) -> None:
    node = lab.node()
    node.run("touch /run/mark; mkdir -p /var/lib/wslgpu; touch -d 2020-01-01 /var/lib/wslgpu", check=True)
    before = state_of(node)
    run = apply(lab, TASK)
    assert run.rc == 0, run.text
    assert run.changed == ()
    assert run.unchanged == (
        "Check that nothing stands in the way of the deploy",
        "Check that no newer wslgpu has changed the node",
        "Hold the node's lock",
    )
    assert "will be fetched" in run.text
    assert state_of(node) == before


@pytest.mark.parametrize(
    ("persona", "words", "step"),
    [
        ("wsl1", "this is WSL1 (kernel 4.4.0-22621-Microsoft)", "wsl --set-version"),
        ("no-gpu", "/dev/dxg is missing", "gpuSupport"),  # row 45
        ("linux-driver-installed", "a Linux NVIDIA driver is installed", "apt-get remove --purge libnvidia-"),  # row 48
    ],
)
def test_a_persona_that_is_refused(new_lab: Callable[..., Lab], persona: str, words: str, step: str) -> None:
    lab = new_lab(persona=persona, servers=False)
    run = apply(lab, TASK)
    assert run.rc == 1
    assert [error.what[: len(words)] for error in run.errors] == [words]
    assert step in run.errors[0].next_step
    command = [sys.executable, "-m", "wslgpu.cli", "apply", "--lab", lab.name, "--only", "preflight", "--dry", "--json"]
    dry = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert dry.returncode == (2 if persona == "wsl1" else 1), dry.stderr
    assert "Detected changes" not in dry.stderr
    refused = json.loads(dry.stdout)["hosts"]["node1"]
    assert refused["outcome"] == "failed"
    assert refused["errors"][0]["what"].startswith(words)


def test_plain_linux_is_admitted_on_purpose_only(new_lab: Callable[..., Lab]) -> None:
    lab = new_lab(persona="plain-linux", servers=False)
    run = apply(lab, TASK)
    assert run.rc == 0, run.text
    assert "this is not WSL2 (signals: none); it is admitted because wsl_required is false" in run.text
    refused = apply(lab, TASK, wsl_required=True)
    assert messages(refused) == [
        "this is not WSL2: of its signals (kernel, dxg, interop, run-wsl, init) two are needed, seen: none"
    ]


def test_no_gpu_is_no_reason_where_none_is_asked_for(new_lab: Callable[..., Lab]) -> None:
    run = apply(new_lab(persona="no-gpu", servers=False), TASK, group="build_nodes")
    assert run.rc == 0, run.text
    assert "/dev/dxg is missing" in run.text


def test_two_drivers_are_named(new_lab: Callable[..., Lab]) -> None:
    run = apply(new_lab(persona="wsl2-hybrid-gpu", servers=False), TASK)  # row 47
    assert run.rc == 0, run.text
    assert "two kinds of GPU" in run.text


@pytest.fixture
def dpkg_shim(lab: Lab) -> Iterator[None]:
    """A dpkg that calls the machine arm64 (row 43)."""
    lab.node().put(
        "/usr/local/bin/dpkg",
        '#!/bin/sh\nif [ "$1" = --print-architecture ]; then echo arm64; else exec /usr/bin/dpkg "$@"; fi\n',
        0o755,
    )
    yield
    lab.node().run("rm /usr/local/bin/dpkg", check=True)


@pytest.fixture
def half_configured(lab: Lab) -> Iterator[None]:
    """A package whose set-up was killed (row 7)."""
    node = lab.node()
    node.run(
        "mkdir -p /root/half/DEBIAN; cd /root;"
        "printf '%s: %s\\n' Package half Version 1 Architecture all Maintainer 'x <x@x>' Description x"
        " >half/DEBIAN/control;"
        "printf '#!/bin/sh\\nkill -9 $PPID\\n' >half/DEBIAN/postinst; chmod 755 half/DEBIAN/postinst;"
        "dpkg-deb -b half >/dev/null; dpkg -i half.deb"
    )
    yield
    node.run("dpkg --purge --force-all half", check=True)


def test_an_interrupted_dpkg_is_told_and_no_reason_to_stop(lab: Lab, half_configured: None) -> None:
    run = apply(lab, TASK)
    assert run.rc == 0, run.text
    assert "dpkg was interrupted: half (half-configured)" in run.text


def test_garbage_in_dpkgs_updates_stops_with_the_repair_and_edits_nothing(lab: Lab) -> None:
    node = lab.node()  # row 8
    node.run("echo garbage >/var/lib/dpkg/updates/0001", check=True)
    try:
        run = apply(lab, TASK)
        assert run.rc == 1
        assert [error.error_class.value for error in run.errors] == ["platform"]
        assert "/var/lib/dpkg/updates/0001" in run.errors[0].what
        assert "dpkg --configure -a" in run.errors[0].next_step
        assert node.run("cat /var/lib/dpkg/updates/0001").stdout == "garbage\n"
    finally:
        node.run("rm /var/lib/dpkg/updates/0001", check=True)


def test_a_held_lock_is_waited_for(lab: Lab) -> None:
    with holding(lab.node(), "/var/lib/dpkg/lock-frontend", 3):  # row 5
        run = apply(lab, TASK, apt_lock_timeout_s=60)
    assert run.rc == 0, run.text
    assert "apt is locked by python3 (process " in run.text


def test_a_lock_that_is_not_given_back_is_refused_with_its_holder(lab: Lab) -> None:
    with holding(lab.node(), "/var/lib/dpkg/lock-frontend", 60):
        run = apply(lab, TASK, apt_lock_timeout_s=1)
        assert lab.node().run("test -e /var/lib/dpkg/lock-frontend").ok
    assert run.rc == 1
    assert [(error.error_class.value, error.retryable) for error in run.errors] == [("timeout", True)]
    assert "python3 (process " in run.errors[0].what


def test_a_lock_of_nobody_is_none(lab: Lab) -> None:
    """flock(1) on the file does not lock it for apt, and must not stop a deploy."""
    node = lab.node()
    node.run("flock /var/lib/dpkg/lock-frontend sleep 20 >/dev/null 2>&1 &", check=True)
    run = apply(lab, TASK, apt_lock_timeout_s=0)
    node.run("pkill -x flock; pkill -x sleep")
    assert run.rc == 0, run.text


def test_a_failed_unit_is_listed_and_no_reason_to_stop(lab: Lab) -> None:
    node = lab.node()  # row 27
    node.run("systemd-run --unit=wslgpu-test-fails --quiet /bin/false; sleep 1", check=True)
    run = apply(lab, TASK)
    node.run("systemctl reset-failed", check=True)
    assert run.rc == 0, run.text
    assert "failed units: wslgpu-test-fails.service" in run.text


def test_a_clock_that_is_off_is_shown_in_seconds(lab: Lab) -> None:
    node = lab.node()  # row 23; the node must not be able to set the clock, which is the host's
    node.put("/usr/local/bin/date", '#!/bin/sh\nif [ "$1" = +%s ]; then echo $(($(/bin/date +%s) - 7200)); fi\n', 0o755)
    try:
        run = apply(lab, TASK)
    finally:
        node.run("rm /usr/local/bin/date", check=True)
    assert run.rc == 1
    assert [(error.error_class.value, error.retryable) for error in run.errors] == [("platform", True)]
    assert "the clock is 720" in run.errors[0].what
    assert "key" not in run.errors[0].next_step


def test_a_full_disk_and_exhausted_inodes_are_refused_before_anything_is_written(lab: Lab) -> None:
    node = lab.node()  # rows 20 and 21
    node.run(
        "mkdir -p /var/lib/containerd; mount -t tmpfs -o size=2m,nr_inodes=30 none /var/lib/containerd", check=True
    )
    try:
        run = apply(lab, TASK)
    finally:
        node.run("umount /var/lib/containerd", check=True)
    assert run.rc == 1
    assert [error.what.split(" are ")[0].split(" ", 1)[1] for error in run.errors] == ["MB", "inodes"]
    assert all("/var/lib/containerd" in error.what for error in run.errors)


def test_a_read_only_file_system_is_refused(lab: Lab) -> None:
    node = lab.node()  # row 22
    node.run("mount --bind /etc /etc; mount -o remount,ro,bind /etc", check=True)
    try:
        run = apply(lab, TASK)
    finally:
        node.run("umount /etc", check=True)
    assert messages(run) == ["the file system at /etc is read-only"]


def test_another_run_is_named(lab: Lab) -> None:
    node = lab.node()  # row 33
    node.put(
        "/root/hold.sh",
        "mkdir -p /run/wslgpu; export WSLGPU_RUN=another\n"
        'echo "another 1 0 $(date -u +%Y-%m-%dT%H:%M:%SZ) ann@desk" >/run/wslgpu/lock; exec sleep 30\n',
    )
    node.run("sh /root/hold.sh >/dev/null 2>&1 &", check=True)
    time.sleep(0.5)
    try:
        run = apply(lab, TASK)
    finally:
        node.run("pkill -x sleep; rm /run/wslgpu/lock", check=True)
    assert run.rc == 1
    assert [(error.error_class.value, error.retryable) for error in run.errors] == [("timeout", True)]
    assert "another run holds this node: ann@desk, since 2" in run.errors[0].what


def test_all_that_is_wrong_is_said_at_once(lab: Lab, dpkg_shim: None, half_configured: None) -> None:
    node = lab.node()
    node.run("mkdir -p /srv/volatile; mount -t tmpfs none /srv/volatile", check=True)
    try:
        with holding(node, "/var/lib/dpkg/lock", 60):
            run = apply(lab, TASK, data_dir="/srv/volatile/x", supported_distributions=["ubuntu 24.04"])
    finally:
        node.run("umount /srv/volatile", check=True)
    assert run.rc == 1
    found = " | ".join(messages(run))
    for words in (
        "only amd64",
        "the distribution is debian 13",
        "apt is locked by python3",
        "data_dir /srv/volatile/x is on tmpfs",
    ):
        assert words in found
    assert len(run.errors) == 4
    assert not node.run("test -e /srv/volatile/x").ok
