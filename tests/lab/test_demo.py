"""`make demo` on a machine that has root, git and make, and nothing else: what a newcomer sees first.

The machine is a lab node, and the demo's own node is a machine inside it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.lab.conftest import LabFactory
from wslgpu.lab import Node

pytestmark = pytest.mark.lab

PROJECT = Path(__file__).resolve().parents[2]
PLACE = "/root/wslgpu"
# a company's authority, where this machine has one, is in the node's own store; not every pip looks there by itself
ENVIRONMENT = "PIP_CERT=/etc/ssl/certs/ca-certificates.crt"
TRACES = (
    "ls /sys/class/net; pgrep -x systemd-nspawn; pgrep -fa wslgpu[.];"
    " ls -A /var/lib/wslgpu-lab 2>/dev/null | grep -v '^[.]';"
    " grep wslgpu-lab /proc/mounts; nft list tables 2>/dev/null; ls -d /tmp/wslgpu*"
)


def clone(node: Node, folder: Path) -> None:
    """The project as a clone would have it: what git knows here, and what it would if it were added."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    ).stdout
    there = [name for name in listed.decode().split("\0") if name and (PROJECT / name).is_file()]
    archive = folder / "project.tar"
    subprocess.run(
        ["tar", "--create", "--file", str(archive), "--files-from", "-"],
        cwd=PROJECT,
        input="\n".join(there).encode(),
        check=True,
    )
    node.nsenter(f"mkdir {PLACE} && tar --extract --no-same-owner --directory {PLACE}", stdin=archive.read_bytes())


@pytest.mark.parametrize("base", ["trixie", pytest.param("bookworm", marks=pytest.mark.long)])
def test_make_demo_on_a_bare_machine(lab_factory: LabFactory, tmp_path: Path, base: str) -> None:
    node = lab_factory(kind="fresh", persona="plain-linux", servers=False, base=base).node()
    assert node.run("command -v python3 systemd-nspawn mmdebstrap nft gcc").stdout == "", "it is not bare"
    before = node.nsenter(TRACES, check=False).stdout
    clone(node, tmp_path)
    demo = node.run(f"cd {PLACE} && {ENVIRONMENT} make demo 2>&1", timeout=900)
    said = demo.stdout
    assert demo.rc == 0, said[-5000:]
    for number in range(1, 6):
        assert f"== [{number}/5" in said, said[-5000:]
    assert "node1: 0 changed" in said or ", 0 changed" in said, said[-5000:]
    assert "stand-in driver" in said
    assert "Traceback" not in said
    assert node.nsenter(TRACES, check=False).stdout == before
