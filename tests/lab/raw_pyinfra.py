"""Runs pyinfra itself on a lab, with data of a test's own, and reads back what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.errors import WslgpuError
from wslgpu.lab import Lab
from wslgpu.node_script import parse_errors

PROJECT = Path(__file__).resolve().parents[2]
INVENTORY = """\
import json, runpy
_hosts = runpy.run_path({lab_inventory!r})["gpu_nodes"]
_data = json.loads({data!r})
{group} = [(name, {{**values, **_data}}) for name, values in _hosts]
"""
OF_THE_MANIFEST = ("Note what is there before it", "Record it in the node's manifest")


@dataclass(frozen=True)
class Run:
    """One run.

    :param text: all that a person would have seen
    :param changed: names of the operations that changed something, without the deploy's own name; those of the
        manifest, which go with every other change, are named only where nothing else changed
    """

    rc: int
    text: str
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]

    @property
    def errors(self) -> list[WslgpuError]:
        """What the node's scripts reported."""
        return parse_errors(self.text.splitlines(), "node1")


def apply(lab: Lab, deploy: str, *flags: str, group: str = "gpu_nodes", **data: Any) -> Run:
    """``pyinfra INVENTORY DEPLOY -y`` on all nodes of a lab.

    :param group: the group that the nodes are in
    :param data: settings over the lab's own
    """
    with tempfile.TemporaryDirectory() as folder:
        inventory = Path(folder) / "nodes.py"
        inventory.write_text(
            INVENTORY.format(lab_inventory=str(PROJECT / "inventory/lab.py"), data=json.dumps(data), group=group)
        )
        ended = subprocess.run(
            [str(Path(sys.executable).with_name("pyinfra")), str(inventory), deploy, "-y", "--json", *flags],
            cwd=PROJECT,
            env={**os.environ, "WSLGPU_LAB": lab.name, "PYINFRA_PROGRESS": "off", "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    operations = json.loads(ended.stdout)["results"]["operations"] if ended.stdout.startswith("{") else []

    def names(outcome: str) -> tuple[str, ...]:
        return tuple(each["name"].rpartition(" | ")[2] for each in operations if each[outcome])

    changed = names("success")
    others = tuple(name for name in changed if name not in OF_THE_MANIFEST)
    return Run(ended.returncode, ended.stderr + ended.stdout, others or changed, names("no_change"))
