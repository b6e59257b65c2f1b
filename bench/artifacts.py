"""Measures how long a stored artifact takes to a lab node over ssh: the first time, and with nothing to change.

``python -m bench.artifacts [NAME...]`` installs what this machine's store has (mesa-dozen, ffmpeg). What apt has to
fetch is fetched before, so that the line to a mirror is no part of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from wslgpu.apply import ApplyRequest, run_apply
from wslgpu.artifact_choice import ARTIFACTS, choose
from wslgpu.lab.lab import Lab, LabSpec, down
from wslgpu.settings import PROJECT_ROOT, load

NAME = "bench-artifacts"


def applied(lab: Lab, component: str, expected: str) -> float:
    """Seconds of one apply of a component that ends as expected."""
    request = ApplyRequest(
        PROJECT_ROOT / "inventory" / "lab.py", only=(component,), environment=(("WSLGPU_LAB", lab.name),)
    )
    started = time.monotonic()
    result = run_apply(request)
    if result.exit_code != 0 or [host.outcome for host in result.hosts] != [expected]:
        raise SystemExit(json.dumps(result.as_json(), indent=2))
    return time.monotonic() - started


def bench(lab: Lab, artifact: str, rounds: int) -> None:
    """Print one row; the artifact is taken away again before each round."""
    record = choose(load(), artifact).record
    if record is None:
        print(f"{artifact:>12}  not in the store")
        return
    component = artifact.replace("-", "_")
    applied(lab, component, "changed")
    first, again = [], []
    for _ in range(rounds):
        lab.node().nsenter(f"rm -r /opt/wslgpu/{artifact}")
        first.append(applied(lab, component, "changed"))
        again.append(applied(lab, component, "unchanged"))
    print(
        f"{artifact:>12}  {record.size_bytes / 1e6:6.1f} MB  installed in {statistics.median(first):5.1f} s"
        f" ({min(first):.1f} to {max(first):.1f}), nothing to change {statistics.median(again):5.1f} s"
    )


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", default=list(ARTIFACTS))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    lab = Lab.up(LabSpec(name=NAME, servers=False))
    try:
        for artifact in arguments.names:
            bench(lab, artifact, arguments.rounds)
    finally:
        down(NAME)


if __name__ == "__main__":
    main()
