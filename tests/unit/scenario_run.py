"""The GPU topics of the probe over several scenarios, in a process that the loader has pointed to one driver tree.

Standard input: JSON, ``[{"tree": FOLDER, "name": SCENARIO, "write": true, "level": LEVEL, "topics": [...],
"timeout_s": N}]``; ``write`` puts the scenario into the tree first. Standard output: for each its observations.
The probe loads libraries in its children only, so each scenario is read anew.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from wslgpu.lab.stand_ins.scenarios import write_scenario
from wslgpu.probe.node.base import OutOfTime, Probe
from wslgpu.probe.registry import observation_kinds


def look(run: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """One scenario's observations by id."""
    if run["write"]:
        write_scenario(Path(run["tree"]), run["name"])
    probe = Probe(run["level"], "node", ids, run["timeout_s"])
    try:
        for topic in run["topics"]:
            importlib.import_module(f"wslgpu.probe.node.{topic}").observe(probe)
    except OutOfTime:
        pass
    finally:
        probe.close()
    return probe.results


if __name__ == "__main__":
    kinds = {kind.id: kind.level.value for kind in observation_kinds().values()}
    print(json.dumps([look(run, kinds) for run in json.load(sys.stdin)]))
