"""Measures builds: ``python -m bench.build`` (root; several builds of Mesa, one of FFmpeg).

Mesa without a compiler cache, then again after a change of the recipe with a warm one. Sources and clean root are in
the cache. The machine's speed drifts: compare figures of one run only. bench/artifacts.py measures installing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wslgpu.build.recipe import RECIPES
from wslgpu.settings import PROJECT_ROOT


def timed_build(name: str, store: Path, *options: str) -> float:
    """Seconds of one ``wslgpu build``, sources and clean root in the cache already.

    :raises CalledProcessError: it failed
    """
    command = [sys.executable, "-m", "wslgpu.cli", "build", name, *options]
    began = time.monotonic()
    subprocess.run(
        command, cwd=PROJECT_ROOT, env={**os.environ, "WSLGPU_STORE_DIR": str(store)}, check=True, capture_output=True
    )
    return time.monotonic() - began


def changed_recipe(name: str, folder: Path) -> Path:
    """A folder of recipes in which one differs by a comment: the key is new, what is compiled is the same."""
    shutil.copytree(RECIPES / name, folder / name)
    with (folder / name / "build.sh").open("a") as script:
        script.write("# changed by the benchmark\n")
    return folder


def main() -> None:
    """Print the seconds, as one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mesa", default="mesa-dozen-25.0.7")
    parser.add_argument("--ffmpeg", default="ffmpeg-7.1.5-reduced")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wslgpu-bench-") as folder:
        store, changed = Path(folder) / "store", changed_recipe("mesa-dozen", Path(folder) / "recipes")
        timed_build(options.mesa, Path(folder) / "filling")  # fetches, makes the root, fills the compiler cache
        cold = timed_build(options.mesa, store, "--no-ccache")
        warm = timed_build(options.mesa, store, "--recipes", str(changed))
        ffmpeg = timed_build(options.ffmpeg, store, "--no-ccache")
    document = {
        "mesa_cold_s": round(cold, 1),
        "mesa_changed_recipe_warm_s": round(warm, 1),
        "ratio": round(cold / warm, 1),
        "ffmpeg_s": round(ffmpeg, 1),
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
