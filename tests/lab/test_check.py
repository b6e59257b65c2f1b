"""`wslgpu check` on lab nodes: one session each, exit codes, reports, what it leaves behind, and hostile answers."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import PROJECT
from tests.lab.support.check import check, sessions, wslgpu
from wslgpu.lab import Lab, Node
from wslgpu.probe.document import Level, parse
from wslgpu.probe.program import payload

pytestmark = pytest.mark.lab

MARK = "lab, stand-in driver"
MEMORY_LIMIT_KIB = 300_000
LAST_CHANGED = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /var/log \\) -prune -o -newer /run/before"
    " -print; find /tmp /dev/shm -newer /run/before; ls -A /tmp"
)


def inventory(lab: Lab, folder: Path, user: str) -> Path:
    """The lab's first node, with another login."""
    node = lab.node()
    data = {
        "ssh_hostname": node.address,
        "ssh_user": user,
        "ssh_key": str(lab.directory / "id_ed25519"),
        "ssh_known_hosts_file": str(lab.directory / "known_hosts"),
    }
    path = folder / "nodes.py"
    path.write_text(f"gpu_nodes = {[(node.name, data)]!r}\n")
    return path


def test_a_node_is_checked_in_one_session(lab: Lab) -> None:
    node = lab.node()
    before = sessions(node)
    found = check(lab, "--workload", "cuda")
    assert sessions(node) - before == 1
    assert found.code == found.document["exit_code"] == found.node()["exit_code"]
    assert found.node()["platform"] == "wsl2"
    assert len(found.node()["capabilities"]) >= 90
    assert found.capability("cuda.init")["state"] in ("works", "limited"), found
    assert (found.document["mark"], found.node()["stand_in"]) == (MARK, True)


def test_saving_costs_no_session_more(lab: Lab, tmp_path: Path) -> None:
    node, path = lab.node(), inventory(lab, tmp_path, "root")
    before = sessions(node)
    saved = tmp_path / "node.json"
    done = wslgpu("check", "--inventory", str(path), "--save", str(saved))
    assert done.returncode in (0, 1, 2), done.stderr
    assert sessions(node) - before == 1
    document = parse(saved.read_bytes())
    assert document.redacted
    assert node.address not in saved.read_text()
    assert len(document.observations) >= 90


def test_a_login_without_root_is_enough(lab: Lab, tmp_path: Path) -> None:
    done = wslgpu("check", "--inventory", str(inventory(lab, tmp_path, "lab")), "--json")
    document = json.loads(done.stdout)
    assert document["nodes"][0]["error"] is None, done.stderr
    assert document["nodes"][0]["probe"]["uid"] == 1000
    states = {one["id"]: one["state"] for one in document["nodes"][0]["capabilities"]}
    assert states["cuda.init"] in ("works", "limited")


@pytest.mark.parametrize("level", ["quick", "full"])
def test_nothing_is_left_behind(lab: Lab, level: str) -> None:
    node = lab.node()
    node.nsenter("mkdir /tmp/canary; ln -s /tmp/canary /tmp/wslgpu; ln -s /tmp/canary /tmp/wslgpu-probe; sleep 1;"
                 " touch /run/before; sleep 0.1")  # fmt: skip
    try:
        assert check(lab, "--level", level).code in (0, 1, 2)
        changed = node.nsenter(LAST_CHANGED).stdout
        assert node.nsenter("ls -A /tmp/canary").stdout == ""
    finally:
        node.nsenter("rm -rf /tmp/canary /tmp/wslgpu /tmp/wslgpu-probe /run/before")
    allowed = ("/tmp/", "/root/.bash_history", "systemd-private-", "canary", "wslgpu", ".")
    own = [line for line in changed.splitlines() if "/nv/ComputeCache" in line or "probe." in line]
    assert own == []
    foreign = [line for line in changed.splitlines() if not line.startswith(allowed) and line != "/tmp"]
    assert foreign == [], changed
    running = node.nsenter("ps -eo args").stdout
    assert "python3" not in running, running


