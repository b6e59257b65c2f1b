"""A hundred targets in parallel: bounded memory, bounded numbers, and the dead do not hold up the others.

The controller runs in the network namespace of one lab node, whose real sshd then answers on every loopback address.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.support.apply import PROJECT, descendants
from tests.lab.support.check import sessions
from wslgpu.lab import Lab

pytestmark = pytest.mark.lab

TARGETS = 100
CLOSED = {f"target{number:03}" for number in (3, 20, 41, 42, 99)}
SILENT = "target007"
MEMORY_LIMIT_BYTES = 300_000_000
CONCURRENCY = 16

# in the node's namespace: accepts connections and says nothing, until standard input ends
SILENT_SERVER = """
import socket, sys
server = socket.create_server(("127.0.1.7", 2222))
print("listening", flush=True)
sys.stdin.read()
"""


@dataclass
class Seen:
    """What was seen of a process and its descendants while they ran."""

    most_memory_bytes: int = 0
    most_clients: int = 0


def name_and_memory(pid: int) -> tuple[str, int]:
    """A process's name, and its proportional share of memory in bytes; nothing when it has just ended."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return "", 0
    return name, sum(int(row.split()[1]) << 10 for row in rows if row.startswith("Pss:"))


@contextmanager
def watched(pid: int) -> Iterator[Seen]:
    """Look at the tree of processes again and again while the block runs."""
    seen, ended = Seen(), threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            tree = {one: name_and_memory(one) for one in [pid, *descendants(pid)]}
            clients = sum(name == "ssh" for name, _ in tree.values())
            seen.most_clients = max(seen.most_clients, clients)
            seen.most_memory_bytes = max(seen.most_memory_bytes, sum(memory for _, memory in tree.values()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


@contextmanager
def silent_server(space: list[str]) -> Iterator[None]:
    process = subprocess.Popen(
        [*space, sys.executable, "-c", SILENT_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield
        process.communicate()


def inventory(lab: Lab, folder: Path) -> Path:
    """A pyinfra inventory of a hundred addresses, all with the node's own host key."""
    key = (lab.directory / "host_keys" / "node1.pub").read_text().split()[:2]
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"127.0.1.* {' '.join(key)}\n")
    hosts = []
    for number in range(1, TARGETS + 1):
        name = f"target{number:03}"
        port = 9 if name in CLOSED else 2222 if name == SILENT else 22
        data = {
            "ssh_hostname": f"127.0.1.{number}",
            "ssh_port": port,
            "ssh_user": "root",
            "ssh_key": str(lab.directory / "id_ed25519"),
            "ssh_known_hosts_file": str(known_hosts),
        }
        hosts.append((name, data))
    path = folder / "hundred.py"
    path.write_text(f"gpu_nodes = {hosts!r}\n")
    return path


def test_a_hundred_targets_of_which_six_are_dead(lab: Lab, tmp_path: Path) -> None:
    before = sessions(lab.node())
    space = ["nsenter", f"--target={lab.node().leader()}", "--net"]
    command = [
        *[*space, sys.executable, "-m", "wslgpu.cli", "check", "--inventory", str(inventory(lab, tmp_path))],
        *["--json", "--concurrency", str(CONCURRENCY), "--timeout", "120"],
    ]
    with (
        silent_server(space),
        (tmp_path / "out").open("wb") as out,
        (tmp_path / "err").open("wb") as err,
        subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=out, stderr=err) as process,
        watched(process.pid) as seen,
    ):
        code = process.wait(600)
    told = (tmp_path / "err").read_text()
    assert code in (1, 2), told
    document = json.loads((tmp_path / "out").read_text())
    errors = {node["name"]: node["error"] for node in document["nodes"]}
    assert sorted(errors) == [f"target{number:03}" for number in range(1, TARGETS + 1)]
    dead = {name for name, error in errors.items() if error}
    assert dead == CLOSED | {SILENT}, {name: errors[name] for name in dead}
    assert all(errors[name]["class"] == "network" and errors[name]["retryable"] for name in dead), errors
    assert told.count("answered in") == TARGETS - len(dead)
    # those that refuse at once were told of before those that were still to come
    assert told.index("target003: cannot be reached") < told.index("target100: answered")
    assert sessions(lab.node()) - before == TARGETS - len(dead), "one session for each target"
    assert 4 < seen.most_clients <= CONCURRENCY
    print(f"most memory: {seen.most_memory_bytes >> 20} MiB, most clients: {seen.most_clients}")
    assert 0 < seen.most_memory_bytes < MEMORY_LIMIT_BYTES, f"{seen.most_memory_bytes >> 20} MiB"
