"""``wslgpu image``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from wslgpu.command_options import json_option, site_option
from wslgpu.errors import EXIT_FAILED, EXIT_OK, EXIT_TERMINATED
from wslgpu.image.user_data_cli import user_data
from wslgpu.report.plain import clean

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def image() -> None:
    """Golden images: a node's file system as a .wsl file, and user-data for distros that are there already."""


image.add_command(user_data)


@image.command("build")
@click.option(
    "--to", "target", type=_FILE, required=True, metavar="FILE.wsl", help="The image; replaced when all is well."
)
@click.option(
    "--distribution",
    type=click.Choice(["debian-13", "debian-12"]),
    default="debian-13",
    show_default=True,
    help="What it is made of. The cloud-init of debian-12 knows no WSL data source and is left out.",
)
@click.option(
    "--lock", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Instead of the lock in force."
)
@click.option("--name", metavar="NAME", default="", help="Under which WSL registers it [default: wslgpu-DISTRIBUTION].")
@site_option
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Everything that the deploy says.")
@click.pass_context
def build_image(
    ctx: click.Context,
    target: Path,
    distribution: str,
    lock: Path | None,
    name: str,
    site: Path | None,
    as_json: bool,
    verbose: bool,
) -> None:
    """Make a .wsl file: a fresh Debian, provisioned here by the deploy, with everything but GPU and CUDA images.

    It needs root and the lab's programs. Beside it come FILE.wsl.sha256, its bill of materials (.cdx.json) and its
    provenance (.provenance.json). The same lock, settings and base system give the same bytes.
    """
    from wslgpu.build.errors import size_words
    from wslgpu.image.build import ImageRequest, build
    from wslgpu.project import require_clone
    from wslgpu.signals import Terminated, sigterm_raised

    require_clone()
    request = ImageRequest(target.absolute(), distribution, site, lock, name, verbose)
    try:
        with sigterm_raised():
            made = build(request, lambda line: click.echo(line, err=True))
    except Terminated:
        click.echo("wslgpu: terminated", err=True)
        ctx.exit(EXIT_TERMINATED)
    if as_json:
        document = {
            "schema": 1,
            "file": str(request.target),
            "sha256": made.sha256,
            "size_bytes": made.size_bytes,
            "unpacked_bytes": made.unpacked_bytes,
            "name": made.name,
            "distribution": made.distribution,
            "lock": made.lock,
            "packages": len(made.packages),
        }
        click.echo(json.dumps(document, indent=2))
    else:
        sizes = f"{size_words(made.size_bytes)}, {size_words(made.unpacked_bytes)} unpacked"
        click.echo(f"{made.sha256}  {target}")
        click.echo(
            f"{sizes}, {len(made.packages)} packages; in Windows: wsl --install --from-file {target.name}", err=True
        )
    ctx.exit(EXIT_OK)


@image.command("validate")
@click.argument("file", type=_FILE)
@click.option("--strict", is_flag=True, help="Warnings count as failures.")
@click.option("--rules", is_flag=True, help="List every rule with its source, kept or broken.")
@json_option
@click.pass_context
def validate_image(ctx: click.Context, file: Path, strict: bool, rules: bool, as_json: bool) -> None:
    """Hold a .wsl FILE, of any maker, against Microsoft's published rules and those for images of many machines.

    Ends with 0 where no rule is broken, or none but warnings; with 1 where an error is found.
    """
    from wslgpu.image.contents import read
    from wslgpu.image.rules import RULES, Severity, judge
    from wslgpu.image.show import check_digest

    check_digest(file)
    broken = judge(read(file))
    failed = [entry for entry in broken if strict or entry.rule.severity is Severity.ERROR]
    code = EXIT_FAILED if failed else EXIT_OK
    if as_json:
        document: dict[str, Any] = {
            "schema": 1,
            "file": str(file),
            "rules": len(RULES),
            "broken": [
                {
                    "rule": entry.rule.id,
                    "severity": entry.rule.severity.value,
                    "what": entry.what,
                    "source": entry.rule.source,
                }
                for entry in broken
            ],
            "exit_code": code,
        }
        click.echo(json.dumps(document, indent=2))
        ctx.exit(code)
    names = {entry.rule.id for entry in broken}
    if rules:
        for rule in RULES:
            click.echo(f"{'broken' if rule.id in names else 'kept':<7} {rule.id:<18} {rule.summary} ({rule.source})")
    for entry in broken:
        click.echo(clean(f"{entry.rule.severity.value:<8} {entry.rule.id:<18} {entry.what} ({entry.rule.source})"))
    click.echo(f"{file.name}: {len(RULES)} rules, {len(names)} broken")
    ctx.exit(code)


@image.command("show")
@click.argument("file", type=_FILE)
@click.option("--packages", is_flag=True, help="Every package with its version.")
@json_option
def show_image(file: Path, packages: bool, as_json: bool) -> None:
    """What is in a .wsl FILE: its name, size, lock, components and packages. Nothing is unpacked."""
    from wslgpu.image.show import describe

    described = describe(file)
    if as_json:
        click.echo(json.dumps({"schema": 1, **described.as_json()}, indent=2))
        return
    for line in described.lines(packages=packages):
        click.echo(clean(line))