def test_reports_of_a_lab_say_so(lab: Lab, tmp_path: Path) -> None:
    files = {style: tmp_path / f"report.{style}" for style in ("junit", "markdown", "html")}
    words = [word for style, file in files.items() for word in (f"--{style}", str(file))]
    done = wslgpu("check", "--lab", lab.name, *words)
    assert MARK in done.stdout
    for file in files.values():
        assert MARK in file.read_text(), file
    nagios = wslgpu("check", "--lab", lab.name, "--workload", "cuda", "--nagios")
    assert MARK in nagios.stdout
    assert nagios.stdout.startswith("WSLGPU ")


@pytest.fixture(scope="module")
def three(lab_factory: LabFactory) -> Lab:
    return lab_factory(nodes=3)


def test_an_unreachable_node_beside_good_ones(three: Lab) -> None:
    three.node("node2").kill()
    try:
        found = check(three, "--workload", "cuda")
    finally:
        three.node("node2").start()
    codes = {node["name"]: node["exit_code"] for node in found.document["nodes"]}
    assert (found.code, codes) == (2, {"node1": 0, "node2": 2, "node3": 0}), found
    error = found.node("node2")["error"]
    assert (error["class"], error["retryable"]) == ("network", True)
    assert "cannot be reached" in error["what"]
    limited = check(three, "--limit", "node1", "--limit", "node3", "--workload", "cuda")
    assert limited.code == 0, limited
    assert check(three, "--limit", "node9").document["error"]["class"] == "usage"


def test_a_red_node_is_worse_than_an_unreachable_one(three: Lab) -> None:
    three.node("node2").kill()
    three.node("node3").nsenter("umount /usr/lib/wsl/lib; rm -f /etc/ld.so.cache; mv /dev/dxg /dev/dxg.away")
    try:
        found = check(three, "--workload", "cuda")
    finally:
        three.node("node3").reboot()
        three.node("node2").start()
    codes = {node["name"]: node["exit_code"] for node in found.document["nodes"]}
    assert (found.code, codes) == (1, {"node1": 0, "node2": 2, "node3": 1}), found


def test_another_host_key_is_refused(three: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    folder.mkdir()
    path = inventory(three, tmp_path, "root")
    other = (three.directory / "host_keys" / "node2.pub").read_text().split()[:2]
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"{three.node().address} {' '.join(other)}\n")
    path.write_text(path.read_text().replace(str(three.directory / "known_hosts"), str(known_hosts)))
    before = sessions(three.node())
    done = wslgpu("check", "--inventory", str(path), "--json")
    error = json.loads(done.stdout)["nodes"][0]["error"]
    assert done.returncode == 2
    assert "host key" in error["what"]
    assert not error["retryable"]
    assert sessions(three.node()) == before


def test_clones_are_found(three: Lab) -> None:
    first = three.node("node1").nsenter("cat /etc/machine-id").stdout
    own = three.node("node3").nsenter("cat /etc/machine-id").stdout
    three.node("node3").put("/etc/machine-id", first)
    try:
        found = check(three, "--workload", "cuda")
    finally:
        three.node("node3").put("/etc/machine-id", own)
    (finding,) = found.document["findings"]
    assert (found.code, finding["id"]) == (1, "fleet.duplicate.machine_id"), found
    assert finding["nodes"] == ["node1", "node3"]
    assert first.strip() not in json.dumps(found.document)


# fault 39: a node that answers whatever it likes


@contextlib.contextmanager
def answering(node: Node, script: str) -> Iterator[None]:
    """Every ssh session of root's runs this instead of what was asked for."""
    keys = node.nsenter("cat /root/.ssh/authorized_keys").stdout
    node.put("/root/hostile", f"#!/bin/sh\n{script}\n", 0o755)
    node.put("/root/.ssh/authorized_keys", f'command="/root/hostile" {keys}', 0o600)
    try:
        yield
    finally:
        node.put("/root/.ssh/authorized_keys", keys, 0o600)
        node.nsenter("rm /root/hostile")


