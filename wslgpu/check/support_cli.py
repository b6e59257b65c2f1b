"""The command ``support``."""

from __future__ import annotations

from pathlib import Path

import click

from wslgpu.check.options import asked, gather_options
from wslgpu.check.targets import targets


@click.command()
@click.argument("target", default="local")
@gather_options
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), required=True, metavar="FILE", help="FILE.json or FILE.tar.gz."
)
@click.pass_context
def support(ctx: click.Context, target: str, level: str, timeout: float | None, concurrency: int, output: Path) -> None:
    """Write one redacted file for the person who is to help: observations, judgement, configuration, logs' tails."""
    from wslgpu.check.files import require_file_place
    from wslgpu.check.support import collect, require_suffix, write
    from wslgpu.probe.document import Level

    del concurrency
    require_suffix(output)
    require_file_place(output)
    with targets(asked((target,), None, None, ())) as found:
        bundle, interrupted = collect(found[0], Level(level), timeout)
    if interrupted:
        ctx.exit(interrupted)
    write(bundle, output)
    for line in bundle.summary(output):
        click.echo(line)
