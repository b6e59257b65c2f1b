"""What an inventory resolves to: every host with its groups and data, as pyinfra itself sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.errors import UsageError
from wslgpu.settings import PROJECT_ROOT


@dataclass(frozen=True)
class ResolvedHost:
    """One host.

    :param address: host name or address for ssh; ``@local`` for this machine
    :param data: every setting and connection value, as the deploy gets them
    """

    name: str
    address: str
    groups: tuple[str, ...]
    data: dict[str, Any]


def resolved_hosts(inventory: Path, environment: tuple[tuple[str, str], ...] = ()) -> dict[str, ResolvedHost]:
    """Ask pyinfra (``debug-inventory --json``); no host is contacted.

    :raises UsageError: the inventory or its data was refused; pyinfra's or our own line is quoted
    """
    environment_now = {**os.environ, **dict(environment), "PYINFRA_PROGRESS": "off"}
    command = [sys.executable, "-m", "pyinfra", "--json", str(inventory), "debug-inventory"]
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment_now, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        ours = next((line for line in done.stderr.splitlines() if line.startswith("wslgpu:")), "")
        if ours:  # it says where, and what to do
            raise UsageError(ours.removeprefix("wslgpu: "))
        said = (done.stderr.strip().splitlines() or ["pyinfra said nothing"])[-1]
        raise UsageError(said, str(inventory), "Mend that, and see what pyinfra makes of it: wslgpu inventory list")
    return parse_inventory(done.stdout)


def parse_inventory(text: str) -> dict[str, ResolvedHost]:
    """Read what ``debug-inventory --json`` prints."""
    hosts: dict[str, ResolvedHost] = {}
    for row in json.loads(text):
        data = dict(row["data"])
        address = "@local" if row["name"] == "@local" else str(data.get("ssh_hostname", row["name"]))
        groups = tuple(dict.fromkeys(group for group in row["groups"] if group not in ("all", row["name"])))
        hosts[row["name"]] = ResolvedHost(row["name"], address, groups, data)
    return hosts
