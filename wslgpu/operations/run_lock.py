"""The lock on a node: two operators cannot run at once, and the second is told who and since when."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Generator
from typing import Any, cast

from pyinfra import host
from pyinfra.api import Host, StringCommand, operation
from pyinfra.context import ctx_host

from wslgpu.node_script import command_line
from wslgpu.operations.script import SCRIPTS, script

_held: set[int] = set()
"""Hosts, by identity, whose lock this process has seen to be its own."""


def _host() -> Host:
    return cast(Host, ctx_host.get())  # type: ignore[no-untyped-call]


def owner() -> str:
    """``user@machine`` of the controller, as the other operator will read it."""
    return f"{getpass.getuser()}@{socket.gethostname()}".replace(" ", "_")


@operation()
def hold() -> Generator[StringCommand, None, None]:
    """Hold /run/wslgpu/lock for this run.

    Taking it is no change of the node, so a run that finds everything in place still reports none. It is given back
    by the end of the connection (see scripts/run_lock.sh).
    """
    if id(_host()) in _held:
        host.noop("this run holds the node's lock")
        return
    action = "take" if host.state.is_executing else "look"
    arguments: dict[str, Any] = dict(host.current_op_global_arguments or {})
    succeeded, output = host.run_shell_command(
        StringCommand(command_line(SCRIPTS / "run_lock.sh", (action, owner()))),
        _sudo=bool(arguments.get("_sudo")),
    )
    answer = output.stdout.strip()
    if succeeded and answer in ("ours", "free"):
        if answer == "ours":
            _held.add(id(_host()))
        host.noop("this run holds the node's lock")
        return
    if answer.startswith("held "):
        _, since, holder = answer.split(" ", 2)
        yield script(
            "fail",
            "timeout retryable",
            f"another run holds this node: {holder}, since {since}",
            "Wait until it has ended, or end it there.",
        )
        return
    yield script("fail", "platform", "the node's lock cannot be taken", "It needs root: use sudo, and a writable /run.")
