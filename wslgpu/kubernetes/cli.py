"""``wslgpu workload check|apply|diff|remove|chain``: the side of a workload that talks to a cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_FAILED, EXIT_OK, UsageError
from wslgpu.kubernetes.options import Seconds, place, where_options
from wslgpu.project import require_clone
from wslgpu.settings import Settings

NAMES = click.argument("names", nargs=-1, required=True, metavar="NAME...")
WAIT_S = 180
POD_WAIT_S = 90


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
    if options["context"]:
        # the node answers for itself, and half of what it asks goes by the kubeconfig's own choice
        step = "Make it the current one: kubectl config use-context NAME; or name the node with --on."
        raise UsageError("chain follows the kubeconfig's current context", "--context", step)
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
    from wslgpu.kubernetes.own import read
    from wslgpu.kubernetes.plan import chosen, make_plan
    from wslgpu.kubernetes.text import plan_lines

    if not names and not files:
        raise UsageError("nothing is named", "NAME", "Give the names of workloads, or --file.")
    chosen(names)
    own = [read(file) for file in files]
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
    "--wait",
    "wait_s",
    type=Seconds(0, 7200),
    show_default=f"{WAIT_S}, or as long as vLLM's model may load and FFmpeg's job may take",
    help="For how long; 0: do not.",
)
@click.option("--restore", is_flag=True, help="Put back what was edited on the cluster by hand.")
@click.option("--force", is_flag=True, help="Apply in spite of warnings; never what cannot run or is not wslgpu's.")
@click.option("--prune", is_flag=True, help="Also remove what earlier data left of them; never what holds data.")
@click.option("--offline", is_flag=True, help="Do not ask registries for the images' digests.")
def apply(
    names: tuple[str, ...],
    wait_s: float | None,
    restore: bool,
    force: bool,
    prune: bool,
    offline: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Render workloads from what the cluster says, check them, apply them, and wait until they are ready.

    They are applied in the order of `list`; what needs a GPU waits for a device plugin that is named with it.
    """
    require_clone()
    from wslgpu.kubernetes.apply import Allowed, apply_all
    from wslgpu.kubernetes.plan import chosen, make_plan
    from wslgpu.kubernetes.text import plan_lines

    ordered = chosen(names)
    with place(options) as where:
        plans, done = apply_all(
            where.kubectl,
            lambda some: make_plan(where.kubectl, where.settings, some, images=not offline),
            ordered,
            Allowed(force, restore, prune),
            lambda plan: _progress("\n".join(plan_lines(plan))),
            _progress,
            wait_s=_longest(where.settings, ordered) if wait_s is None else wait_s,
            node_s=WAIT_S if wait_s is None else wait_s,
        )
    if as_json:
        _show({"workloads": [plan.as_json() for plan in plans], "applied": done.as_json(), "exit_code": EXIT_OK})
        return
    for name, end in done.done.items():
        click.echo(f"{name}: {end}")
    for name in done.pruned:
        click.echo(f"{name}: removed")
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
    from wslgpu.kubernetes.text import drift_lines, judgement_lines, leftover_lines

    chosen(names)
    with place(options) as where:
        plans = make_plan(where.kubectl, where.settings, names, images=False)
    refused = [one for plan in plans for one in plan.judgements if one.id in ("rendering", "leftovers")]
    same = (State.SAME, State.FOREIGN_SAME)
    differs = any(one.state not in same for plan in plans for one in plan.drifts)
    differs = differs or any(not one.stays for plan in plans for one in plan.leftovers)
    unknown = any(one.verdict is Verdict.REFUSED for one in refused)
    code = EXIT_FAILED if differs else EXIT_CANNOT_JUDGE if unknown else EXIT_OK
    if as_json:
        objects = [one.as_json() for plan in plans for one in plan.drifts]
        left = [one.as_json() for plan in plans for one in plan.leftovers]
        said = [one.as_json() for one in refused]
        _show({"objects": objects, "leftovers": left, "refused": said, "exit_code": code})
    else:
        for plan in plans:
            click.echo(f"{plan.name}:")
            _lines([*drift_lines(plan.drifts), *leftover_lines(plan.leftovers)])
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


def _longest(settings: Settings, names: Sequence[str]) -> float:
    """Seconds until the slowest of the workloads is ready, or done, by the data."""
    slow = {"vllm": settings.vllm_load_timeout_s, "ffmpeg-job": settings.ffmpeg_job_deadline_s}
    return max([WAIT_S, *(slow[name] for name in names if name in slow)])


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _lines(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line)


def _show(document: dict[str, Any]) -> None:
    click.echo(json.dumps({"schema": 1, **document}, indent=2, ensure_ascii=False))
