"""A fact whose command is a script of ``facts/scripts``."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pyinfra.api import FactBase, StringCommand

from wslgpu.node_script import command_line

SCRIPTS = Path(__file__).parent / "scripts"
_T = TypeVar("_T")


class ScriptFact(FactBase[_T]):
    """Subclasses name their script and parse what it prints; a script always prints something, even for "none"."""

    script_name: str

    def command(self, *arguments: str | int | bool) -> StringCommand:
        return StringCommand(command_line(SCRIPTS / f"{self.script_name}.sh", arguments))
