"""`make demo` on a machine that has root, git and make, and nothing else: what a newcomer sees first.

The machine is a lab node, and the demo's own node is a machine inside it.
"""

from __future__ import annotations

import re

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.project import archive
from wslgpu.lab import Node

pytestmark = pytest.mark.lab

PLACE = "/root/wslgpu"
# a company's authority, where this machine has one, is in the node's own store; not every pip looks there by itself
ENVIRONMENT = "PIP_CERT=/etc/ssl/certs/ca-certificates.crt"
TRACES = (
    "ls /sys/class/net; pgrep -x systemd-nspawn; pgrep -fa wslgpu[.];"
    " ls -A /var/lib/wslgpu-lab 2>/dev/null | grep -v '^[.]';"
    " grep wslgpu-lab /proc/mounts; nft list tables 2>/dev/null; ls -d /tmp/wslgpu*"
)


def clone(node: Node) -> None:
    node.nsenter(f"mkdir {PLACE} && tar --extract --no-same-owner --directory {PLACE}", stdin=archive())


@pytest.mark.parametrize("base", ["trixie", "bookworm"])
def test_make_demo_on_a_bare_machine(lab_factory: LabFactory, base: str) -> None:
    node = lab_factory(kind="fresh", persona="plain-linux", servers=False, base=base).node()
    assert node.run("command -v python3 systemd-nspawn mmdebstrap nft gcc").stdout == "", "it is not bare"
    before = node.nsenter(TRACES, check=False).stdout
    clone(node)
    demo = node.run(f"cd {PLACE} && {ENVIRONMENT} make demo 2>&1", timeout=900)
    said = demo.stdout
    assert demo.rc == 0, said[-5000:]
    for number in range(1, 6):
        assert f"== [{number}/5" in said, said[-5000:]
    assert re.search(r"^node1: \d+ found in place, 0 changed", said, re.MULTILINE), said[-5000:]
    assert "stand-in driver" in said
    assert "Traceback" not in said
    assert node.nsenter(TRACES, check=False).stdout == before
