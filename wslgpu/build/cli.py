"""``wslgpu build``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wslgpu.command_options import json_option, site_option
from wslgpu.errors import EXIT_OK, EXIT_TERMINATED, WslgpuError, worst_exit_code

if TYPE_CHECKING:
    from wslgpu.build.plan import Plan
    from wslgpu.build.request import BuildRequest
    from wslgpu.settings import Settings

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(name="build")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Every row of the pins.")
@click.option("--explain", is_flag=True, help="Which key would it be, and what changed since the stored one?")
@click.option("--dry", is_flag=True, help="Say what would be done; fetch and make nothing.")
@click.option("--jobs", type=click.IntRange(1, 1024), metavar="N", help="Compilers at once.")
@click.option("--from", "folders", multiple=True, metavar="DIR", type=_FOLDER, help="Has sources; repeatable.")
@click.option("--no-ccache", is_flag=True, help="Compile everything; leave the compiler cache alone.")
@click.option("--fresh-root", is_flag=True, help="Make the clean root anew, from what the archive has now.")
@click.option("--again", is_flag=True, help="Build although it is stored, and compare: is it reproducible?")
@click.option("--recipes", metavar="DIR", type=_FOLDER, help="Recipes of your own, a folder each.")
@site_option
@json_option
@click.option("-v", "--verbose", is_flag=True, help="A line for everything, instead of one that is redrawn.")
@click.pass_context
def build_command(
    ctx: click.Context,
    names: tuple[str, ...],
    everything: bool,
    explain: bool,
    dry: bool,
    jobs: int | None,
    folders: tuple[Path, ...],
    no_ccache: bool,
    fresh_root: bool,
    again: bool,
    recipes: Path | None,
    site: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Build NAME, a row of the pins or an artifact (mesa-dozen, ffmpeg), in a clean root, prove it and store it.

    What the store has under the same key is not built again.
    """
    from wslgpu.build.plan import make_plan, names_of
    from wslgpu.build.request import BuildRequest
    from wslgpu.project import require_clone
    from wslgpu.settings import load
    from wslgpu.signals import Terminated, sigterm_raised

    require_clone()
    settings = load(site)
    chosen = names_of(names, settings, everything=everything)
    request = BuildRequest(jobs, folders, not no_ccache, fresh_root, again, recipes, site, verbose)
    plans = [make_plan(name, settings, recipes=recipes, site=site) for name in chosen]
    failures: list[WslgpuError] = []
    try:
        with sigterm_raised():
            if dry:
                found = [_dry(plan, request, as_json=as_json) for plan in plans]
            elif explain:
                found = [_explain(plan, settings, request, as_json=as_json) for plan in plans]
            else:
                found = _build_all(plans, settings, request, failures, everything=everything, as_json=as_json)
    except Terminated:
        click.echo("wslgpu: terminated", err=True)
        ctx.exit(EXIT_TERMINATED)
    code = worst_exit_code([failure.exit_code for failure in failures]) if failures else EXIT_OK
    if as_json:
        document: dict[str, Any] = {"schema": 1, "builds": found, "exit_code": code}
        if failures:
            errors = [failure.as_json() for failure in failures]
            document |= {"error": errors[0], "errors": errors}
        click.echo(json.dumps(document, indent=2))
    ctx.exit(code)


def _build_all(
    plans: list[Plan],
    settings: Settings,
    request: BuildRequest,
    failures: list[WslgpuError],
    *,
    everything: bool,
    as_json: bool,
) -> list[dict[str, Any]]:
    """Build one after the other; a failure of one is said, kept in ``failures``, and the others go on."""
    from dataclasses import replace

    from wslgpu.build.build import build

    found = []
    for plan in plans:
        if everything and plan.build.not_seen:
            click.echo(f"{plan.name}: left out of --all, since {plan.build.not_seen}; its name builds it", err=True)
            continue
        prefix = f"{plan.name} " if len(plans) > 1 else ""
        try:
            record = build(plan.name, settings, replace(request, prefix=prefix))
        except WslgpuError as error:
            click.echo(f"wslgpu: {error}", err=True)
            failures.append(error)
            continue
        found.append(record.model_dump(mode="json", by_alias=True) | {"name": record.name})
        if not as_json:
            click.echo(f"{record.name} {record.digest}")
    return found


def _dry(plan: Plan, request: BuildRequest, *, as_json: bool) -> dict[str, Any]:
    from wslgpu.build.explain import dry_run
    from wslgpu.build.places import store_dir
    from wslgpu.store.folder import Store

    said = dry_run(plan, Store(store_dir()), request.folders, request.jobs, with_ccache=request.ccache)
    if not as_json:
        click.echo("\n".join(said.lines()))
    return said.as_json()


def _explain(plan: Plan, settings: Settings, request: BuildRequest, *, as_json: bool) -> dict[str, Any]:
    from wslgpu.build.explain import explain_with_root

    said = explain_with_root(plan, settings, request)
    if not as_json:
        click.echo("\n".join(said.lines()))
    return said.as_json()
