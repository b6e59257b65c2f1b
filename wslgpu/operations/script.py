"""The command that an operation yields: a script of ``operations/scripts`` with its values."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from pyinfra.api import StringCommand

from wslgpu.facts import bound
from wslgpu.node_script import command_line

SCRIPTS = Path(__file__).parent / "scripts"


def script(name: str, *arguments: str | int | bool, stdin: str = "", timeout_s: int | None = None) -> StringCommand:
    """A command that runs ``scripts/NAME.sh`` on the node.

    What was read of the node before is forgotten, since the script may change it.

    :param stdin: text for the script's standard input, never shown in process lists or logs
    :param timeout_s: deadline of the whole script
    """
    bound.forget()
    connector: dict[str, object] = {}
    if stdin:
        connector["_stdin"] = stdin
    if timeout_s is not None:
        connector["_timeout"] = timeout_s
    return StringCommand(command_line(SCRIPTS / f"{name}.sh", arguments), **connector)  # type: ignore[arg-type]


def sha256_of(content: str) -> str:
    """Hexadecimal sha256 of a text in UTF-8."""
    return hashlib.sha256(content.encode()).hexdigest()


def as_stdin(content: str) -> str:
    """A text as ``put_file`` in lib.sh takes it."""
    return base64.b64encode(content.encode()).decode()
