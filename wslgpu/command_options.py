"""What several commands of ``wslgpu`` have in common on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from wslgpu.errors import UsageError
from wslgpu.project import PROJECT_ROOT

F = TypeVar("F", bound=Callable[..., Any])
INVENTORIES = ("local", "lab", "fleet")


def all_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator that adds several options, shown in this order."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def inventory_path(name: str, lab: str | None) -> tuple[Path, tuple[tuple[str, str], ...]]:
    """The inventory file for a name on the command line, with the variables that the file reads.

    :raises UsageError: neither a known name nor a file
    :raises LabError: there is no such lab
    """
    environment: tuple[tuple[str, str], ...] = ()
    if lab is not None:
        named = click.get_current_context().get_parameter_source("inventory") is ParameterSource.COMMANDLINE
        if named and name != "lab":
            raise UsageError(f"INVENTORY ({name}) and --lab exclude each other", "", "Give one of the two.")
        from wslgpu.lab import state

        state.load(lab)  # one that does not exist is told before pyinfra is started
        name, environment = "lab", (("WSLGPU_LAB", lab),)
    path = PROJECT_ROOT / "inventory" / f"{name}.py" if name in INVENTORIES else Path(name).resolve()
    if not path.is_file():
        raise UsageError(f"there is no inventory {name!r}", "", f"Give one of {', '.join(INVENTORIES)}, or a file.")
    return path, environment


inventory_argument = click.argument("inventory", default="local")
lab_option = click.option("--lab", metavar="NAME", help="The nodes of this lab; INVENTORY is lab then.")
limit_option = click.option("--limit", multiple=True, metavar="PATTERN", help="Only these hosts or groups; repeatable.")
site_option = click.option(
    "--site", type=click.Path(dir_okay=False, path_type=Path), help="Site file instead of site.yml."
)
strict_option = click.option("--strict", is_flag=True, help="Degraded or unknown counts as failed.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
