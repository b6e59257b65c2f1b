"""Running programs on the machine that wslgpu itself runs on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wslgpu.errors import ErrorClass, WslgpuError

TAIL_CHARS = 2000


@dataclass(frozen=True)
class ProcessId:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The identity of a live process; None when there is none (a zombie is none)."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()  # the name in brackets may hold spaces; see proc_pid_stat(5)
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        return ProcessId.of(self.pid) == self


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
    failure: type[WslgpuError] = WslgpuError,
    next_step: str = "see the message",
    missing: str = "install it",
) -> Result:
    """Run ``argv`` to its end; with ``check`` a bad end is a ``failure`` that quotes what it said.

    ``env`` is added to the environment. LC_ALL is C.UTF-8, so that messages can be matched.

    :param next_step: what a person can do after a bad end
    :param missing: what a person can do where the program is not there
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
        raise failure(
            what=f"{words[0]} is not installed",
            where=" ".join(words)[:200],
            next_step=missing,
            error_class=ErrorClass.PLATFORM,
        ) from error
    except subprocess.TimeoutExpired as error:
        raise failure(
            what=f"{words[0]} did not end within {timeout_s:g} s",
            where=" ".join(words)[:200],
            next_step="look at the machine's load and network, then try again",
            error_class=ErrorClass.TIMEOUT,
            retryable=True,
        ) from error
    result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    if check and not result.ok:
        said = (result.stderr.strip() or result.stdout.strip())[-TAIL_CHARS:]
        raise failure(
            what=f"{words[0]} ended with status {result.rc}: {said or 'it said nothing'}",
            where=" ".join(words)[:200],
            next_step=next_step,
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
