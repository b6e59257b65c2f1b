"""``wslgpu sources``: list, fetch, row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wslgpu.command_options import json_option, site_option
from wslgpu.errors import EXIT_OK, EXIT_TERMINATED, DataError, UsageError, WslgpuError, worst_exit_code
from wslgpu.names import did_you_mean
from wslgpu.project import require_clone

if TYPE_CHECKING:
    from wslgpu.build.pins import SourcePin
    from wslgpu.settings import Settings

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.group(name="sources")
def sources() -> None:
    """The pinned files that builds read: list them, fetch them ahead, make a row for another one."""


@sources.command("list")
@site_option
@json_option
def list_command(site: Path | None, as_json: bool) -> None:
    """All rows: id, version, size, licence, whether somebody compared the hash, whether it is in the cache."""
    from wslgpu.build.errors import size_words
    from wslgpu.build.fetch import is_cached
    from wslgpu.settings import load

    require_clone()
    pins = load(site).build_sources
    if as_json:
        rows = {name: pin.model_dump(mode="json") | {"cached": is_cached(pin)} for name, pin in pins.items()}
        click.echo(json.dumps({"schema": 1, "sources": rows, "exit_code": EXIT_OK}, indent=2))
        return
    width = max((len(name) for name in pins), default=0)
    for name, pin in sorted(pins.items()):
        state = "no hash" if pin.sha256 == "unresolved" else "verified" if pin.verified else "not verified"
        cached = "cached" if is_cached(pin) else "-"
        size = size_words(pin.size_bytes)
        click.echo(f"{name:<{width}}  {pin.version:<22} {size:>9}  {state:<12}  {cached:<6}  {pin.licence}")


@sources.command("fetch")
@click.argument("names", nargs=-1, metavar="[ID]...")
@click.option("--build", "builds", multiple=True, metavar="BUILD", help="The sources of this build; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Every source that any build names.")
@click.option("--from", "folders", multiple=True, metavar="DIR", type=_FOLDER, help="Has sources; repeatable.")
@click.option("--to", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Copy them there as well.")
@site_option
@json_option
@click.pass_context
def fetch_command(
    ctx: click.Context,
    names: tuple[str, ...],
    builds: tuple[str, ...],
    everything: bool,
    folders: tuple[Path, ...],
    to: Path | None,
    site: Path | None,
    as_json: bool,
) -> None:
    """Fetch sources into the cache, each compared with its pin.

    For a site without a network: fetch with --to DIR elsewhere, carry DIR there, and give it to `wslgpu build --from`.
    """
    from wslgpu.settings import load
    from wslgpu.signals import Terminated, sigterm_raised

    require_clone()
    settings = load(site)
    pins = chosen(settings, names, builds, everything=everything)
    found: dict[str, str] = {}
    failures: dict[str, WslgpuError] = {}
    try:
        with sigterm_raised():
            for name, pin in pins.items():
                try:
                    found[name] = str(_fetched(pin, settings, folders, to))
                except WslgpuError as error:
                    failures[name] = error
                    _say(f"wslgpu: {error}")
                else:
                    if not as_json:
                        click.echo(f"{name} {found[name]}")
    except Terminated:
        _say("wslgpu: terminated")
        ctx.exit(EXIT_TERMINATED)
    codes = [error.exit_code for error in failures.values()]
    code = worst_exit_code(codes) if codes else EXIT_OK
    if as_json:
        errors = {name: error.as_json() for name, error in failures.items()}
        click.echo(json.dumps({"schema": 1, "files": found, "errors": errors, "exit_code": code}, indent=2))
    ctx.exit(code)


def chosen(
    settings: Settings, names: tuple[str, ...], builds: tuple[str, ...], *, everything: bool
) -> dict[str, SourcePin]:
    """The sources that a command line names.

    :raises UsageError: none, or one that there is not
    """
    if not (names or builds or everything):
        raise UsageError("names no source", "wslgpu sources fetch", "Give IDs, --build BUILD or --all.")
    for name in builds:
        if name not in settings.builds:
            step = f"{did_you_mean(name, settings.builds)}Known: {', '.join(settings.builds)}."
            raise UsageError(f"there is no build {name!r}", "wslgpu sources fetch", step)
    picked = list(settings.builds) if everything else list(builds)
    wanted = [*names, *(source for name in picked for source in settings.builds[name].sources.values())]
    for name in wanted:
        if name not in settings.build_sources:
            step = f"{did_you_mean(name, settings.build_sources)}`wslgpu sources list` lists them."
            raise UsageError(f"there is no source {name!r}", "wslgpu sources fetch", step)
    return {name: settings.build_sources[name] for name in dict.fromkeys(wanted)}


def _fetched(pin: SourcePin, settings: Settings, folders: tuple[Path, ...], to: Path | None) -> Path:
    from wslgpu.build.access import Access
    from wslgpu.build.fetch import copy_to, fetch

    file = fetch(pin, folders=folders, progress=_say, access=Access.of(settings))
    return file if to is None else copy_to(file, pin, to)


@sources.command("row")
@click.argument("release")
@click.argument("package")
@click.option("--binary", is_flag=True, help="PACKAGE is a binary package: its .deb for amd64.")
@click.option("--fetch", "with_file", is_flag=True, help="Fetch the file and compare it: the row says verified.")
@site_option
def row_command(release: str, package: str, binary: bool, with_file: bool, site: Path | None) -> None:
    """Print a row for what Debian's RELEASE has of PACKAGE now, with the hash of the archive's signed index.

    It goes below `sources` in group_data/builds.yml, or below `build_sources` in site.yml. The licence is left for you.
    """
    from pydantic import ValidationError

    from wslgpu.build.access import Access
    from wslgpu.build.distribution import find
    from wslgpu.build.pins import DebianOrigin
    from wslgpu.build.rows import row_of, yaml_of
    from wslgpu.settings import load

    require_clone()
    try:
        origin = DebianOrigin(release=release, package=package, kind="binary" if binary else "source")
    except ValidationError as error:
        where = f"{release} {package}"
        raise UsageError("is no release and package of Debian's", where, "Such as: trixie mesa.") from error
    settings = load(site)
    found = find(release, package, origin.kind, access=Access.of(settings), progress=_say)
    if not found:
        step = "Look how the package is called; --binary for one of the packages that a source package makes."
        raise DataError(f"{release} has no {origin.kind} package {package}", "Debian's archive", step)
    for file in found:
        name, pin = row_of(file)
        if with_file:
            _fetched(pin, settings, (), None)
            pin = pin.model_copy(update={"verified": True, "checked_against": f"{pin.checked_against}, and the file"})
        rows: dict[str, Any] = {name: pin.model_dump(mode="json", exclude_defaults=True)}
        click.echo(yaml_of(rows))
