"""`wslgpu store`: what artifacts there are, whether they are whole, and the way to and from other machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from wslgpu.build.errors import count_words
from wslgpu.build.places import store_dir
from wslgpu.build.record import ArtifactRecord
from wslgpu.command_options import json_option, site_option
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.project import require_clone
from wslgpu.report.plain import clean
from wslgpu.store import oci, quarantine
from wslgpu.store.exchange import export_artifact, import_artifact
from wslgpu.store.folder import Store

NAMES = click.argument("names", nargs=-1, metavar="[NAME]...")
REPOSITORY = click.argument("repository")
PLAIN_HTTP = click.option("--plain-http", is_flag=True, help="The registry speaks http; loopback needs no saying.")
TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=oci.TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="Deadline of one transfer.",
)


def _show(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"schema": 1, **document}, indent=2, ensure_ascii=False))


def _data(record: ArtifactRecord) -> dict[str, Any]:
    return {"name": record.name, **record.model_dump(mode="json", by_alias=True)}


def _progress() -> Callable[[str], None]:
    return lambda line: click.echo(line, err=True)


def _chosen(store: Store, names: Sequence[str]) -> list[ArtifactRecord]:
    """The named artifacts, each once; all where nothing is named."""
    return list({record.name: record for record in map(store.get, names)}.values()) if names else store.records()


@click.group()
def store() -> None:
    """The artifacts that were built or pulled: WSLGPU_STORE_DIR, or /var/lib/wslgpu/store."""


@store.command("list")
@json_option
def list_artifacts(as_json: bool) -> None:
    """All artifacts, the youngest first."""
    place = Store(store_dir())
    records = place.records()
    if as_json:
        _show({"store": str(place.path), "artifacts": [_data(record) for record in records]})
        return
    for record in records:
        size = f"{record.size_bytes / 1e6:.1f} MB"
        click.echo(clean(f"{record.name:<44} {size:>9}  {record.created:<20}  {record.licence}"))
    click.echo(f"{count_words(len(records), 'artifact')} in {place.path}", err=True)
    if aside := quarantine.notes(place.path):
        found = count_words(len(aside), "file")
        click.echo(f"{found} corrupted and set aside: {quarantine.folder_of(place.path)}", err=True)


@store.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """What is known of one artifact. NAME may also be its digest."""
    record = Store(store_dir()).get(name)
    if as_json:
        _show({"artifact": _data(record)})
        return
    needs = record.requirements
    rows = {
        "artifact": record.name,
        "digest": record.digest,
        "size": f"{record.size_bytes:,} bytes, {record.files} files",
        "built": f"{record.created}, in {record.duration_s:.0f} s, on {record.base}, by wslgpu {record.tool_version}",
        "licence": record.licence,
        "options": ", ".join(f"{key}={value}" for key, value in record.options.items()) or "none",
        "asks for": f"GLIBC {needs.glibc or '-'}, GLIBCXX {needs.glibcxx or '-'}, CXXABI {needs.cxxabi or '-'}",
        "links": ", ".join(needs.sonames) or "nothing",
        "prefix": record.prefix,
        "key": record.key,
        **{f"proof {proof.name}": proof.found for proof in record.proofs},
    }
    for key, value in rows.items():
        click.echo(clean(f"{key:<16} {value}"))


@store.command()
@json_option
@click.pass_context
def verify(ctx: click.Context, as_json: bool) -> None:
    """Compare everything with its hashes; what is corrupted is set aside, and the exit code is 1."""
    place = Store(store_dir())
    aside_before = len(quarantine.notes(place.path))
    corrupted = place.verify()
    records, loose = place.records(), place.unnamed_blobs()
    error = _corruption(place, sorted({entry.name for entry in corrupted})) if corrupted else None
    if as_json:
        _show(
            {
                "store": str(place.path),
                "whole": [record.name for record in records],
                "corrupted": [{"name": one.name, "what": one.what, "became": one.became} for one in corrupted],
                "set_aside_before": aside_before,
                "unnamed_bytes": sum(loose.values()),
                **({"error": error.as_json(), "exit_code": error.exit_code} if error else {"exit_code": 0}),
            }
        )
    else:
        for one in corrupted:
            click.echo(f"CORRUPTED {clean(one.name)}: {one.what}. {one.became}")
        click.echo(f"{len(records)} artifacts are whole")
        if aside_before:
            click.echo(f"{aside_before} files were set aside earlier: {quarantine.folder_of(place.path)}")
        if loose:
            click.echo(f"{sum(loose.values()):,} bytes belong to no artifact; `wslgpu store prune` frees them")
    if error:
        click.echo(f"wslgpu: {error}", err=True)
        ctx.exit(error.exit_code)


def _corruption(place: Store, names: list[str]) -> WslgpuError:
    return WslgpuError(
        f"{len(names)} artifacts were corrupted: {clean(', '.join(names))}",
        str(place.path),
        "Get them anew: wslgpu build, or wslgpu store pull. Look at the disk.",
        ErrorClass.INTEGRITY,
    )


@store.command()
@REPOSITORY
@NAMES
@click.option("--all", "every", is_flag=True, help="Every artifact of the store.")
@PLAIN_HTTP
@TIMEOUT
@json_option
def push(
    repository: str, names: tuple[str, ...], every: bool, plain_http: bool, timeout_s: float, as_json: bool
) -> None:
    """Bring artifacts to a registry: below REPOSITORY, such as registry.example.com/team.

    Logging in is skopeo's: `skopeo login HOST`.
    """
    if every == bool(names):
        raise UsageError("say which artifacts", "wslgpu store push", "Give NAMEs, or --all; `wslgpu store list`.")
    place, registry = Store(store_dir()), oci.Registry(repository, plain_http, timeout_s)
    pushed = {record.name: oci.push(place, record, registry, _progress()) for record in _chosen(place, names)}
    if as_json:
        _show({"pushed": pushed})
        return
    for reference in pushed.values():
        click.echo(reference)


@store.command()
@REPOSITORY
@NAMES
@click.option("--digest", default="", metavar="sha256:HEX", help="What the one artifact must have.")
@PLAIN_HTTP
@TIMEOUT
@site_option
@json_option
def pull(
    repository: str,
    names: tuple[str, ...],
    digest: str,
    plain_http: bool,
    timeout_s: float,
    site: Path | None,
    as_json: bool,
) -> None:
    """Fetch artifacts from a registry: by name, or the youngest of a build, by default of the builds in force.

    A digest that the settings pin (mesa_dozen_artifact, ffmpeg_artifact) must be met.
    """
    from wslgpu.settings import load

    require_clone()
    settings = load(site)
    pinned = {
        settings.mesa_dozen_build: settings.mesa_dozen_artifact,
        settings.ffmpeg_build: settings.ffmpeg_artifact,
    }
    wanted = names or tuple(pinned)
    if digest and len(wanted) != 1:
        raise UsageError("--digest is of one artifact", "wslgpu store pull", "Name that one.")
    place, registry = Store(store_dir()), oci.Registry(repository, plain_http, timeout_s)
    pulled = []
    for name in wanted:
        artifact = settings.builds[name].artifact if name in settings.builds else oci.artifact_of(name)
        if not artifact:
            raise UsageError(f"{name[:100]!r} is no artifact and no build", "wslgpu store pull", "See builds.yml.")
        expected = digest or pinned.get(name, "")
        pulled.append(oci.pull(place, artifact, name, registry, _progress(), expected=expected))
    if as_json:
        _show({"pulled": [_data(record) for record in pulled]})
        return
    for record in pulled:
        click.echo(f"{record.name}  {record.digest}")


@store.command()
@click.option("--dry", is_flag=True, help="Say what would go, and delete nothing.")
@click.option("--keep", multiple=True, metavar="NAME|DIGEST", help="Keep this one besides; repeatable.")
@site_option
@json_option
def prune(dry: bool, keep: tuple[str, ...], site: Path | None, as_json: bool) -> None:
    """Delete what no pin names: of each build the two youngest stay, and every digest that is pinned.

    The table of builds, all profiles, the site and the fleet file are asked. What was set aside as corrupted goes too.
    """
    from wslgpu.settings import load
    from wslgpu.store.prune import named_by_pins, plan

    require_clone()
    place = Store(store_dir())
    decided = plan(place, named_by_pins(load(site)), [place.get(name).name for name in keep])
    if not as_json:
        for record, why in decided.kept:
            click.echo(f"keep    {clean(record.name)}: {why}")
        for record in decided.gone:
            click.echo(f"{'would go' if dry else 'delete'}  {clean(record.name)}")
        click.echo(f"{decided.freed_bytes:,} bytes {'would be' if dry else 'are to be'} freed")
    if not dry and (decided.gone or decided.freed_bytes):
        place.prune([record.name for record, _ in decided.kept])
        place.clear_quarantine()
    if as_json:
        _show(
            {
                "kept": [{"name": record.name, "why": why} for record, why in decided.kept],
                "deleted": [record.name for record in decided.gone],
                "freed_bytes": decided.freed_bytes,
                "dry": dry,
            }
        )


@store.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@json_option
def remove(names: tuple[str, ...], as_json: bool) -> None:
    """Delete artifacts, pinned or not."""
    place = Store(store_dir())
    chosen = [record.name for record in _chosen(place, names)]
    freed = place.remove(chosen)
    if as_json:
        _show({"deleted": chosen, "freed_bytes": freed})
        return
    click.echo(f"deleted {', '.join(chosen)}: {freed:,} bytes")


@store.command()
@click.argument("name")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
def export(name: str, folder: Path, as_json: bool) -> None:
    """Write an artifact with its documents into FOLDER, for a site without a network; `import` takes it in there."""
    place = Store(store_dir())
    files = export_artifact(place, place.get(name), folder)
    if as_json:
        _show({"files": [str(file) for file in files]})
        return
    for file in files:
        click.echo(str(file))


@store.command("import")
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option("--digest", default="", metavar="sha256:HEX", help="What the artifact must have.")
@json_option
def import_command(folder: Path, digest: str, as_json: bool) -> None:
    """Take in what `export` wrote into FOLDER; every hash is compared."""
    record = import_artifact(Store(store_dir()), folder, digest)
    if as_json:
        _show({"artifact": _data(record)})
        return
    click.echo(f"{record.name}  {record.digest}")
