"""The command ``wslgpu``: parses, calls, prints. What it does stands in the modules that it calls."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wslgpu import __version__
from wslgpu.command_options import (
    inventory_argument,
    inventory_path,
    json_option,
    lab_option,
    limit_option,
    site_option,
    strict_option,
)
from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_INTERRUPTED, ErrorClass, UsageError, WslgpuError
from wslgpu.project import require_clone

if TYPE_CHECKING:
    from wslgpu.apply.result import ApplyResult


class _Commands(click.Group):
    """A group whose errors are one line, and whose larger parts are imported only when they are called."""

    lazy: dict[str, Callable[[], click.Command]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy:
            return self.lazy[cmd_name]()
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except WslgpuError as error:
            click.echo(f"wslgpu: {error}", err=True)
            if "--json" in sys.argv:
                _show_json(error)
            ctx.exit(error.exit_code)


def _show_json(error: WslgpuError) -> None:
    """What a program reads that asked for JSON and gets no result."""
    click.echo(json.dumps({"schema": 1, "error": error.as_json(), "exit_code": error.exit_code}, indent=2))


def _command_in(module: str, name: str) -> Callable[[], click.Command]:
    """The command of this name in one of our modules, imported when it is asked for."""

    def load() -> click.Command:
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    return load


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wslgpu")
def cli() -> None:
    """Turn a fresh Ubuntu or Debian in WSL2 into a GPU node, and prove what that node can and cannot do.

    \b
    Start here:
      wslgpu apply local          make this machine a GPU node
      wslgpu verify local         is what was installed right?
      wslgpu check                what can this machine do, for which workloads?
      wslgpu lab up               a disposable node to try things on

    Shell completion: eval "$(_WSLGPU_COMPLETE=bash_source wslgpu)"
    """


_Commands.lazy = {
    "build": _command_in("wslgpu.build.cli", "build_command"),
    "bundle": _command_in("wslgpu.bundle.cli", "bundle"),
    "catalogue": _command_in("wslgpu.check.catalogue_cli", "catalogue"),
    "check": _command_in("wslgpu.check.cli", "check"),
    "clean": _command_in("wslgpu.removal.clean_cli", "clean"),
    "diff": _command_in("wslgpu.diff.cli", "diff"),
    "explain": _command_in("wslgpu.check.catalogue_cli", "explain"),
    "image": _command_in("wslgpu.image.cli", "image"),
    "judge": _command_in("wslgpu.check.cli", "judge_command"),
    "lab": _command_in("wslgpu.lab.cli", "lab"),
    "lock": _command_in("wslgpu.lock.cli", "lock"),
    "probe": _command_in("wslgpu.check.cli", "probe"),
    "rebuild-proof": _command_in("wslgpu.diff.proof_cli", "rebuild_proof"),
    "remove": _command_in("wslgpu.removal.cli", "remove"),
    "sources": _command_in("wslgpu.build.sources_cli", "sources"),
    "store": _command_in("wslgpu.store.cli", "store"),
    "support": _command_in("wslgpu.check.support_cli", "support"),
    "workload": _command_in("wslgpu.workloads.cli", "workload"),
}


@cli.command()
@inventory_argument
@lab_option
@limit_option
@site_option
@click.option("--only", multiple=True, metavar="COMPONENT", help="Only this task, e.g. containerd; repeatable.")
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Take packages, images and artifacts from it (wslgpu bundle make): nodes then need no network.",
)
@click.option("--dry", is_flag=True, help="Say what would change, and change nothing.")
@strict_option
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Show pyinfra's own output, commands included.")
@click.pass_context
def apply(
    ctx: click.Context,
    inventory: str,
    lab: str | None,
    limit: tuple[str, ...],
    site: Path | None,
    only: tuple[str, ...],
    bundle: Path | None,
    dry: bool,
    strict: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Make the hosts of INVENTORY what the data says: local (the default), lab, fleet, or a pyinfra file."""
    require_clone()
    path, environment = inventory_path(inventory, lab)
    from wslgpu.apply.command import apply_command

    applied = apply_command(path, environment, limit, site, only, dry=dry, verbose=verbose, bundle=bundle)
    result = replace(applied, strict=strict)
    _show_applied(result, as_json=as_json)
    ctx.exit(result.exit_code)


def _show_applied(result: ApplyResult, *, as_json: bool) -> None:
    """Of apply and rollback: for programs or for people."""
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=2))
        return
    from wslgpu.apply.text import summary

    for line in summary(result):
        click.echo(line)


