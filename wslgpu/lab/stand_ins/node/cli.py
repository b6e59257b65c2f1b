"""What the command-line programs share: flags in the style of the genuine ones, --version, --help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from . import NOTICE
from .version import VERSION


def parser(program: str, title: str) -> argparse.ArgumentParser:
    """A parser whose --version and --help say that the program is a stand-in."""
    made = argparse.ArgumentParser(
        prog=program,
        description=f"{title}: {NOTICE}.",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("-v", "--version", action="version", version=f"{title} version {VERSION}\n{NOTICE}")
    return made


def add_bool(parser: argparse.ArgumentParser, *names: str, text: str) -> None:
    """A flag that may stand alone (true) or as ``--flag=false``; see ``parse``."""
    parser.add_argument(*names, action="store_true", help=text)


def parse(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The options in *argv*, by default the process's own.

    argparse knows no ``--flag=true``, and an optional value would swallow the subcommand after it.
    """
    words = []
    for word in sys.argv[1:] if argv is None else argv:
        flag, equals, value = word.partition("=")
        if equals and flag.startswith("-") and value in ("true", "false"):
            words += [flag] if value == "true" else []
        else:
            words.append(word)
    return parser.parse_args(words)


def subparsers(parser: argparse.ArgumentParser) -> Callable[[str, str], argparse.ArgumentParser]:
    """A function that adds a subcommand by name and help text."""
    actions = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=text, description=f"{text} ({NOTICE})", allow_abbrev=False)

    return add
