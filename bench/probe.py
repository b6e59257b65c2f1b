"""Measures one node's probe over ssh against other ways to the same answers: ``python -m bench.probe`` (needs root).

On one lab node, in alternating rounds, wall seconds of:

- ``ssh true``: a new connection that runs nothing
- ``probe``: what `wslgpu check` does to a node: one connection, the program sent, the document read
- ``testinfra``: the quick level's observations as one command each, by testinfra's ssh backend; each command is a
  login of its own there
- ``testinfra, one login``: the same with a shared connection, as `wslgpu verify` has it
- ``goss``: the same commands as a gossfile, sent to the node's ``goss validate`` over one connection; goss must be
  installed in the node first, which is not counted

Median and spread are printed, and the ratios of the medians. The machine's speed drifts: compare figures of one run
only. The commands are those that a person would type for the same observation, so a tool that runs them does less
than the probe does: it parses nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import testinfra

from wslgpu.inventory import ResolvedHost
from wslgpu.lab import Lab, LabSpec, Node, down
from wslgpu.probe.channels import Target, in_inventory
from wslgpu.probe.document import Level
from wslgpu.probe.gather import gather_all
from wslgpu.probe.program import answer, payload
from wslgpu.probe.registry import observation_kinds
from wslgpu.verify.connection import connections


def commands() -> list[str]:
    """What a person would type for the observations of the level quick, each once."""
    rows = (kind.command for kind in observation_kinds().values() if kind.level is Level.QUICK)
    return list(dict.fromkeys(row.replace("PID", "1") for row in rows if row))


def ssh_true(node: Node) -> None:
    """One login that runs nothing."""
    subprocess.run(node.ssh_argv("true"), check=True, stdin=subprocess.DEVNULL)


def probe(target: Target) -> tuple[float, float, int]:
    """One probe: its own seconds on the node, its CPU seconds there, and how many observations it made."""
    (one,) = gather_all([target], Level.QUICK).answers
    if one.document is None:
        raise SystemExit(str(one.error))
    run = one.document.probe
    return run.duration_s, run.cpu_s, len(one.document.observations)


def by_testinfra(name: str, ssh_config: Path) -> None:
    """The commands by testinfra, one by one; what they answer is not looked at."""
    host = testinfra.get_host(f"ssh://{name}", ssh_config=str(ssh_config))
    for command in commands():
        host.run(command)


def gossfile() -> str:
    """The commands as a gossfile; a command may end in any way, as long as it ends."""
    return json.dumps(
        {"command": {text: {"exec": text, "exit-status": {"ge": 0}, "timeout": 10000} for text in commands()}}
    )


def by_goss(node: Node, gosses: bytes) -> None:
    """The commands by goss in the node, over one connection."""
    words = node.ssh_argv("goss --gossfile - validate --format silent")
    subprocess.run(words, input=gosses, check=False, capture_output=True)


def install_goss(node: Node) -> bool:
    """Whether goss could be installed in the node."""
    done = node.nsenter(
        "apt-get -q update && apt-get -q install --yes --no-install-recommends goss", check=False, timeout=300
    )
    return done.ok


def seconds(function: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    started = time.monotonic()
    function()
    return time.monotonic() - started


def bench(rounds: int, persona: str, slow: int) -> None:
    """Measure and print."""
    name = "benchprobe"
    lab = Lab.up(LabSpec(name=name, persona=persona))
    try:
        _bench(lab, rounds, slow)
    finally:
        down(name)


def _bench(lab: Lab, rounds: int, slow: int) -> None:
    node = lab.node()
    data = {
        "ssh_user": "root",
        "ssh_key": str(lab.directory / "id_ed25519"),
        "ssh_known_hosts_file": str(lab.directory / "known_hosts"),
    }
    host = ResolvedHost(node.name, node.address, (), data)
    goss = install_goss(node)
    walls: dict[str, list[float]] = {}
    runs: list[tuple[float, float, int]] = []
    with connections([host]) as connected, tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "ssh_config"
        shared = connected.ssh_config.read_text()
        alone.write_text("\n".join(line for line in shared.splitlines() if "Control" not in line) + "\n")
        target, gosses = in_inventory(node.name, alone), gossfile().encode()
        for number in range(rounds):
            walls.setdefault("ssh true", []).append(seconds(lambda: ssh_true(node)))
            walls.setdefault("probe", []).append(seconds(lambda: runs.append(probe(target))))
            if goss:
                walls.setdefault("goss", []).append(seconds(lambda: by_goss(node, gosses)))
            if number < slow:
                walls.setdefault("testinfra", []).append(seconds(lambda: by_testinfra(node.name, alone)))
                one_login = seconds(lambda: by_testinfra(node.name, connected.ssh_config))
                walls.setdefault("testinfra, one login", []).append(one_login)
    on_node = [_on_node(node) for _ in range(rounds)]
    _print(walls, runs, on_node, goss)


def _on_node(node: Node) -> float:
    """Wall seconds of the program started in the node itself, without a connection."""
    script = payload(Level.QUICK)
    started = time.monotonic()
    done = subprocess.run(node.nsenter_argv(["sh", "-s"]), input=script, check=True, capture_output=True)
    took = time.monotonic() - started
    answer(done.stdout, node.name)
    return took


def _print(
    walls: dict[str, list[float]], runs: list[tuple[float, float, int]], on_node: list[float], goss: bool
) -> None:
    print(f"{runs[0][2]} observations by the probe; {len(commands())} commands by the others")
    if not goss:
        print("goss could not be installed in the node, and was left out")
    print(f"{'':<22} median s   spread s          rounds   times the probe")
    probe_wall = statistics.median(walls["probe"])
    for name, times in {**walls, "program on the node": on_node}.items():
        middle = statistics.median(times)
        print(
            f"{name:<22} {middle:8.3f}   {min(times):.3f} to {max(times):<6.3f}  {len(times):>6}"
            f"   {middle / probe_wall:8.2f}"
        )
    own = statistics.median(run[0] for run in runs)
    cpu = [run[1] for run in runs]
    print(
        f"probe's own time on the node: {own:.3f} s; CPU there: {statistics.median(cpu):.3f} s, most {max(cpu):.3f} s"
    )
    least = statistics.median(walls["ssh true"]) + own
    print(f"probe / (ssh true + the probe's own time) = {probe_wall / least:.2f}")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--slow-rounds", type=int, default=3, help="rounds of testinfra")
    parser.add_argument("--persona", default="wsl2")
    arguments = parser.parse_args()
    bench(arguments.rounds, arguments.persona, arguments.slow_rounds)


if __name__ == "__main__":
    main()
