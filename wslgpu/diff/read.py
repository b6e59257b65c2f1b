"""Asks nodes, one round trip each, side by side, over any channel that ``wslgpu check`` knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from wslgpu.diff.tree import PRUNED, Snapshot, parse, payload
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.node_script import parse_errors
from wslgpu.probe.channels import Target
from wslgpu.probe.failures import client_missing, deadline_passed, failure
from wslgpu.probe.gather import TooMuchError, run_client

ANSWER_BYTES = 256 << 20
TREE_DEADLINE_S = 600.0
_T = TypeVar("_T")


def snapshots(
    targets: Sequence[Target], *, pruned: Sequence[str] = PRUNED, timeout_s: float = TREE_DEADLINE_S
) -> list[Snapshot]:
    """Whole nodes, in the targets' order.

    :raises WslgpuError: one of them could not be read; the first in order is told
    """
    return ask(targets, payload(pruned), parse, timeout_s)


def ask(targets: Sequence[Target], script: bytes, reader: Callable[[bytes, str], _T], timeout_s: float) -> list[_T]:
    """Send one script to each target and read what each printed.

    :param reader: makes a value of standard output and the target's name
    :raises WslgpuError: a target could not be reached, refused, took too long, or answered something else
    """
    values = []
    for answer in ask_each(targets, script, reader, timeout_s):
        if isinstance(answer, WslgpuError):
            raise answer
        values.append(answer)
    return values


def ask_each(
    targets: Sequence[Target], script: bytes, reader: Callable[[bytes, str], _T], timeout_s: float
) -> list[_T | WslgpuError]:
    """As :func:`ask`, with the error in the place of what could not be read."""

    async def all_of_them() -> list[tuple[int, bytes, bytes] | BaseException]:
        return await asyncio.gather(*(_one(target, script, timeout_s) for target in targets), return_exceptions=True)

    values: list[_T | WslgpuError] = []
    for target, answer in zip(targets, asyncio.run(all_of_them()), strict=True):
        if isinstance(answer, BaseException) and not isinstance(answer, WslgpuError):
            raise answer
        try:
            values.append(answer if isinstance(answer, WslgpuError) else _read(target, answer, reader))
        except WslgpuError as error:
            values.append(error)
    return values


def _read(target: Target, answer: tuple[int, bytes, bytes], reader: Callable[[bytes, str], _T]) -> _T:
    status, output, errors = answer
    if status != 0:
        raise _refused(target, status, errors.decode("utf-8", "replace"))
    return reader(output, target.name)


async def _one(target: Target, script: bytes, timeout_s: float) -> tuple[int, bytes, bytes]:
    try:
        return await asyncio.wait_for(run_client(target.argv(), script, ANSWER_BYTES), timeout_s)
    except asyncio.TimeoutError:
        raise deadline_passed(target, timeout_s) from None
    except FileNotFoundError:
        raise client_missing(target) from None
    except TooMuchError:
        raise WslgpuError(
            f"the answer is more than {ANSWER_BYTES >> 20} MiB long, and was cut off", target.name
        ) from None


def _refused(target: Target, status: int, errors: str) -> WslgpuError:
    ours = parse_errors(errors.splitlines(), target.name)
    if ours:
        return ours[0]
    if "sudo:" in errors:
        return WslgpuError(
            "reading a whole node needs root there, and sudo asks for a password",
            target.name,
            "Log in as root, or allow this login sudo without a password.",
            ErrorClass.USAGE,
        )
    return failure(target, status, errors)
