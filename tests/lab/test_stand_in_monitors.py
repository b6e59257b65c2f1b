"""gpustat on the stand-in NVML: published as source alone, so it is not in the lock and is built here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wslgpu.lab.stand_ins import driver

pytestmark = pytest.mark.lab

PINS = Path(__file__).parents[1] / "fixtures/gpustat"


def test_gpustat_is_served(tmp_path: Path) -> None:
    pytest.importorskip("pynvml")
    uv = pytest.importorskip("uv")
    target, tree = tmp_path / "target", tmp_path / "tree"
    install = [uv.find_uv_bin(), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    install += ["--python", sys.executable, "--target", str(target)]
    install += ["--build-constraints", str(PINS / "build.txt"), "-r", str(PINS / "requirements.txt")]
    subprocess.run(install, check=True, timeout=300)
    driver.build_driver_tree(tree, scenario="two-gpus", dxg="/dev/null")
    environment = {**os.environ, "PYTHONPATH": str(target), "LD_LIBRARY_PATH": str(tree / "lib")}
    command = [sys.executable, "-m", "gpustat", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
    said = json.loads(done.stdout)
    assert said["driver_version"] == "581.80"
    rows = [(gpu["name"], gpu["temperature.gpu"], gpu["memory.total"], gpu["utilization.gpu"]) for gpu in said["gpus"]]
    assert rows == [("NVIDIA L20 (stand-in)", 41, 46068, 0), ("NVIDIA L20 (stand-in)", 42, 46068, 0)]
    # WSL2's NVML does not tell who computes; gpustat copes with that
    assert [gpu["processes"] for gpu in said["gpus"]] == [None, None]
