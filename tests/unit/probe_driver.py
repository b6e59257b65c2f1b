"""Runs topics of the probe's program in a process of their own, against the lab's stand-in driver or none."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from wslgpu.lab.stand_ins.driver import build_driver_tree
from wslgpu.lab.stand_ins.scenarios import FILE_NAME
from wslgpu.probe.registry import observation_kinds
from wslgpu.settings import PROJECT_ROOT

_PROGRAM = """
import importlib, json, os, sys
blocked, level, topics = sys.argv[1], sys.argv[2], sys.argv[3:]
for name in filter(None, blocked.split(",")):
    sys.modules[name] = None
from wslgpu.probe.node.base import Probe
from wslgpu.probe.node.values import to_json
probe = Probe(level, "node", json.loads(os.environ["IDS"]), 60.0)
try:
    for topic in topics:
        importlib.import_module("wslgpu.probe.node." + topic).observe(probe)
finally:
    probe.close()
print(to_json(probe.results))
"""


@functools.cache
def tree(scenario: str, settings: str = "") -> Path:
    """The stand-in driver's folder of libraries for a scenario, made once a run.

    :param settings: lines instead of the scenario's own, as src/scenario.h has them
    """
    folder = Path(tempfile.mkdtemp(prefix="wslgpu-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    build_driver_tree(folder, scenario=scenario, dxg="/dev/null")
    if settings:
        own = folder / "lib" / FILE_NAME
        own.unlink(missing_ok=True)
        own.write_text(settings + "\n", encoding="utf-8")
    return folder / "lib"


def ids() -> dict[str, str]:
    """Every observation and its level, as the program is given them."""
    return {name: kind.level.value for name, kind in observation_kinds().items()}


def observed(
    *topics: str, scenario: str = "", level: str = "quick", blocked: str = "", libraries: Path | None = None
) -> dict[str, Any]:
    """What the topics put down.

    :param scenario: the stand-in driver's; empty: a machine without a driver
    :param libraries: a folder of the loader's, instead of a scenario's
    :param blocked: modules, with commas between, that this python3 does not have
    """
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT_ROOT),
        "IDS": json.dumps(ids()),
        "LD_LIBRARY_PATH": str(libraries or (tree(scenario) if scenario else "")),
    }
    command = [sys.executable, "-c", _PROGRAM, blocked, level, *topics]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def value(results: dict[str, Any], observation_id: str) -> Any:
    """An observed value; says what else it is when it is not."""
    assert results[observation_id]["status"] == "observed", results[observation_id]
    return results[observation_id]["value"]
