"""`wslgpu bundle`: all that a lock names in one file, made where there is a network, used where there is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from wslgpu.build.errors import count_words, size_words
from wslgpu.bundle.index import KINDS
from wslgpu.command_options import json_option, site_option
from wslgpu.errors import UsageError
from wslgpu.project import require_clone

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def bundle() -> None:
    """Everything that a lock names in one file, for nodes without a network: wslgpu apply --bundle FILE."""


@bundle.command()
@click.option("--lock", "lock_path", type=click.Path(path_type=Path), help="The lock instead of the one in force.")
@click.option("--lab", metavar="NAME", help="Of this lab: its lock, and its site file.")
@click.option("--to", "target", type=click.Path(path_type=Path), required=True, metavar="FILE.tar", help="Where to.")
@click.option(
    "--without",
    multiple=True,
    metavar="KIND",
    help=f"Leave out {', '.join(KINDS)}, or the images of one user, such as vllm; repeatable. The bundle says so.",
)
@click.option(
    "--distribution", "distributions", multiple=True, metavar="NAME", help="Only packages of debian-13; repeatable."
)
@site_option
@json_option
def make(
    lock_path: Path | None,
    lab: str | None,
    target: Path,
    without: tuple[str, ...],
    distributions: tuple[str, ...],
    site: Path | None,
    as_json: bool,
) -> None:
    """Fetch all that the lock names and write FILE.tar.

    A run that was cut goes on where it was; an older FILE.tar stays until the new one is whole, and what it has already
    is not fetched again. The site's file goes into it (project/site.yml), the files that it names do not.
    """
    require_clone()
    from wslgpu.bundle.make import Request
    from wslgpu.bundle.make import make as make_bundle
    from wslgpu.lock.force import site_places, under
    from wslgpu.lock.load import lock_file
    from wslgpu.settings import load, site_file

    if lab is not None:
        from wslgpu.lab import Lab

        found = Lab.load(lab)
        lock_path, site = lock_path or found.lock_file, site or found.site_file
    lock = lock_path or lock_file()
    if lock is None:
        raise UsageError("there is no lock to make a bundle of", "--lock", "Make one: wslgpu lock; or name one.")
    settings = under(load(site), lock, site_places(site or site_file()))
    its_site = site or (site_file() if site_file().exists() else None)
    request = Request(lock, target.absolute(), frozenset(without), distributions, its_site)
    made = make_bundle(request, settings, sys.stderr)
    if as_json:
        click.echo(json.dumps(made.as_json(), indent=2))
        return
    click.echo(f"{made.target}: {size_words(made.size_bytes)}, sha256 {made.sha256}")
    _show_contents(made.as_json())
    click.echo(f"Use it: wslgpu apply --bundle {target}")


@bundle.command()
@FILE
@click.option("--lock", "lock_path", type=click.Path(path_type=Path), help="It must be of this lock.")
@json_option
def verify(file: Path, lock_path: Path | None, as_json: bool) -> None:
    """Read all of FILE and compare every byte with its index."""
    from wslgpu.bundle.archive import Bundle
    from wslgpu.bundle.checks import require_lock, verify_whole

    opened = Bundle(file)
    if lock_path is not None:
        require_lock(opened, lock_path)
    verify_whole(opened, sys.stderr)
    size = file.stat().st_size
    if as_json:
        click.echo(json.dumps({"schema": 1, "bundle": str(file), "whole": True, "size_bytes": size}, indent=2))
        return
    files = count_words(len(opened.index.members), "file")
    click.echo(f"{file} is whole: {files}, {size_words(size)}, of the lock {opened.index.lock}")


@bundle.command()
@FILE
@click.option("--files", is_flag=True, help="Name every file.")
@json_option
def show(file: Path, files: bool, as_json: bool) -> None:
    """Say what FILE holds; its index is read, and nothing else."""
    from wslgpu.bundle.archive import Bundle
    from wslgpu.bundle.make import describe

    opened = Bundle(file)
    data = {"schema": 1, "bundle": str(file), "size_bytes": file.stat().st_size, **describe(opened.index)}
    if as_json:
        if files:
            data["files"] = [member.model_dump(mode="json") for member in opened.index.members]
        click.echo(json.dumps(data, indent=2))
        return
    click.echo(f"{file}: {size_words(data['size_bytes'])}, made by {data['tool']}")
    _show_contents(data)
    for member in opened.index.members if files else ():
        click.echo(f"{member.sha256[:12]} {member.size_bytes:>13,} {member.path}")


def _show_contents(data: dict[str, Any]) -> None:
    click.echo(f"lock {data['lock']}")
    click.echo(f"packages of {', '.join(data['distributions']) or 'no distribution'}")
    for kind, row in data["contents"].items():
        click.echo(f"  {kind:<10} {count_words(row['files'], 'file'):>11}  {size_words(row['bytes']):>10}")
    for kind in data["left_out"]:
        click.echo(f"  {kind:<10} left out")
