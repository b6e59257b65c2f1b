"""A node on which somebody waits for the administrator's probe, and one that lies over the channel."""

from __future__ import annotations

import subprocess

import pytest

from wslgpu.lab import Lab, Node
from wslgpu.probe import program
from wslgpu.probe.document import Level, Observations

pytestmark = pytest.mark.lab

TRAPS = "/srv/traps"


@pytest.fixture(scope="module")
def node(lab: Lab) -> Node:
    return lab.node()


def probe(node: Node, before: str = "") -> Observations:
    """As root, who logged in with what ``before`` sets."""
    words = node.ssh_argv(f"{before} sh -s", user="root")
    done = subprocess.run(words, input=program.payload(Level.QUICK), capture_output=True, timeout=300, check=True)
    return program.answer(done.stdout, node.name)


@pytest.mark.parametrize("python", [True, False])
def test_root_s_probe_starts_nothing_of_another_user(node: Node, python: bool) -> None:
    """A folder on root's PATH into which everybody may write, as Windows' own are for every user of the node."""
    trap = f"#!/bin/sh\necho $0 >>{TRAPS}/ran\necho podman version 5.0.0\n"
    node.run(f"mkdir -p {TRAPS} && chmod 0777 {TRAPS}", check=True)
    for name in ("podman", "runc", "docker", "containerd", "systemctl", "dmesg", "ldconfig", "criu", "nvidia-smi"):
        node.put(f"{TRAPS}/{name}", trap, 0o755)
    if not python:
        node.run("chmod a-x /usr/bin/python3.*[0-9]", check=True)
    try:
        found = probe(node, f"PATH={TRAPS}:$PATH")
        ran = node.run(f"cat {TRAPS}/ran").stdout
    finally:
        node.run(f"chmod a+x /usr/bin/python3.*[0-9]; rm -rf {TRAPS}", check=True)
    assert found.probe.interpreter.startswith("python3" if python else "sh")
    assert found.probe.uid == 0
    assert ran == ""


def test_a_link_of_a_windows_user_does_not_show_root_s_files(node: Node) -> None:
    home = "/mnt/c/Users/eve"
    node.run(f"mkdir -p {home} && ln -s /etc/shadow {home}/.wslconfig", check=True)
    try:
        found = probe(node)
    finally:
        node.run(f"rm -rf {home}", check=True)
    assert "root:" not in found.as_json()


def test_nothing_is_left_where_the_temporary_folder_is_somebody_else_s(node: Node) -> None:
    node.run("mkdir -p /srv/theirs && chmod 0777 /srv/theirs && chown 1000 /srv/theirs", check=True)
    try:
        probe(node, "TMPDIR=/srv/theirs")
        left = node.run("ls -A /srv/theirs", check=True).stdout
    finally:
        node.run("rm -rf /srv/theirs", check=True)
    assert left == ""
