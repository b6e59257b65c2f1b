"""``wslgpu workload``: what can be put on a provisioned node, rendered, checked and applied."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click

from wslgpu.command_options import json_option, site_option
from wslgpu.errors import UsageError
from wslgpu.kubernetes.cli import add_to
from wslgpu.project import require_clone
from wslgpu.workloads.model import Form, NodeTruth, Rendered

FORMS: tuple[str, ...] = get_args(Form)


def _version(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    match = re.fullmatch(r"v?(\d{1,3})\.(\d{1,3})(\.\S*)?", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no version such as 1.34")
    return int(match[1]), int(match[2])


@click.group(name="workload")
def workload() -> None:
    """Device plugin, vLLM and FFmpeg: rendered for your node, checked, applied, and followed link by link."""


add_to(workload)


@workload.command("list")
@json_option
def list_workloads(as_json: bool) -> None:
    """What there is, in which forms."""
    require_clone()
    from wslgpu.workloads.render import RENDERERS, names, summary

    known = list(dict.fromkeys(name for form in RENDERERS for name in names(form)))
    rows = {name: [form for form in RENDERERS if name in names(form)] for name in known}
    if as_json:
        _show({"workloads": [{"name": n, "summary": summary(n), "forms": forms} for n, forms in rows.items()]})
        return
    width = max(map(len, rows))
    for name, forms in rows.items():
        click.echo(f"{name:{width}}  {summary(name)} ({', '.join(forms)})")


@workload.command("render")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--form", type=click.Choice(FORMS), default="kubernetes", show_default=True, help="In which form.")
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a folder for each workload in DIR, instead of printing.",
)
@click.option("--force", is_flag=True, help="With --to: overwrite files that were edited by hand.")
@site_option
@click.option("--gpus", type=click.IntRange(min=0), metavar="N", help="GPUs that the node has.")
@click.option("--kubernetes", callback=_version, metavar="VERSION", help="Version of the cluster, such as 1.34.")
@json_option
def render_workloads(
    names: tuple[str, ...],
    form: Form,
    folder: Path | None,
    force: bool,
    site: Path | None,
    gpus: int | None,
    kubernetes: tuple[int, int] | None,
    as_json: bool,
) -> None:
    """Print workloads, or write them into a folder each.

    \b
    wslgpu workload render runtime-class device-plugin | kubectl apply -f -
    wslgpu workload render device-plugin --to manifests && kubectl apply -k manifests/device-plugin
    """
    require_clone()
    from wslgpu.lock.force import load_locked
    from wslgpu.workloads import folder as folders
    from wslgpu.workloads.render import render

    if force and folder is None:
        raise UsageError("--force goes with --to", "", "Without --to nothing is written.")
    settings = load_locked(site)
    truth = NodeTruth(kubernetes=kubernetes, gpus=gpus)
    rendered = [render(name, settings, truth, form) for name in dict.fromkeys(names)]
    if folder is None:
        if as_json:
            _show({"workloads": [_data(each) for each in rendered]})
        else:
            click.echo(as_text(rendered), nl=False)
            _show_notes(rendered)
        return
    if not force:
        for each in rendered:
            folders.check(each, folder / each.name)
    done = {each.name: folders.write(each, folder / each.name) for each in rendered}
    if as_json:
        _show(
            {
                "workloads": [
                    {
                        "name": each.name,
                        "form": form,
                        "folder": str(folder / each.name),
                        "changed": list(done[each.name].changed),
                        "removed": list(done[each.name].removed),
                        "notes": list(each.notes),
                    }
                    for each in rendered
                ]
            }
        )
        return
    for each in rendered:
        written = done[each.name]
        what = ", ".join([*written.changed, *(f"{name} removed" for name in written.removed)])
        click.echo(f"{folder / each.name}: {what or 'unchanged'}")
    _show_notes(rendered)


def as_text(rendered: Sequence[Rendered]) -> str:
    """What is printed: Kubernetes objects as one YAML stream, other forms file by file under their names."""
    files = [
        (f"{each.name}/{name}", text)
        for each in rendered
        for name, text in each.files.items()
        if not (each.form == "kubernetes" and name == "kustomization.yaml")
    ]
    if len(files) == 1:
        return files[0][1]
    separator = "---\n" if rendered[0].form == "kubernetes" else ""
    return "".join(f"{separator}# {name}\n{text if text.endswith(chr(10)) else text + chr(10)}" for name, text in files)


def _show_notes(rendered: Sequence[Rendered]) -> None:
    for each in rendered:
        for note in each.notes:
            click.echo(f"{each.name}: {note}", err=True)


def _data(rendered: Rendered) -> dict[str, Any]:
    return {
        "name": rendered.name,
        "form": rendered.form,
        "files": dict(rendered.files),
        "documents": [dict(document) for document in rendered.documents],
        "notes": list(rendered.notes),
    }


def _show(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"schema": 1, **document}, indent=2, ensure_ascii=False))
