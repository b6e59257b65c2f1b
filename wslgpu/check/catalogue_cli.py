"""The commands ``explain`` and ``catalogue``: what the catalogue says, without contacting anything."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from wslgpu.catalogue.load import load_catalogue
from wslgpu.catalogue.model import CapabilityFile, SiteFile, WorkloadFile
from wslgpu.errors import UsageError
from wslgpu.names import did_you_mean
from wslgpu.project import PROJECT_ROOT, require_clone

SITE = click.option(
    "--catalogue", "site", type=click.Path(path_type=Path), metavar="DIR", help="A site's folder over the catalogue."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
STALE_DAYS = 365
SCHEMAS = ("report", "capabilities", "workloads", "site")


@click.command()
@click.argument("entry", metavar="ID")
@SITE
def explain(entry: str, site: Path | None) -> None:
    """What a capability or workload means, what is expected of it where, from which sources, and what to do."""
    from wslgpu.catalogue.explain import explain as lines_of
    from wslgpu.check.workload_lines import workload_lines

    known = load_catalogue(site)
    if entry not in known.capabilities and entry not in known.workloads:
        meant = did_you_mean(entry, [*known.workloads, *known.capabilities], 5)
        raise UsageError(
            f"the catalogue has no {entry[:100]!r}", "wslgpu explain", f"{meant}`wslgpu catalogue list` lists all."
        )
    places = {name: _shown_place(place) for name, place in known.places.items()}
    blocks = []
    if entry in known.workloads:
        blocks.append(workload_lines(known.workloads[entry], known, places.get(entry, "")))
    if entry in known.capabilities:
        lines = lines_of(known.capabilities[entry], places)
        for override in known.site.overrides:
            if override.capability == entry:
                lines += ["", f"Changed by this site's site.yml: {override.reason} ({override.person})"]
        blocks.append(lines)
    for line in (line for block in blocks for line in block):
        click.echo(line)


@click.group()
def catalogue() -> None:
    """What wslgpu knows: capabilities, what is expected of them, workloads."""


@catalogue.command("list")
@SITE
@JSON
def catalogue_list(site: Path | None, as_json: bool) -> None:
    """All ids with their titles."""
    known = load_catalogue(site)
    if as_json:
        rows: list[dict[str, Any]] = [
            {"kind": "workload", "id": work.id, "title": work.title, "standard": work.standard}
            for work in known.workloads.values()
        ]
        rows += [{"kind": "capability", "id": one.id, "title": one.title} for one in known.capabilities.values()]
        click.echo(json.dumps({"schema": 1, "digest": known.digest, "entries": rows}, indent=2))
        return
    for heading, rows_of in (("Workloads", known.workloads), ("Capabilities", known.capabilities)):
        click.echo(f"{heading} ({len(rows_of)})")
        for name in sorted(rows_of):
            click.echo(f"  {name:<40} {rows_of[name].title}")


@catalogue.command("stale")
@click.option(
    "--before",
    type=click.DateTime(["%Y-%m-%d"]),
    default=lambda: (datetime.date.today() - datetime.timedelta(days=STALE_DAYS)).isoformat(),
    metavar="DATE",
    help="Entries whose newest source is older than this day (YYYY-MM-DD).  [default: a year ago]",
)
@SITE
@JSON
def catalogue_stale(before: datetime.datetime, site: Path | None, as_json: bool) -> None:
    """Entries to look at again: all their sources are older than a day."""
    from wslgpu.catalogue.stale import stale

    old, day = stale(load_catalogue(site), before.date()), before.date().isoformat()
    if as_json:
        rows = [
            {"id": one.id, "newest": one.newest.isoformat(), "url": one.url, "place": _shown_place(one.place)}
            for one in old
        ]
        click.echo(json.dumps({"schema": 1, "before": day, "entries": rows}, indent=2))
        return
    for one in old:
        click.echo(f"{one.newest.isoformat()}  {one.id:<40} {one.url}")
    click.echo(f"{len(old)} entries have no source of {day} or later", err=True)


def _shown_place(place: str) -> str:
    """Relative to the project or the package: the absolute path says who and where the caller is."""
    return place.removeprefix(f"{PROJECT_ROOT}/")


@catalogue.command("docs")
@click.option("--check", "only_check", is_flag=True, help="Say whether docs/capabilities.md is behind; 1 if it is.")
@click.pass_context
def catalogue_docs(ctx: click.Context, only_check: bool) -> None:
    """The whole catalogue as Markdown: what docs/capabilities.md holds."""
    from wslgpu.catalogue.docs import render

    text = render(load_catalogue())
    if not only_check:
        click.echo(text, nl=False)
        return
    require_clone()
    path = PROJECT_ROOT / "docs" / "capabilities.md"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        click.echo(f"{path} is behind the catalogue; write it: wslgpu catalogue docs >{path}", err=True)
        ctx.exit(1)


@catalogue.command("schema")
@click.argument("which", type=click.Choice(SCHEMAS), default=SCHEMAS[0])
def catalogue_schema(which: str) -> None:
    """The JSON Schema of the report (the default), or of a file of the catalogue or of a site's folder."""
    if which == "report":
        from wslgpu.report.capabilities.document import schema

        found = schema()
    else:
        models: dict[str, type[BaseModel]] = {
            "capabilities": CapabilityFile,
            "workloads": WorkloadFile,
            "site": SiteFile,
        }
        found = models[which].model_json_schema()
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
