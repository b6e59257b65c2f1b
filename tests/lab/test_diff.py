"""`wslgpu diff` on lab nodes: what was done to a node after it was provisioned, and two nodes against each other."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import apply
from tests.lab.support.check import sessions
from tests.lab.support.command import wslgpu
from tests.lab.support.nodes import TOOLKIT
from wslgpu.lab import Lab

pytestmark = pytest.mark.lab

UNIT = "/etc/systemd/system/wslgpu-cdi-refresh.service"
PIN = "/etc/apt/preferences.d/wslgpu-container-toolkit"
MINE = "/etc/containerd/certs.d/mine.example/hosts.toml"
MANIFEST = "/var/lib/wslgpu/manifest.json"
SECRET = "never-to-be-seen-3141592653"


@dataclass(frozen=True)
class Told:
    """The end of one diff."""

    code: int
    document: dict[str, Any]
    text: str

    @property
    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Of all nodes, by section and name."""
        return {(row["section"], row["name"]): row for diff in self.document["diffs"] for row in diff["differences"]}


def diff(lab: Lab, *words: str) -> Told:
    done = wslgpu("diff", "--lab", lab.name, "--json", *words)
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode
    return Told(done.returncode, document, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def two(lab_factory: LabFactory) -> Lab:
    """Two nodes, provisioned alike."""
    lab = lab_factory(nodes=2)
    bare = diff(lab, "node1")
    assert (bare.code, bare.document["diffs"]) == (2, [])
    assert "there is no manifest" in bare.text
    outcome = apply(lab)
    assert outcome.code == 0, outcome
    return lab


def test_what_was_just_provisioned_is_as_it_should_be_and_alike(two: Lab) -> None:
    before = sessions(two.node())
    assert diff(two).code == 0
    assert sessions(two.node()) - before == 1
    assert diff(two, "node1", "node2").code == 0
    whole = diff(two, "node1", "node2", "--all")
    assert whole.code == 0, whole.text
    reasons = {row["reason"] for row in whole.document["diffs"][0]["allowed"]}
    assert {"machine-id", "host-keys", "host-name"} <= reasons


def test_drift_is_told_by_whom_and_since_when_and_apply_repairs_it(two: Lab, tmp_path: Path) -> None:
    node = two.node()
    node.nsenter(
        f"echo '# {SECRET}' >>{UNIT}; rm {PIN};"
        f" mkdir -p {MINE.rpartition('/')[0]}; echo {SECRET} >{MINE}; chmod 600 {MINE};"
        " systemctl disable --quiet wslgpu-cdi-refresh.path;"
        " ctr -n k8s.io images ls -q | head -n 1 | xargs ctr -n k8s.io images rm"
    )
    page = tmp_path / "page.html"
    told = diff(two, "node1", "--html", str(page))
    assert told.code == 1
    changes = {name: (row["change"], row["by"], bool(row["when"])) for (_, name), row in told.rows.items()}
    image = next(name for section, name in told.rows if section == "image")
    assert changes == {
        UNIT: ("changed", "by hand", True),
        PIN: ("removed", "by hand", False),
        MINE: ("added", "by hand", True),
        "wslgpu-cdi-refresh.path": ("changed", "by hand", False),
        image: ("removed", "by hand", False),
    }
    text = page.read_text()
    assert SECRET not in text
    assert UNIT in text
    assert told.rows["path", UNIT]["component"] == "video_cdi"

    tomorrow = node.nsenter("date -ud tomorrow +%Y-%m-%dT%H:%M:%SZ").stdout.strip()
    late = diff(two, "node1", "--since", tomorrow)
    assert (("path", UNIT) in late.rows, ("path", PIN) in late.rows) == (False, True)
    assert ("path", UNIT) in diff(two, "node1", "--since", "2020-01-01").rows

    node.nsenter(
        f"apt-mark unhold {TOOLKIT} >/dev/null; apt-get install -qy --allow-downgrades"
        f" {' '.join(f'{name}=1.18.1-1' for name in TOOLKIT.split())} >/dev/null 2>&1"
    )
    rows = [row for one in diff(two, "node1").document["diffs"] for row in one["differences"]]
    versions = [row for row in rows if row["section"] == "package" and row["what"] == ["version"]]
    assert {row["name"] for row in versions} == set(TOOLKIT.split())
    for row in versions:
        assert (row["by"], row["wanted"], row["found"]) == ("by a downgrade", "1.20.0-1", "1.18.1-1")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["when"])

    both = diff(two, "node1", "node2")
    assert both.code == 1
    assert {("path", UNIT), ("path", PIN), ("package", TOOLKIT.split()[0]), ("image", image)} <= both.rows.keys()
    assert diff(two, "node2").code == 0

    node.nsenter(f"rm -r {MINE.rpartition('/')[0]}")
    assert apply(two, "--limit", "node1").code == 0
    again = diff(two, "node1")
    assert again.code == 0, again.text


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (f"echo '{{' >{MANIFEST}", "damaged"),
        (f"""sed -i 's/^ "tool_version": "[^"]*"/ "tool_version": "99.0"/' {MANIFEST}""", "99.0"),
        (f"mv {MANIFEST} {MANIFEST}.away; ln -s {MANIFEST}.away {MANIFEST}", "symbolic link"),
        (f"rm {MANIFEST}", "there is no manifest"),
    ],
)
def test_without_a_manifest_that_can_be_trusted_nothing_is_told(two: Lab, spoil: str, what: str) -> None:
    node = two.node()
    node.nsenter(f"cp -a {MANIFEST} /root/kept; {spoil}")
    told = diff(two, "node1")
    node.nsenter(f"rm -f {MANIFEST} {MANIFEST}.away; mv /root/kept {MANIFEST}")
    assert (told.code, told.document["diffs"]) == (2, [])
    assert what in told.text


def test_a_node_that_is_away_and_one_that_differs(two: Lab) -> None:
    node = two.node()
    node.nsenter(f"mv {PIN} /root/pin")
    away = two.node("node2")
    away.nsenter("systemctl stop ssh.socket ssh.service")
    try:
        told = diff(two)
    finally:
        away.nsenter("systemctl start ssh.service")
        node.nsenter(f"mv /root/pin {PIN}")
    assert told.code == 1
    assert [(one["node"], one["same"]) for one in told.document["diffs"]] == [("node1", False)]
    assert [one["node"] for one in told.document["errors"]] == ["node2"]


def test_another_login_needs_sudo_and_nothing_is_left_behind(two: Lab, tmp_path: Path) -> None:
    node = two.node()
    data = {
        "ssh_hostname": node.address,
        "ssh_user": "lab",
        "ssh_key": str(two.directory / "id_ed25519"),
        "ssh_known_hosts_file": str(two.directory / "known_hosts"),
    }
    inventory = tmp_path / "nodes.py"
    inventory.write_text(f"gpu_nodes = {[(node.name, data)]!r}\n")
    node.nsenter("touch /run/before")
    done = wslgpu("diff", "--inventory", str(inventory))
    assert done.returncode == 0, done.stderr
    changed = "find / -xdev \\( -path /run -o -path /var/log \\) -prune -o -newer /run/before -print"
    assert node.nsenter(f"{changed}; ls /run | grep wslgpu-tree || true").stdout.split() == []
    node.nsenter("mkdir -p /root/sudo; mv /etc/sudoers.d/* /root/sudo/")
    try:
        refused = wslgpu("diff", "--inventory", str(inventory))
    finally:
        node.nsenter("mv /root/sudo/* /etc/sudoers.d/")
    assert refused.returncode == 2
    assert "sudo" in refused.stderr
