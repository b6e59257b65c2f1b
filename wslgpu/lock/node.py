"""One script on one host, over the channels of the probe."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wslgpu.errors import ErrorClass, UnreachableError, WslgpuError
from wslgpu.node_script import command_line, parse_errors
from wslgpu.probe.channels import Target
from wslgpu.programs import Result, run

SCRIPTS = Path(__file__).parent.parent / "operations" / "scripts"
SSH_FAILED = 255
"""ssh's own exit code; a command that it ran gives that command's."""


def run_there(target: Target, script: str, arguments: Iterable[str | int | bool], timeout_s: float) -> str:
    """The standard output of operations/scripts/SCRIPT.sh on a host.

    :raises WslgpuError: as the script reported it; unreachable, or silent for too long
    """
    line = command_line(SCRIPTS / f"{script}.sh", arguments)
    done = run(target.argv(), stdin=f"{line} </dev/null\n".encode(), timeout_s=timeout_s, check=False)
    if done.ok:
        return done.stdout
    if errors := parse_errors(done.stderr.splitlines(), target.name):
        raise errors[0]
    raise _without_a_word(target, done)


def distribution_of(target: Target) -> str:
    """``ID VERSION_ID`` of a host's os-release, such as ``debian 13``.

    :raises WslgpuError: unreachable, or without such a file
    """
    command = b'. /etc/os-release && echo "$ID $VERSION_ID"\n'
    done = run(target.argv(), stdin=command, timeout_s=60, check=False)
    if not done.ok or len(done.stdout.split()) != 2:
        raise _without_a_word(target, done)
    return done.stdout.strip()


def _without_a_word(target: Target, done: Result) -> WslgpuError:
    said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
    if target.kind.value == "ssh" and done.rc == SSH_FAILED:
        return UnreachableError(f"cannot be reached: {said}", target.name, "Check address, key and known_hosts.")
    return WslgpuError(f"the script ended with {done.rc}: {said}", target.name, "Run it again.", ErrorClass.PLATFORM)
