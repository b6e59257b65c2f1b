"""``wslgpu clean``: parses, calls, prints."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from wslgpu.apply.result import ApplyResult
from wslgpu.command_options import inventory_path, json_option, lab_option, limit_option, site_option
from wslgpu.errors import UsageError
from wslgpu.project import require_clone
from wslgpu.removal.clean_command import CleanRequest, clean_command, told_bytes

# Sources: learn.microsoft.com/en-us/windows/wsl/disk-space (the disk file grows and does not shrink by itself),
# github.com/microsoft/WSL/releases/tag/2.0.0 (wsl --manage DISTRO --set-sparse),
# learn.microsoft.com/en-us/powershell/module/hyper-v/optimize-vhd and
# learn.microsoft.com/en-us/windows-server/administration/windows-commands/compact-vdisk; seen 2026-11
WINDOWS_SIDE = """\
Windows does not get this space back by itself: the distro's disk, ext4.vhdx, only grows. In Windows, all work saved:
  wsl --shutdown
  wsl --manage DISTRO --set-sparse true       from then on freed space goes back (WSL 2.0.0 and newer)
or, once, in PowerShell as administrator, with PATH of ext4.vhdx:
  Optimize-VHD -Path PATH -Mode Full          where Hyper-V's tools are installed
  diskpart: select vdisk file="PATH", attach vdisk readonly, compact vdisk, detach vdisk   everywhere"""


@click.command()
@click.option("--inventory", default="local", show_default=True, help="local, lab, fleet, or a pyinfra file.")
@lab_option
@limit_option
@site_option
@click.option("--controller", is_flag=True, help="This machine's store and caches of builds, in place of nodes.")
@click.option("--dry", is_flag=True, help="Tell what would go, with its bytes, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Show pyinfra's own output, commands included.")
@click.pass_context
def clean(
    ctx: click.Context,
    inventory: str,
    lab: str | None,
    limit: tuple[str, ...],
    site: Path | None,
    controller: bool,
    dry: bool,
    yes: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Free what nothing pins any more: on nodes, or with --controller on the machine that deploys and builds.

    On nodes: packages in apt's cache, versions of artifacts that nothing points at, images that the data no longer
    name, leftovers. Everything is told with its bytes first; nothing is deleted before you say yes.
    """
    require_clone()
    if controller:
        if lab is not None or limit:
            raise UsageError(
                "--controller is about this machine, and takes no hosts", "", "Leave out --lab and --limit."
            )
        _controller(site, dry=dry, yes=yes, as_json=as_json)
        return
    path, environment = inventory_path(inventory, lab)
    request = CleanRequest(path, environment, limit, site, verbose)
    planned = clean_command(request, dry=True)
    total = sum(told_bytes(planned).values())
    if dry or planned.exit_code or not total:
        _show(replace(planned, dry=dry), as_json=as_json)
        ctx.exit(planned.exit_code)
    _ask(total, yes=yes)
    done = clean_command(request, dry=False)
    _show(done, as_json=as_json)
    if not as_json:
        click.echo(WINDOWS_SIDE)
    ctx.exit(done.exit_code)


def _show(result: ApplyResult, *, as_json: bool) -> None:
    freed = told_bytes(result)
    if as_json:
        document: dict[str, Any] = result.as_json()
        for host, size in freed.items():
            document["hosts"][host]["freed_bytes"] = size
        document["windows_side"] = WINDOWS_SIDE.splitlines()
        click.echo(json.dumps(document, indent=2))
        return
    from wslgpu.apply.text import summary

    for line in summary(result):
        click.echo(line)
    for host, size in freed.items():
        click.echo(f"{host}: {size:,} bytes {'would be' if result.dry else 'are'} free")


def _ask(total: int, *, yes: bool) -> None:
    """:raises UsageError: nobody is there to ask"""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"{total:,} bytes can go, and nobody is there to say yes", "", "Give --yes, or --dry to look only."
        )
    click.confirm(f"Delete what is listed above, {total:,} bytes?", abort=True, err=True)


def _controller(site: Path | None, *, dry: bool, yes: bool, as_json: bool) -> None:
    from wslgpu.removal.controller import places
    from wslgpu.settings import load

    found = places(load(site))
    total = sum(one.size_bytes for one in found)
    for one in found:
        click.echo(f"{one.size_bytes:>16,} bytes  {one.name} ({one.why})", err=as_json)
    if found and not dry:
        _ask(total, yes=yes)
        for one in found:
            one.delete()
    if as_json:
        rows = [{"name": one.name, "bytes": one.size_bytes, "why": one.why} for one in found]
        document = {"schema": 1, "command": "clean", "dry": dry, "items": rows, "freed_bytes": total}
        click.echo(json.dumps({**document, "windows_side": WINDOWS_SIDE.splitlines(), "exit_code": 0}, indent=2))
        return
    if not found:
        click.echo("Nothing is here that nothing needs.")
        return
    click.echo(f"{total:>16,} bytes {'would be' if dry else 'are'} free")
    if not dry:
        click.echo(WINDOWS_SIDE)
