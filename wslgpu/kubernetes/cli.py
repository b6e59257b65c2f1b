"""``wslgpu workload check|apply|diff|remove|chain``: the side of a workload that talks to a cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wslgpu.errors import EXIT_FAILED, EXIT_OK, UsageError
from wslgpu.kubernetes.options import place, where_options
from wslgpu.project import require_clone

if TYPE_CHECKING:
    from wslgpu.workloads.model import Rendered

NAMES = click.argument("names", nargs=-1, required=True, metavar="NAME...")
WAIT_S = 180
POD_WAIT_S = 90
FILE_LIMIT_BYTES = 1 << 20


@click.command("chain")
@where_options
@click.option("--pod", is_flag=True, help="Also run a short pod that asks for one GPU, and show what it sees.")
@click.option("--namespace", default="default", show_default=True, help="Where that pod runs.")
@click.pass_context
def chain(ctx: click.Context, /, pod: bool, namespace: str, as_json: bool, **options: Any) -> None:
    """Follow the GPU from CDI spec to pod, link by link: the first broken one is the finding.

    Asks the node that is named (this machine otherwise) and its cluster in one session; changes nothing without --pod.
    """
    require_clone()
    from wslgpu.kubernetes.chain import ask_chain
    from wslgpu.kubernetes.chain_facts import ChainFacts
    from wslgpu.kubernetes.chain_judge import judge
    from wslgpu.kubernetes.plugin_version import known_versions
    from wslgpu.kubernetes.pod_view import see
    from wslgpu.kubernetes.text import chain_lines, pod_lines

    with place(options) as where:
        document, pieces = ask_chain(where.kubectl)
        facts = ChainFacts(document, pieces, None, known_versions(where.settings))
        if pod:
            node = facts.node_name()
            view = see(where.kubectl, where.settings, node=node, namespace=namespace, limit_s=POD_WAIT_S, say=_progress)
            # what the node reports may be younger than the pod
            document, pieces = ask_chain(where.kubectl)
            facts = ChainFacts(document, pieces, view, facts.versions)
    found = judge(facts)
    if as_json:
        _show(found.as_json())
    else:
        _lines([*chain_lines(found), *pod_lines(found)])
    ctx.exit(found.exit_code)


@click.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@where_options
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Manifests of your own as well; repeatable.",
)
@click.option("--offline", is_flag=True, help="Do not ask registries for the images' digests.")
@click.pass_context
def check(
    ctx: click.Context, /, names: tuple[str, ...], files: tuple[Path, ...], offline: bool, as_json: bool, **options: Any
) -> None:
    """Does a workload fit on the cluster? Answered before anything is applied; nothing is changed."""
    require_clone()
    from wslgpu.kubernetes.check_model import exit_code
    from wslgpu.kubernetes.plan import chosen, make_plan
    from wslgpu.kubernetes.text import plan_lines

    if not names and not files:
        raise UsageError("nothing is named", "NAME", "Give the names of workloads, or --file.")
    chosen(names)
    own = [_own(file) for file in files]
    with place(options) as where:
        plans = make_plan(where.kubectl, where.settings, names, own, images=not offline)
    code = exit_code(one for plan in plans for one in plan.judgements)
    if as_json:
        _show({"workloads": [plan.as_json() for plan in plans], "exit_code": code})
    else:
        _lines([line for plan in plans for line in plan_lines(plan)])
    ctx.exit(code)


@click.command("apply")
@NAMES
@where_options
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0, 7200), default=WAIT_S, show_default=True, help="Seconds; 0: do not."
)
@click.option("--restore", is_flag=True, help="Put back what was edited on the cluster by hand.")
@click.option("--force", is_flag=True, help="Apply in spite of warnings; never what cannot run or is not wslgpu's.")
@click.option("--offline", is_flag=True, help="Do not ask registries for the images' digests.")
def apply(
    names: tuple[str, ...],
    wait_s: float,
    restore: bool,
    force: bool,
    offline: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Render workloads from what the cluster says, check them, apply them, and wait until they are ready."""
    require_clone()
    from wslgpu.kubernetes.apply import apply_plans, require_applicable, wait_for_node
    from wslgpu.kubernetes.plan import chosen, make_plan
    from wslgpu.kubernetes.text import plan_lines

    chosen(names)
    with place(options) as where:
        plans = wait_for_node(
            lambda: make_plan(where.kubectl, where.settings, names, images=not offline), wait_s, _progress
        )
        for plan in plans:
            for line in plan_lines(plan):
                _progress(line)
        require_applicable(plans, force=force, restore=restore)
        done = apply_plans(where.kubectl, plans, _progress, wait_s=wait_s)
    if as_json:
        _show({"workloads": [plan.as_json() for plan in plans], "applied": done.as_json(), "exit_code": EXIT_OK})
        return
    for name, end in done.done.items():
        click.echo(f"{name}: {end}")
    if done.waited is not None:
        click.echo(f"ready after {done.waited.seconds:.0f} s")


