"""`wslgpu lock`: one reviewed file that names everything the nodes of a profile are made of."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wslgpu.command_options import (
    inventory_argument,
    inventory_path,
    json_option,
    lab_option,
    limit_option,
    site_option,
)
from wslgpu.errors import EXIT_FAILED, EXIT_OK, UsageError
from wslgpu.project import require_clone

if TYPE_CHECKING:
    from wslgpu.lock.command import Outcome

ALL = "all"


def _progress() -> Callable[[str], None]:
    start = time.monotonic()
    return lambda message: click.echo(f"[{time.monotonic() - start:6.1f} s] {message}", err=True)


@click.command()
@inventory_argument
@lab_option
@limit_option
@site_option
@click.option(
    "--upgrade",
    is_flag=False,
    flag_value=ALL,
    metavar="[COMPONENT]",
    help="Show what would move today, of one component or of all, and write nothing (unless --write).",
)
@click.option("--write", is_flag=True, help="With --upgrade: write what would move, and nothing else.")
@click.option(
    "--check", "only_check", is_flag=True, help="Say which locked versions are gone, since when, and what is newer."
)
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="The lock's file.")
@json_option
@click.pass_context
def lock(
    ctx: click.Context,
    inventory: str,
    lab: str | None,
    limit: tuple[str, ...],
    site: Path | None,
    upgrade: str | None,
    write: bool,
    only_check: bool,
    to: Path | None,
    as_json: bool,
) -> None:
    """Resolve everything that the data name, and write wslgpu.lock.yml: deploys then take all versions from it.

    Packages are resolved on one host of each distribution of INVENTORY (this machine by itself), which is not changed.
    Review what changed with git diff, and commit it.

    \b
      wslgpu lock                         make it, or make it anew
      wslgpu lock --check                 is all of it still to be had?
      wslgpu lock --upgrade containerd    what would move?  --write takes it
    """
    require_clone()
    if only_check and (upgrade or write):
        raise UsageError("--check and --upgrade exclude each other", "", "Give one of the two.")
    if write and not upgrade:
        raise UsageError("--write goes with --upgrade", "", "Without it, wslgpu lock writes anyway.")
    path, environment = inventory_path(inventory, lab)
    from wslgpu.lock import command, words

    request = command.Request(path, environment, limit, site, to)
    progress = _progress()
    if only_check:
        checked = command.check(request, progress)
        code = EXIT_FAILED if checked.lacking else EXIT_OK
        if as_json:
            _show({**checked.as_json(), "exit_code": code})
        else:
            _say(words.checked(checked))
        ctx.exit(code)
    outcome: Outcome
    if upgrade:
        outcome = command.upgrade(request, "" if upgrade == ALL else upgrade, progress, write=write)
    else:
        outcome = command.make(request, progress)
    if as_json:
        _show({**outcome.as_json(), "exit_code": EXIT_OK})
    else:
        _say(words.outcome(outcome))


def _say(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)


def _show(document: dict[str, object]) -> None:
    click.echo(json.dumps({"schema": 1, **document}, indent=2))
