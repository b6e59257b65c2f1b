"""`wslgpu check` on a lab, as its user runs it, and sshd's count of sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.lab.support.command import wslgpu as wslgpu
from wslgpu.lab import Lab, Node


@dataclass(frozen=True)
class Checked:
    """The end of one check: exit code, JSON document, and what it told people."""

    code: int
    document: dict[str, Any]
    told: str

    def node(self, name: str = "node1") -> dict[str, Any]:
        found: dict[str, Any] = next(node for node in self.document["nodes"] if node["name"] == name)
        return found

    def capability(self, capability_id: str, name: str = "node1") -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self.node(name)["capabilities"] if one["id"] == capability_id)
        return found

    def workload(self, workload_id: str, name: str = "node1") -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self.node(name)["workloads"] if one["id"] == workload_id)
        return found

    def __str__(self) -> str:
        return f"exit {self.code}\n{json.dumps(self.document, indent=1)[:20_000]}\n{self.told}"


def check(lab: Lab, *words: str, environment: Mapping[str, str] | None = None) -> Checked:
    """Check a lab's nodes and read the report."""
    done = wslgpu("check", "--lab", lab.name, "--json", *words, environment=environment)
    assert "Traceback" not in done.stderr, done.stderr
    return Checked(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)


def sessions(node: Node) -> int:
    """ssh sessions that the node's sshd has started so far; asked from outside, without one."""
    command = "journalctl -q --no-pager -t sshd -t sshd-session | grep -c 'Starting session' || :"
    return int(node.nsenter(command).stdout)
