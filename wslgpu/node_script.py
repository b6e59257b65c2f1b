"""Shell scripts that run on a node: the one way in which wslgpu sends commands.

A script is a POSIX sh file beside the operation or fact that uses it, checked by shellcheck, and gets its values as
positional parameters: no shell is assembled from strings. ``lib.sh`` is put before it. Data that must not be seen
in a process list, and file contents, go through standard input.

A script that fails prints one line per problem, which :func:`parse_errors` reads back::

    wslgpu [integrity]: the key has another fingerprint -- Compare it with the vendor's page.
    wslgpu [network retryable]: 10.0.0.1 refused the connection -- Try again.
"""

from __future__ import annotations

import functools
import re
import shlex
import uuid
from collections.abc import Iterable
from pathlib import Path

from wslgpu.errors import ErrorClass, WslgpuError

RUN_ID = uuid.uuid4().hex
"""Names this run of the controller on its nodes: it stands in the environment of every command sent."""

_LIBRARY = Path(__file__).parent / "operations" / "scripts" / "lib.sh"
_INCLUDE = re.compile(r"# include: (?P<name>[a-z_]+\.sh)")
_ERROR = re.compile(r"wslgpu \[(?P<error_class>[a-z]+)(?P<retryable> retryable)?\]: (?P<rest>.*)")


@functools.cache
def _text(path: Path) -> str:
    """A script without its comments and blank lines: it travels with every call.

    A line ``# include: NAME.sh`` stands for that file beside it.
    """
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _INCLUDE.fullmatch(line):
            lines.append(_text(path.parent / match["name"]))
        elif line.strip() and not line.lstrip().startswith("#"):
            lines.append(line)
    return "\n".join(lines)


def program(path: Path) -> str:
    """A script with ``lib.sh`` before it as a program of its own, to be installed on a node; comments stay.

    ``# include:`` is resolved as for a script that is sent.
    """
    return f"#!/bin/sh\n{_whole(_LIBRARY)}{_whole(path)}"


def _whole(path: Path) -> str:
    parts: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        match = _INCLUDE.fullmatch(line.rstrip("\n"))
        parts.append(_whole(path.parent / match["name"]) if match else line)
    return "".join(parts)


def command_line(path: Path, arguments: Iterable[str | int | bool] = ()) -> str:
    """The shell command that runs a script file with ``lib.sh`` before it.

    Booleans become ``yes`` and ``no``. The result is one ``sh -c`` with every value quoted.
    """
    values = [("yes" if argument else "no") if isinstance(argument, bool) else str(argument) for argument in arguments]
    program = f"WSLGPU_RUN={RUN_ID}; export WSLGPU_RUN\n{_text(_LIBRARY)}\n{_text(path)}"
    return shlex.join(["sh", "-c", program, f"wslgpu-{path.stem}", *values])


def parse_errors(lines: Iterable[str], where: str) -> list[WslgpuError]:
    """The problems that a failed script reported, in order; an empty list when it died without a word of ours."""
    errors: list[WslgpuError] = []
    for line in lines:
        match = _ERROR.search(line)
        if match is None or match["error_class"] not in {c.value for c in ErrorClass}:
            continue
        what, _, next_step = match["rest"].partition(" -- ")
        error_class = ErrorClass(match["error_class"])
        errors.append(WslgpuError(what, where, next_step.strip(), error_class, bool(match["retryable"])))
    return errors
