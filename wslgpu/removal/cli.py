"""``wslgpu remove``: parses, calls, prints."""

from __future__ import annotations

import json
from pathlib import Path

import click

from wslgpu.command_options import inventory_path, json_option, lab_option, limit_option, site_option
from wslgpu.project import require_clone


@click.command()
@click.argument("component", nargs=-1)
@click.option("--inventory", default="local", show_default=True, help="local, lab, fleet, or a pyinfra file.")
@lab_option
@limit_option
@site_option
@click.option("--dry", is_flag=True, help="Say what would go, what stays and why, and change nothing.")
@click.option("--force", is_flag=True, help="Also what was edited by hand (kept beside), and containers that run.")
@click.option("--data", is_flag=True, help="Also data that others keep there: images in containerd, a cluster's state.")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Show pyinfra's own output, commands included.")
@click.pass_context
def remove(
    ctx: click.Context,
    component: tuple[str, ...],
    inventory: str,
    lab: str | None,
    limit: tuple[str, ...],
    site: Path | None,
    dry: bool,
    force: bool,
    data: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Take away what wslgpu put on a node: all of it, or the COMPONENTs named (such as vllm, container_toolkit).

    What stood there before comes back. What others now depend on stays, and is named. Where a file was changed by hand
    nothing is touched, unless --force is given.
    """
    require_clone()
    path, environment = inventory_path(inventory, lab)
    from wslgpu.removal.command import remove_command

    result = remove_command(
        component, path, environment, limit, force=force, data=data, dry=dry, verbose=verbose, site=site
    )
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2))
    else:
        from wslgpu.apply.text import summary

        for line in summary(result):
            click.echo(line)
    ctx.exit(result.exit_code)