# what the kernel says of a child's most memory begins with that of the process it was made by: ours, and large
MEASURED = """
import atexit, re, sys
place = sys.argv.pop(1)
def tell():
    with open("/proc/self/status") as status, open(place, "w") as out:
        out.write(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1])
atexit.register(tell)
from wslgpu.cli import main
main()
"""


def measured(lab: Lab, *words: str) -> tuple[int, str, str, int]:
    """Exit code, output, what was told, and the most memory that the controller had, in KiB."""
    with tempfile.NamedTemporaryFile("r") as place:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, place.name, "check", "--lab", lab.name, *words],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode(), int(place.read())


HOSTILE = {
    "endless lines": "exec yes",
    "a line of 1 GB": "head -c 1000000000 /dev/zero | tr '\\0' x",
    "endless complaints": "exec yes >&2",
    "escapes": "printf '\\033]0;owned\\007\\033[2J\\033[31m{\\000\\377'",
    "HTML": "echo '<script>alert(1)</script>'",
    "deep JSON": "head -c 1000000 /dev/zero | tr '\\0' '['",
    "nothing": "exit 0",
    "another schema": 'echo \'{"schema": "wslgpu.observations/9", "observations": {}}\'',
    "a mark of another run": "echo '=== wslgpu 0123456789abcdef0123456789abcdef begin ==='; echo '{}'",
}


@pytest.mark.parametrize("script", HOSTILE.values(), ids=HOSTILE)
def test_fault_39_what_is_no_document_is_bounded_and_not_judged(lab: Lab, script: str) -> None:
    with answering(lab.node(), script):
        code, output, told, memory = measured(lab, "--timeout", "10")
    assert code == 2, told
    assert "Traceback" not in told
    assert "\x1b" not in output + told
    assert "\x00" not in output + told
    assert memory < MEMORY_LIMIT_KIB
    assert len(output) < 100_000
    assert "GO" not in output.replace("NO-GO", "")


@pytest.fixture(scope="module")
def answer_of_a_node(lab: Lab) -> str:
    """What the program answered on the node, as one line of JSON."""
    done = lab.node().nsenter(["sh", "-s"], stdin=payload(Level.QUICK))
    return next(line for line in done.stdout.splitlines() if line.startswith("{"))


def test_fault_39_text_of_a_node_stays_text(lab: Lab, answer_of_a_node: str, tmp_path: Path) -> None:
    document = json.loads(answer_of_a_node)
    name = "\x1b[31m<img src=x onerror=alert(1)>|`[x](javascript:alert(1))\u202e\x00]]>"
    document["observations"]["cuda.devices"]["value"][0]["name"] = name
    document["observations"]["nvml.fields"]["value"]["name"]["values"] = [name]
    document["observations"]["system.os_release"]["value"]["pretty_name"] = name
    files = {style: tmp_path / f"report.{style}" for style in ("junit", "markdown", "html")}
    lab.node().put("/root/answer", json.dumps(document))
    with answering(lab.node(), "cat /root/answer"):
        words = [word for style, file in files.items() for word in (f"--{style}", str(file))]
        code, output, told, _ = measured(lab, "-v", *words)
    assert code in (0, 1, 2), told
    assert "onerror" in output, "the name is shown, and harmless"
    for text in (output, told, *(file.read_text() for file in files.values())):
        assert not set(text) & {"\x1b", "\x00", "\u202e"}
    assert "<img src=x" not in files["html"].read_text()
    assert not re.search(r"(?<!\\)<img", files["markdown"].read_text())
    assert "<img src=x" not in files["junit"].read_text()


def test_fault_39_a_forged_answer_cannot_lift_a_labs_mark(lab: Lab, answer_of_a_node: str) -> None:
    """A document of a lab's says so in two places; what says so in one only is no more a real node's."""
    document = json.loads(answer_of_a_node)
    document["stand_in"] = False
    lab.node().put("/root/answer", json.dumps(document))
    with answering(lab.node(), "cat /root/answer"):
        found = check(lab)
    assert found.node()["stand_in"] or found.node()["error"], found
