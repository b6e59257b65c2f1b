"""Measures a fresh provision and a run with nothing to change, on lab nodes over ssh: ``make bench``.

For each number of nodes: wall seconds, CPU seconds of the controller (getrusage of the child), and ssh sessions as
sshd itself counts them ("Starting session" at LogLevel VERBOSE). The runs with nothing to change are repeated;
median and spread are printed. The machine's speed drifts: compare figures of one run only.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from wslgpu.apply import ApplyRequest, ApplyResult, run_apply
from wslgpu.lab.lab import Lab, LabSpec, down
from wslgpu.settings import PROJECT_ROOT


@dataclass(frozen=True)
class Measure:
    """One run: seconds, seconds of controller CPU, and ssh sessions over all nodes."""

    wall_s: float
    cpu_s: float
    sessions: int


def sessions(lab: Lab) -> int:
    """ssh sessions that the nodes' sshd has started so far; asking costs one per node, which is taken off later."""
    command = "journalctl -q --no-pager -t sshd -t sshd-session | grep -c 'Starting session' || :"
    return sum(int(node.run(command, check=True).stdout) for node in lab.nodes)


def measured(lab: Lab) -> tuple[Measure, ApplyResult]:
    """Apply once and measure."""
    before = sessions(lab)
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    result = run_apply(ApplyRequest(PROJECT_ROOT / "inventory" / "lab.py", environment=(("WSLGPU_LAB", lab.name),)))
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if result.exit_code != 0:
        raise SystemExit(json.dumps(result.as_json(), indent=2))
    used = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    return Measure(wall, used, sessions(lab) - before - len(lab.nodes)), result


def bench(nodes: int, rounds: int) -> None:
    """Print one row for the fresh run and one for the runs with nothing to change."""
    name = f"bench{nodes}"
    lab = Lab.up(LabSpec(name=name, nodes=nodes))
    try:
        fresh, result = measured(lab)
        operations = max(len(host.changed) + host.unchanged for host in result.hosts)
        again = []
        for _ in range(rounds):
            measure, result = measured(lab)
            if any(host.changed for host in result.hosts):
                raise SystemExit(f"a run with nothing to change changed {result.as_json()}")
            again.append(measure)
    finally:
        down(name)
    walls = [m.wall_s for m in again]
    print(f"{nodes:>5}  fresh       {fresh.wall_s:7.1f}  {fresh.cpu_s:6.1f}  {fresh.sessions:>8}  {operations:>10}")
    print(
        f"{nodes:>5}  no change   {statistics.median(walls):7.1f}"
        f"  {statistics.median(m.cpu_s for m in again):6.1f}"
        f"  {statistics.median(m.sessions for m in again):>8.0f}  {operations:>10}"
        f"   {min(walls):.1f} to {max(walls):.1f} s over {rounds} rounds"
    )


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"commit of {Path.cwd().name}; columns: nodes, run, wall s, controller CPU s, ssh sessions, operations")
    for nodes in arguments.nodes:
        bench(nodes, arguments.rounds)


if __name__ == "__main__":
    main()