@click.command("diff")
@NAMES
@where_options
@click.pass_context
def diff(ctx: click.Context, /, names: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """What on the cluster is not as it would be rendered now: 0 nothing, 1 something, 2 nobody can tell."""
    require_clone()
    from wslgpu.kubernetes.check_model import Verdict
    from wslgpu.kubernetes.drift import State
    from wslgpu.kubernetes.plan import chosen, make_plan
    from wslgpu.kubernetes.text import drift_lines, judgement_lines

    chosen(names)
    with place(options) as where:
        plans = make_plan(where.kubectl, where.settings, names, images=False)
    refused = [one for plan in plans for one in plan.judgements if one.id == "rendering"]
    same = (State.SAME, State.FOREIGN_SAME)
    differs = any(one.state not in same for plan in plans for one in plan.drifts)
    code = EXIT_FAILED if differs or any(one.verdict is Verdict.REFUSED for one in refused) else EXIT_OK
    if as_json:
        objects = [one.as_json() for plan in plans for one in plan.drifts]
        _show({"objects": objects, "refused": [one.as_json() for one in refused], "exit_code": code})
    else:
        for plan in plans:
            click.echo(f"{plan.name}:")
            _lines(list(drift_lines(plan.drifts)))
        _lines([line for one in refused for line in judgement_lines(one)])
    ctx.exit(code)


@click.command("remove")
@NAMES
@where_options
@click.option("--data", is_flag=True, help="Its claims and volumes too, with what is on them.")
def remove(names: tuple[str, ...], data: bool, as_json: bool, **options: Any) -> None:
    """Take workloads off the cluster: what is wslgpu's. Claims and volumes stay unless --data is given."""
    require_clone()
    from wslgpu.kubernetes.plan import chosen
    from wslgpu.kubernetes.remove import remove as take_off

    ordered = reversed(chosen(names))
    with place(options) as where:
        removed = {name: take_off(where.kubectl, name, _progress, data=data) for name in ordered}
    if as_json:
        _show({"workloads": {name: one.as_json() for name, one in removed.items()}, "exit_code": EXIT_OK})
        return
    for name, one in removed.items():
        click.echo(f"{name}: {len(one.gone)} removed" if one.gone else f"{name}: nothing of it is there")
        for who, why in one.kept.items():
            click.echo(f"  {who} stays: {why}")


COMMANDS: tuple[click.Command, ...] = (check, apply, diff, remove, chain)


def add_to(group: click.Group) -> None:
    """Put the commands into ``wslgpu workload``."""
    for command in COMMANDS:
        group.add_command(command)


def _own(file: Path) -> Rendered:
    """Somebody's own manifests, as one workload of the file's name.

    :raises UsageError: it is too long to be one
    :raises DataError: not YAML, or no Kubernetes objects
    """
    from wslgpu.workloads.manifest import parse
    from wslgpu.workloads.model import Rendered

    if file.stat().st_size > FILE_LIMIT_BYTES:
        raise UsageError("is longer than 1 MiB", str(file), "Give a file with manifests.")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError("is no UTF-8 text", str(file), "Give a file with manifests.") from error
    found = parse(text, str(file))
    flat = [one for item in found for one in (item.get("items") or [] if item["kind"] == "List" else [item])]
    return Rendered(str(file), "kubernetes", {}, tuple(one for one in flat if isinstance(one, dict)))


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _lines(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line)


def _show(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"schema": 1, **document}, indent=2, ensure_ascii=False))
