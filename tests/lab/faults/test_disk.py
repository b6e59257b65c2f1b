"""Disks that fill up, or turn read-only, when the checks before the deploy have passed."""

from __future__ import annotations

import pytest
import yaml

from tests.lab.support.apply import apply, refused, site
from tests.lab.support.nodes import forget_images, forget_toolkit, images, toolkit_packages
from wslgpu.lab import Lab, Node

pytestmark = pytest.mark.lab


def test_fault_20_disk_full_in_mid_pull(lab: Lab, node: Node) -> None:
    forget_images(node)
    content = "/var/lib/containerd/io.containerd.content.v1.content"
    # sizes that are wrong let it begin
    wrong = [{**image, "size_bytes": 1} for image in yaml.safe_load(lab.site_file.read_text())["cuda_images"]]
    node.nsenter(f"mount -t tmpfs -o size=3m none {content} && mkdir -p {content}/ingest {content}/blobs/sha256")
    try:
        with site(lab, cuda_images=wrong, free_disk_reserve_bytes=0):
            outcome = apply(lab, "--only", "cuda_images")
        refused(outcome, "platform", "no space left", "/var/lib/containerd", step="Pull the base image by digest")
        assert images(node) == []
    finally:
        node.nsenter(f"umount {content}")
    outcome = apply(lab, "--only", "cuda_images")
    assert outcome.code == 0, outcome


def test_fault_20_disk_full_while_packages_come(lab: Lab, node: Node) -> None:
    forget_toolkit(node, packages_only=True)
    archives = "/var/cache/apt/archives"
    node.nsenter(f"mount -t tmpfs -o size=16k none {archives} && mkdir -p {archives}/partial")
    try:
        step = "Install and hold the toolkit's four packages"
        refused(apply(lab, "--only", "container_toolkit"), "platform", "no space left", "df -h", step=step)
        assert toolkit_packages(node) == ""
    finally:
        node.nsenter(f"umount {archives}")
    outcome = apply(lab, "--only", "container_toolkit")
    assert outcome.code == 0, outcome


def test_fault_20_disk_full_while_a_file_is_written(lab: Lab, node: Node) -> None:
    """A file of /etc that cannot be written stays as it was."""
    node.nsenter("sed -i '/systemd/d' /etc/wsl.conf")
    before = node.nsenter("cat /etc/wsl.conf").stdout
    node.nsenter("mkdir /run/full && mount -t tmpfs -o size=16m none /run/full && cp -a /etc/. /run/full/")
    node.nsenter("dd if=/dev/zero of=/run/full/zero bs=4k status=none", check=False)
    node.nsenter("mount --bind /run/full /etc")
    try:
        outcome = apply(lab, "--only", "wsl")
        refused(outcome, "platform", "/etc", "free space", step="Set our keys in /etc/wsl.conf")
        assert node.nsenter("cat /etc/wsl.conf").stdout == before
        assert node.nsenter("find /etc -name '.*wslgpu-*'").stdout == ""
    finally:
        node.nsenter("umount /etc; umount /run/full; rmdir /run/full")
    outcome = apply(lab, "--only", "wsl")
    assert outcome.host()["outcome"] == "changed", outcome


def test_fault_22_read_only_when_a_file_is_written(lab: Lab, node: Node) -> None:
    node.nsenter("sed -i '/systemd/d' /etc/wsl.conf")
    before = node.nsenter("cat /etc/wsl.conf").stdout
    node.nsenter("mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    try:
        refused(apply(lab), "platform", "read-only", "remount", step="Preflight")
        outcome = apply(lab, "--only", "wsl")
        refused(outcome, "platform", "cannot write in /etc", step="Set our keys in /etc/wsl.conf")
        assert node.nsenter("cat /etc/wsl.conf").stdout == before
    finally:
        node.nsenter("umount /etc")
    outcome = apply(lab, "--only", "wsl")
    assert outcome.host()["outcome"] == "changed", outcome
