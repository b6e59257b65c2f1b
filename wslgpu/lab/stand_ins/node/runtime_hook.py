"""nvidia-container-runtime-hook: the legacy mode's prestart hook. The stand-in only says what it is."""

from __future__ import annotations

import sys

from . import NOTICE, cli
from .log import Logger


def main(argv: list[str] | None = None) -> int:
    """The program; injecting in legacy mode is refused."""
    parser = cli.parser("nvidia-container-runtime-hook", "NVIDIA Container Runtime Hook")
    parser.add_argument("command", nargs="?", choices=["prestart", "createRuntime", "poststart", "poststop"])
    options = cli.parse(parser, argv)
    if options.command in (None, "poststart", "poststop"):
        return 0
    sys.stdin.read()
    Logger().failure(f"legacy mode is not supported ({NOTICE})")
    return 1