@cli.command()
@click.argument("artifact")
@inventory_argument
@lab_option
@limit_option
@click.option("--dry", is_flag=True, help="Say what would change, and change nothing.")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Show pyinfra's own output, commands included.")
@click.pass_context
def rollback(
    ctx: click.Context,
    artifact: str,
    inventory: str,
    lab: str | None,
    limit: tuple[str, ...],
    dry: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Let the hosts of INVENTORY use the version of ARTIFACT (mesa-dozen, ffmpeg) that they had before.

    Doing it twice undoes it. The next apply installs what the data asks for: name the digest in site.yml to stay.
    """
    require_clone()
    path, environment = inventory_path(inventory, lab)
    from wslgpu.apply.rollback import rollback_command

    result = rollback_command(artifact, path, environment, limit, dry=dry, verbose=verbose)
    _show_applied(result, as_json=as_json)
    ctx.exit(result.exit_code)


@cli.command()
@inventory_argument
@lab_option
@limit_option
@site_option
@click.option("--suite", multiple=True, metavar="NAME", help="Only this suite of tests/node; repeatable.")
@click.option("--require", multiple=True, metavar="CHECK", help="A check or component that may not stay unknown.")
@strict_option
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Also write a JUnit file.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Also write a Markdown file.")
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    inventory: str,
    lab: str | None,
    limit: tuple[str, ...],
    site: Path | None,
    suite: tuple[str, ...],
    require: tuple[str, ...],
    strict: bool,
    junit: Path | None,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Run the suites of tests/node on the hosts of INVENTORY: is what was installed right?"""
    from rich.console import Console

    from wslgpu.apply.sudo import sudo_kept
    from wslgpu.report import documents, terminal
    from wslgpu.verify.command import VerifyRequest
    from wslgpu.verify.command import verify as run

    require_clone()
    path, environment = inventory_path(inventory, lab)
    for file in (junit, markdown):
        if file is not None:
            documents.require_place(file)
    request = VerifyRequest(path, limit, suite, require, site, environment)
    with sudo_kept() if path.name == "local.py" else nullcontext():
        record = replace(run(request, progress=lambda line: click.echo(line, err=True)), strict=strict)
    for style, file in (("junit", junit), ("markdown", markdown)):
        if file is not None:
            documents.write_file(record, style, file)
    if as_json:
        click.echo(documents.as_json(record))
    else:
        terminal.write(record, Console(highlight=False))
    ctx.exit(record.exit_code)


@cli.group()
def inventory() -> None:
    """List, extend and check the fleet file."""


@inventory.command("list")
@inventory_argument
@lab_option
@json_option
def inventory_list(inventory: str, lab: str | None, as_json: bool) -> None:
    """The hosts of INVENTORY, with their groups."""
    from wslgpu.inventory import resolved_hosts

    require_clone()
    path, environment = inventory_path(inventory, lab)
    hosts = resolved_hosts(path, environment)
    if as_json:
        document = {name: {"groups": host.groups, "address": host.address} for name, host in hosts.items()}
        click.echo(json.dumps({"schema": 1, "hosts": document}, indent=2))
        return
    for name, host in hosts.items():
        click.echo(f"{name:<20} {host.address:<24} {' '.join(host.groups)}")


@inventory.command("check")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def inventory_check(file: Path | None) -> None:
    """Check a fleet file without contacting a host."""
    from wslgpu.fleet import fleet_file, load_fleet

    require_clone()
    path = file or fleet_file()
    fleet = load_fleet(path)
    click.echo(f"{path}: {len(fleet.hosts)} hosts, all well-formed")


@inventory.command("add")
@click.argument("name")
@click.argument("address")
@click.option("--user", default="root", show_default=True)
@click.option("--port", default=22, show_default=True)
@click.option("--key-file", default="", help="Private key on this machine.")
def inventory_add(name: str, address: str, user: str, port: int, key_file: str) -> None:
    """Add a host to the fleet file; its ssh host key must be in known_hosts already."""
    from wslgpu.fleet import add_host, fleet_file

    require_clone()
    path = fleet_file()
    add_host(path, name, address, user=user, port=port, key_file=key_file)
    click.echo(f"{path}: {name} added")


@cli.group()
def pins() -> None:
    """Versions and digests."""


@pins.command("resolve")
@site_option
@click.option("--dry", is_flag=True, help="Show the digests without writing them.")
def pins_resolve(site: Path | None, dry: bool) -> None:
    """Ask the registries for the digests that the data leaves unresolved, and write them to the site file."""
    from wslgpu.apply.digests import resolve_missing

    require_clone()
    for name, digest in resolve_missing(site, write=not dry, workloads=True).items():
        click.echo(f"{name} -> {digest}")


def main() -> None:
    """Entry point. Ctrl-C ends with 130, and a closed pipe quietly."""
    os.environ.setdefault("PYINFRA_PROGRESS", "off")
    try:
        code = cli.main(prog_name="wslgpu", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("wslgpu: interrupted", err=True)
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = EXIT_CANNOT_JUDGE
        if "--json" in sys.argv:
            _show_json(UsageError(error.format_message().rstrip("."), "the command line", "See its --help."))
    except KeyboardInterrupt:
        click.echo("wslgpu: interrupted", err=True)
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        code = EXIT_CANNOT_JUDGE
    except Exception as error:
        if os.environ.get("WSLGPU_DEBUG"):
            raise
        failure = WslgpuError(
            f"wslgpu itself failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(
                ": "
            ),
            next_step="That is a fault of wslgpu: report it, with what WSLGPU_DEBUG=1 shows when you run it again.",
            error_class=ErrorClass.INTERNAL,
        )
        click.echo(f"wslgpu: {failure}", err=True)
        if "--json" in sys.argv:
            _show_json(failure)
        code = failure.exit_code
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
