"""`wslgpu workload` on the session's cluster, as its user runs it, and pods that ask for a GPU."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.lab.support.command import wslgpu
from wslgpu.lab import Lab

NAMESPACE = "default"


@dataclass(frozen=True)
class Said:
    """The end of one command: exit code, JSON document, and what it told people."""

    code: int
    document: dict[str, Any]
    told: str

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["error"]
        return found

    def finding(self) -> tuple[str, str]:
        """Link and cause of the first broken link of a chain; empty texts when every link holds."""
        found = self.document["finding"]
        return (found["id"], found["cause"]) if found else ("", "")

    def judgements(self, verdict: str) -> dict[str, str]:
        """What a check says, by its question."""
        rows = [one for plan in self.document["workloads"] for one in plan["judgements"]]
        return {one["id"]: one["what"] for one in rows if one["verdict"] == verdict}

    def __str__(self) -> str:
        return f"exit {self.code}\n{json.dumps(self.document, indent=1)}\n{self.told}"


def workload(lab: Lab, *words: str, environment: Mapping[str, str] | None = None, timeout_s: float = 300) -> Said:
    """Run ``wslgpu workload WORDS`` on a lab's cluster, to its end."""
    words = ("workload", *words, "--lab", lab.name, "--json")
    done = wslgpu(*words, environment=environment, timeout_s=timeout_s)
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)


def image(lab: Lab) -> str:
    """A small image of the lab's registry, by digest."""
    rows: list[dict[str, Any]] = yaml.safe_load(lab.site_file.read_text())["cuda_images"]
    row = next(row for row in rows if row["role"] == "base")
    return f"{row['repository']}@{row['digest']}"


def gpu_pod(lab: Lab, name: str, script: str = "sleep 3600", gpus: int = 1, **container: Any) -> dict[str, Any]:
    """A pod that asks for GPUs under the nvidia runtime."""
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    main = {"name": "main", "image": image(lab), "command": ["sh", "-c", script], "resources": {"limits": limits}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "runtimeClassName": "nvidia",
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{**main, **container}],
        },
    }
