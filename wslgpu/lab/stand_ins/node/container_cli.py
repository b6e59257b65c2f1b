"""nvidia-container-cli: libnvidia-container's program. The stand-in answers info and refuses the rest."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import NOTICE, cdi, cli
from .log import Logger
from .version import VERSION


def main(argv: list[str] | None = None) -> int:
    """The program; returns its exit status."""
    parser = cli.parser("nvidia-container-cli", "libnvidia-container")
    parser.set_defaults(run=None)
    parser.add_argument("-V", action="version", version=f"cli-version: {VERSION}\nlib-version: {VERSION}\n{NOTICE}")
    command = cli.subparsers(parser)
    for name in ("info", "list", "configure"):
        command(name, f"{name} as libnvidia-container does").set_defaults(run=name)
    options = cli.parse(parser, argv)
    smi = Path(cdi.LIB) / "nvidia-smi"
    if options.run != "info" or not smi.exists():
        Logger().failure(f"nvidia-container-cli: {options.run} is not supported ({NOTICE})")
        return 1
    query = [str(smi), "--query-gpu=driver_version,index,name,uuid", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        Logger().failure(f"nvidia-container-cli: initialization error: {done.stdout.strip()}")
        return 1
    rows = [line.split(", ") for line in done.stdout.splitlines()]
    print(f"NVRM version:   {rows[0][0] if rows else 'unknown'}")
    for _, index, name, uuid in rows:
        print(f"\nDevice Index:   {index}\nModel:          {name}\nGPU UUID:       {uuid}")
    return 0
