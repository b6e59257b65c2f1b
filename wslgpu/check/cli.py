"""The commands ``check``, ``probe`` and ``judge``: parse, call, print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from wslgpu.catalogue.load import load_catalogue
from wslgpu.check.judging import Clock, Rules, judge, require_names
from wslgpu.check.options import (
    REPEATED_FILES,
    asked,
    concurrency_option,
    gather_options,
    one_place_options,
    one_target,
    output_options,
    outputs,
    rule_options,
    save_option,
    where_options,
)
from wslgpu.check.outputs import Outputs
from wslgpu.check.saved import from_files, redacted, save
from wslgpu.check.targets import targets
from wslgpu.errors import EXIT_CANNOT_JUDGE, UsageError, WslgpuError
from wslgpu.probe.document import Level
from wslgpu.probe.gather import Gathered, gather_all
from wslgpu.report.capabilities.words import counted

NAGIOS_UNKNOWN = 3


class CatalogueError(WslgpuError):
    """The catalogue or a site's folder cannot be read."""

    def __init__(self, cause: WslgpuError) -> None:
        super().__init__(cause.what, cause.where, cause.next_step, cause.error_class, cause.retryable)


@click.command()
@where_options
@rule_options
@gather_options
@concurrency_option
@output_options
@save_option
@click.option("--compare", nargs=2, metavar="A B", help="What differs: two reports, observation files, or targets.")
@click.pass_context
def check(ctx: click.Context, /, **options: Any) -> None:
    """What can these machines do? Each TARGET is probed in one session and judged per workload.

    \b
    TARGET is one of:
      local                            this machine (the default)
      HOST, ssh://[USER@]HOST[:PORT]   over ssh, as your own ssh_config says
      wsl://DISTRO                     a WSL distribution of this Windows
      docker://CONTAINER               the view from a container
      kubectl://NAMESPACE/POD[/CONTAINER]

    Exit: 0 all that is required is GO or DEGRADED, 1 a NO-GO, 2 could not be judged.
    """
    with _styled(ctx, options):
        ctx.exit(_check(options))


def _check(options: dict[str, Any]) -> int:
    clock, output = Clock.now(), outputs(options)
    rules = _rules(options)
    if options["compare"]:
        from wslgpu.check.comparing import compare_command

        return compare_command(options, rules, output)
    with targets(asked(options["target"], options["inventory"], options["lab"], options["limit"])) as found:
        output.require_places(save_to_folder=len(found) > 1)
        level = Level(options["level"])
        if level is not Level.QUICK and not options["nagios"]:
            _progress(f"{counted(len(found), 'target')} at level {level.value}: seconds to minutes each")
        gathered = gather_all(
            found,
            level,
            concurrency=options["concurrency"],
            timeout_s=options["timeout"],
            progress=_progress if len(found) > 1 else lambda _line: None,
        )
    return _finish(gathered, rules, clock, options, output)


def _finish(gathered: Gathered, rules: Rules, clock: Clock, options: dict[str, Any], output: Outputs) -> int:
    answers = redacted(gathered.answers, show_identities=options["show_identities"])
    written = save(answers, output.save) if output.save is not None else []
    return output.write(judge(answers, rules, clock, gathered.interrupted), written)


@click.command()
@one_place_options
@gather_options
@click.option("--save", type=REPEATED_FILES, metavar="FILE", help="Write there instead of standard output.")
@click.option("--show-identities", is_flag=True, help="Do not take out serial numbers, names and addresses.")
@click.pass_context
def probe(ctx: click.Context, /, save: Path | None, show_identities: bool, **options: Any) -> None:
    """Probe TARGET (this machine if none is given) and print what was observed, without judging it."""
    from wslgpu.check.files import require_file_place, write_whole

    if save is not None:
        require_file_place(save)
    with one_target(options) as target:
        gathered = gather_all((target,), Level(options["level"]), timeout_s=options["timeout"])
    (answer,) = redacted(gathered.answers, show_identities=show_identities)
    if gathered.interrupted:
        ctx.exit(gathered.interrupted)
    if answer.document is None:
        raise answer.error or UsageError("nothing was asked", target.name)
    if save is None:
        click.echo(answer.document.as_json(), nl=False)
    else:
        write_whole(save, answer.document.as_json(), 0o600)
        click.echo(f"{save}: {len(answer.document.observations)} observations of {target.name}", err=True)


@click.command(name="judge")
@click.argument("file", nargs=-1, required=True, type=REPEATED_FILES)
@rule_options
@output_options
@click.pass_context
def judge_command(ctx: click.Context, /, **options: Any) -> None:
    """Judge what `wslgpu probe --save` or `check --save` wrote; nothing is contacted."""
    with _styled(ctx, options):
        clock, output, rules = Clock.now(), outputs(options), _rules(options)
        output.require_places(save_to_folder=False)
        answers = from_files(options["file"])
        ctx.exit(_finish(Gathered(tuple(answers)), rules, clock, options, output))


def _rules(options: dict[str, Any]) -> Rules:
    try:
        catalogue = load_catalogue(options["catalogue"])
    except WslgpuError as error:
        raise CatalogueError(error) from error
    rules = Rules(catalogue, options["workload"], options["require"], options["strict"])
    require_names(rules)
    return rules


def _progress(line: str) -> None:
    click.echo(line, err=True)


@contextmanager
def _styled(ctx: click.Context, options: dict[str, Any]) -> Iterator[None]:
    """Errors in the style of exit codes that was asked for."""
    from wslgpu.report.capabilities.nagios import EXIT_CATALOGUE_FAILED

    try:
        yield
    except WslgpuError as error:
        if options["nagios"]:
            click.echo("WSLGPU UNKNOWN - " + " ".join(str(error).replace("|", "/").split()))
            ctx.exit(NAGIOS_UNKNOWN)
        if options["exit_style"] == "distinct" and isinstance(error, CatalogueError):
            click.echo(f"wslgpu: {error}", err=True)
            ctx.exit(EXIT_CATALOGUE_FAILED)
        if options["exit_style"] == "distinct" and error.exit_code != EXIT_CANNOT_JUDGE:
            click.echo(f"wslgpu: {error}", err=True)
            ctx.exit(EXIT_CANNOT_JUDGE)
        raise
