"""What the commands ``check``, ``probe``, ``judge`` and ``support`` have in common on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from wslgpu.check.outputs import WRITERS, Outputs
from wslgpu.check.targets import Asked, targets
from wslgpu.command_options import INVENTORIES, all_options, inventory_path
from wslgpu.errors import UsageError
from wslgpu.probe.channels import Target
from wslgpu.probe.document import Level

FILE = click.Path(path_type=Path)
REPEATED_FILES = click.Path(path_type=Path, dir_okay=False)


_inventory_options = all_options(
    click.option(
        "--inventory", metavar="NAME|FILE", help="The hosts of this inventory too: local, lab, fleet, a file."
    ),
    click.option("--lab", metavar="NAME", help="The nodes of this lab too."),
    click.option("--limit", multiple=True, metavar="PATTERN", help="Only these of the inventory's hosts; repeatable."),
)
where_options = all_options(click.argument("target", nargs=-1), _inventory_options)
one_place_options = all_options(
    click.argument("target", required=False),
    click.option("--inventory", metavar="NAME|FILE", help="A host of this inventory: local, lab, fleet, a file."),
    click.option("--lab", metavar="NAME", help="A node of this lab."),
    click.option("--limit", multiple=True, metavar="PATTERN", help="Which of them, where there are several."),
)
gather_options = all_options(
    click.option(
        "--level",
        type=click.Choice([level.value for level in Level]),
        default=Level.QUICK.value,
        show_default=True,
        help="Reads only, short functional probes, or benchmarks.",
    ),
    click.option("--timeout", type=click.FloatRange(min=1), help="Seconds for each target instead of the level's own."),
)
concurrency_option = click.option(
    "--concurrency", type=click.IntRange(1, 256), default=16, show_default=True, help="Targets asked at once."
)
rule_options = all_options(
    click.option("--workload", "-w", multiple=True, metavar="ID", help="This workload is required; repeatable."),
    click.option("--require", multiple=True, metavar="CAPABILITY", help="This capability is required; repeatable."),
    click.option("--catalogue", type=FILE, metavar="DIR", help="A site's folder: its own entries, waivers, demands."),
    click.option("--strict", is_flag=True, help="DEGRADED counts as failed."),
)
output_options = all_options(
    click.option(
        "--exit-style",
        type=click.Choice(["plain", "distinct"]),
        default="plain",
        help="distinct: 100 NO-GO, 101 DEGRADED, 102 the catalogue cannot be read.",
    ),
    click.option("--nagios", is_flag=True, help="One line and an exit code as monitoring plugins give them."),
    click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output."),
    click.option("--junit", type=FILE, metavar="FILE", help="Also write JUnit XML."),
    click.option("--markdown", type=FILE, metavar="FILE", help="Also write Markdown."),
    click.option("--html", type=FILE, metavar="FILE", help="Also write one self-contained HTML file."),
    click.option(
        "--keep", type=FILE, metavar="DIR", help="Keep the report there, and say what changed since the last."
    ),
    click.option("--sign", type=FILE, metavar="KEY", help="Sign what is written with this minisign secret key."),
    click.option("--show-identities", is_flag=True, help="Do not take out serial numbers, names and addresses."),
    click.option("-v", "--verbose", is_flag=True, help="Every capability with its evidence."),
)
save_option = click.option(
    "--save", type=FILE, metavar="FILE|DIR", help="Save the observations: a file for one target, a folder for several."
)


def asked(target: tuple[str, ...], inventory: str | None, lab: str | None, limit: tuple[str, ...]) -> Asked:
    """The targets as they were asked for.

    :raises UsageError: an inventory that does not exist, two at once, or one that needs the project's files
    """
    if inventory is None and lab is None:
        return Asked(target, None, limit)
    from wslgpu.project import require_clone

    if lab is not None or inventory in INVENTORIES:
        require_clone()
    return Asked(target, inventory_path(inventory or "lab", lab), limit)


@contextmanager
def one_target(options: dict[str, Any]) -> Iterator[Target]:
    """The one target that ``one_place_options`` gave; this machine when they name none.

    :raises UsageError: several are meant
    """
    word = (options["target"],) if options["target"] else ()
    with targets(asked(word, options["inventory"], options["lab"], options["limit"])) as found:
        if len(found) != 1:
            names = ", ".join(target.name for target in found[:5])
            raise UsageError(f"this asks one target, not {len(found)}: {names}", "", "Name one with --limit.")
        yield found[0]


def outputs(options: dict[str, Any]) -> Outputs:
    """The outputs that ``output_options`` and ``save_option`` gave.

    :raises UsageError: two ways of writing standard output at once
    """
    style = "nagios" if options["nagios"] else options["exit_style"]
    if options["nagios"] and (options["as_json"] or options["exit_style"] != "plain"):
        raise UsageError("--nagios excludes --json and --exit-style", "--nagios", "Give one of them.")
    files = tuple((name, options[name]) for name in WRITERS if options[name] is not None)
    places = [path.absolute() for _, path in files]
    if len(set(places)) != len(places):
        raise UsageError("two reports would be written to one file", str(places[0]), "Name another file for one.")
    return Outputs(
        files=files,
        save=options.get("save"),
        keep=options["keep"],
        sign=options["sign"],
        as_json=options["as_json"],
        style=style,
        verbose=options["verbose"],
    )
