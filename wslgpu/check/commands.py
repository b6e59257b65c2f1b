"""The commands of this package, by name: what the command line imports when one of them is called."""

from __future__ import annotations

import click

from wslgpu.check.catalogue_cli import catalogue, explain
from wslgpu.check.cli import check, judge_command, probe
from wslgpu.check.support_cli import support

COMMANDS: dict[str, click.Command] = {
    "check": check,
    "probe": probe,
    "judge": judge_command,
    "explain": explain,
    "catalogue": catalogue,
    "support": support,
}
