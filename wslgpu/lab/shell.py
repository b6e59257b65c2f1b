"""Running programs on the machine that hosts the lab."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wslgpu.errors import ErrorClass
from wslgpu.lab.errors import LabError

TAIL_CHARS = 2000


@dataclass(frozen=True)
class Result:
    """The end of one command: exit status and what it wrote."""

    rc: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.rc == 0


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float = 60,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    cwd: Path | None = None,
) -> Result:
    """Run ``argv`` to its end; with ``check`` a failure is a LabError that quotes what it said.

    ``env`` is added to the environment. LC_ALL is C.UTF-8, so that messages can be matched.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout_s,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(
            what=f"{words[0]} is not installed",
            where=" ".join(words)[:200],
            next_step="install the lab's host packages (wslgpu lab up names them)",
            error_class=ErrorClass.PLATFORM,
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LabError(
            what=f"{words[0]} did not end within {timeout_s:g} s",
            where=" ".join(words)[:200],
            next_step="look at the machine's load and network, then try again",
            error_class=ErrorClass.TIMEOUT,
            retryable=True,
        ) from error
    result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    if check and not result.ok:
        said = (result.stderr.strip() or result.stdout.strip())[-TAIL_CHARS:]
        raise LabError(
            what=f"{words[0]} ended with status {result.rc}: {said or 'it said nothing'}",
            where=" ".join(words)[:200],
            next_step="see the message; `wslgpu lab down` removes what was begun",
            error_class=ErrorClass.PLATFORM,
        )
    return result


def detach(argv: Sequence[str | Path], *, output: IO[bytes], env: Mapping[str, str] | None = None) -> None:
    """Start ``argv`` as a process of its own session that outlives us and is no child of ours."""
    subprocess.run(
        ["setsid", "--fork", *(str(word) for word in argv)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**os.environ, **(env or {})},
        cwd="/",
        check=True,
    )
