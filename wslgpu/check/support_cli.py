"""The command ``support``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wslgpu.check.options import gather_options, one_place_options, one_target


@click.command()
@one_place_options
@gather_options
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), required=True, metavar="FILE", help="FILE.json or FILE.tar.gz."
)
@click.pass_context
def support(ctx: click.Context, /, output: Path, **options: Any) -> None:
    """Write one redacted file for the person who is to help: observations, judgement, configuration, logs' tails."""
    from wslgpu.check.files import require_file_place
    from wslgpu.check.support import collect, require_suffix, write
    from wslgpu.probe.document import Level

    require_suffix(output)
    require_file_place(output)
    with one_target(options) as target:
        bundle, interrupted = collect(target, Level(options["level"]), options["timeout"])
    if interrupted:
        ctx.exit(interrupted)
    write(bundle, output)
    for line in bundle.summary(output):
        click.echo(line)
