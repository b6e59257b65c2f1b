"""`wslgpu lab`: up, list, drivers, ssh, exec, down."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from wslgpu.errors import ErrorClass
from wslgpu.lab import host, persona, root, state
from wslgpu.lab.errors import LabError
from wslgpu.lab.lab import Lab, LabSpec
from wslgpu.lab.lab import down as take_down
from wslgpu.names import did_you_mean
from wslgpu.project import require_clone

NAME = click.option("--name", default="default", show_default=True, help="Which lab.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")


def _persona_list() -> str:
    lines = [f"  {entry.name:24}{entry.summary}" for entry in persona.PERSONAS.values()]
    return "\b\nPersonas:\n" + "\n".join(lines)


def _progress() -> Callable[[str], None]:
    """Steps with the seconds since the start, on stderr: stdout is for results."""
    start = time.monotonic()
    return lambda message: click.echo(f"[{time.monotonic() - start:6.1f} s] {message}", err=True)


def _scenario(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    """A name of ``scenarios.SCENARIOS``, which is read only when somebody asks for one; empty for none."""
    if value is None:
        return ""
    from wslgpu.lab.stand_ins.scenarios import SCENARIOS

    if value in SCENARIOS:
        return value
    meant = did_you_mean(value, SCENARIOS)
    raise click.BadParameter(f"no driver scenario is called {value!r}. {meant}`wslgpu lab drivers` lists them all.")


def _scenarios(_context: click.Context, _option: click.Parameter, start: str) -> list[CompletionItem]:
    from wslgpu.lab.stand_ins.scenarios import SCENARIOS

    wsl2 = {name: entry for name, entry in SCENARIOS.items() if entry.platform == "wsl2"}
    return [CompletionItem(name, help=entry.imitates) for name, entry in wsl2.items() if name.startswith(start)]


@click.group(name="lab")
def lab() -> None:
    """Disposable nodes to try things on: real Linux machines in the shape of a WSL2 distro.

    They need root, run on this machine only, and have no GPU: the driver is a stand-in, and says so.
    """
    require_clone()


@lab.command(epilog=_persona_list())
@NAME
@click.option("--nodes", type=click.IntRange(1, 50), default=1, show_default=True, help="How many nodes.")
@click.option(
    "--persona",
    "persona_name",
    type=click.Choice(list(persona.PERSONAS)),
    default="wsl2",
    show_default=True,
    metavar="PERSONA",
    help="What they pretend to be; listed below.",
)
@click.option(
    "--driver",
    metavar="SCENARIO",
    callback=_scenario,
    shell_complete=_scenarios,
    help="What the stand-in driver answers: pinned-limit-512m or another of `lab drivers`.  [default: the persona's]",
)
@click.option(
    "--base", type=click.Choice(root.BASES), default="trixie", show_default=True, help="Debian release of the nodes."
)
@click.option(
    "--cgroup",
    type=click.Choice(["v1", "v2"]),
    help="cgroup version inside the nodes; WSL has v2.  [default: v2; v1 with --kubernetes]",
)
@click.option(
    "--kind",
    type=click.Choice(["node", "fresh"]),
    default="node",
    show_default=True,
    help="node: ready to be provisioned; fresh: a bare Debian with git and make.",
)
@click.option(
    "--toolkit-debs",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Serve these NVIDIA Container Toolkit packages in place of the stand-ins.",
)
@click.option(
    "--kubernetes",
    is_flag=True,
    help="Make the node the control plane of a genuine Kubernetes 1.20.2, compiled the first time (minutes).",
)
@click.option(
    "--device-plugin",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --kubernetes: the program nvidia-device-plugin, for the registry's images in place of the stand-in.",
)
@click.option(
    "--image",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.wsl",
    help="Make the nodes from an image, as WSL makes a distro of one.",
)
@click.option(
    "--lock",
    "with_lock",
    is_flag=True,
    help="Also lock what its nodes get, and keep the locked packages in a repository of the lab (seconds more).",
)
@JSON
def up(
    name: str,
    nodes: int,
    persona_name: str,
    driver: str,
    base: str,
    cgroup: str | None,
    kind: str,
    toolkit_debs: Path | None,
    kubernetes: bool,
    device_plugin: Path | None,
    image: Path | None,
    with_lock: bool,
    as_json: bool,
) -> None:
    """Make a lab; the first time it fetches a Debian root (half a minute), then it takes seconds."""
    present = _present(name)
    if present is not None:
        wanted = {
            "nodes": nodes,
            "persona": persona_name,
            "driver": driver,
            "base": base,
            "cgroup": cgroup,
            "kind": kind,
        }
        plugin = str(device_plugin.resolve()) if device_plugin else ""
        wsl = str(image.resolve()) if image else ""
        _require_the_same(present, {**wanted, "kubernetes": kubernetes, "device_plugin": plugin, "image": wsl})
        if with_lock and not present.lock_file.exists():
            raise LabError(
                what=f"lab {name!r} is there already, without a lock",
                where="--lock",
                next_step=f"wslgpu lock --lab {name} makes one; or wslgpu lab down --name {name}, then up again",
                error_class=ErrorClass.USAGE,
            )
        if as_json:
            click.echo(json.dumps(present.describe()))
        else:
            click.echo(f"lab {name!r} is up already, {len(present.nodes)} node(s) of persona {present.state.persona}")
        return
    spec = LabSpec(
        name=name,
        nodes=nodes,
        persona=persona_name,
        driver=driver,
        base=base,
        cgroup=cgroup or "",
        kind=kind,
        toolkit_debs=toolkit_debs,
        kubernetes=kubernetes,
        device_plugin=device_plugin,
        image=image,
        lock=with_lock,
    )
    progress = _progress()
    made = Lab.up(spec, progress)
    if as_json:
        click.echo(json.dumps(made.describe()))
        return
    for node in made.nodes:
        progress(f"{node.name} is up at {node.address}")
    for lack in made.persona.missing:
        progress(f"not as on the real machine: {lack}")
    if kubernetes:
        progress(f"Kubernetes answers at {made.kubernetes.server}; kubeconfig: {made.kubernetes.kubeconfig}")
        click.echo(f"lab {name!r} is up. Next: wslgpu apply lab --lab {name}, which joins its node to its cluster")
        return
    click.echo(f"lab {name!r} is up. Next: wslgpu lab ssh --name {name}; wslgpu lab down --name {name}")


def _require_the_same(present: Lab, wanted: dict[str, object]) -> None:
    """A lab that is there is left as it is: what was asked for by an option must be so already."""
    given = click.get_current_context().get_parameter_source
    names = {"persona": "persona_name"}
    has = {**{key: getattr(present.state, key) for key in wanted if key != "nodes"}, "nodes": len(present.nodes)}
    for key, value in wanted.items():
        if given(names.get(key, key)) is ParameterSource.COMMANDLINE and has[key] != value:
            raise LabError(
                what=f"lab {present.name!r} is there already, with {key} {has[key]}, not {value}",
                where=f"--{key.replace('_', '-')}",
                next_step=f"Choose another --name, or take it down first: wslgpu lab down --name {present.name}",
                error_class=ErrorClass.USAGE,
            )


def _present(name: str) -> Lab | None:
    """The lab if it is there and works; LabError if it is there and does not."""
    host.require_root()
    with state.lab_lock(name):  # another `up` of the same lab may be at work: wait for its end
        if not state.directory_of(name).exists():
            return None
        try:
            present = Lab.load(name)
            healthy = present.healthy
        except LabError:
            healthy = False
    if healthy:
        return present
    raise LabError(
        what=f"lab {name!r} is there, but something of it does not run",
        where=str(state.directory_of(name)),
        next_step=f"wslgpu lab down --name {name}, then up again",
        error_class=ErrorClass.USAGE,
    )


@lab.command(name="list")
@JSON
def list_labs(as_json: bool) -> None:
    """Show all labs of this machine and whether they work."""
    host.require_root()
    found = []
    for name in state.names():
        try:
            found.append(Lab.load(name).describe())
        except LabError as error:
            found.append({"name": name, "healthy": False, "problem": str(error), "nodes": []})
    if as_json:
        click.echo(json.dumps(found))
        return
    if not found:
        click.echo("no labs. Make one: wslgpu lab up")
    for entry in found:
        health = "works" if entry["healthy"] else f"broken: wslgpu lab down --name {entry['name']}"
        if not entry.get("complete", True):
            health = "being made, or was never finished"
        click.echo(f"{entry['name']:16} {entry.get('persona', '?'):24} {health}")
        if entry.get("kubernetes"):
            click.echo(f"  {'Kubernetes':14} {entry['kubernetes']['server']:24} {entry['kubernetes']['version']}")
        for node in entry["nodes"]:
            click.echo(f"  {node['name']:14} {node['address']:24} {'running' if node['running'] else 'stopped'}")


@lab.command()
@JSON
def drivers(as_json: bool) -> None:
    """List what the stand-in driver can be made to answer: scenarios for `lab up --driver`."""
    from wslgpu.lab.stand_ins.scenarios import SCENARIOS

    wsl2 = {name: entry.imitates for name, entry in SCENARIOS.items() if entry.platform == "wsl2"}
    if as_json:
        click.echo(json.dumps([{"name": name, "imitates": imitates} for name, imitates in wsl2.items()]))
        return
    for name, imitates in wsl2.items():
        click.echo(f"{name:28} {imitates}")


@lab.command(context_settings={"ignore_unknown_options": True})
@NAME
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[NODE] [-- CMD...]")
def ssh(name: str, words: tuple[str, ...]) -> None:
    """Log in to a node (node1 unless named), or run CMD there over ssh.

    CMD of one word is a line for the node's shell; several words are one program and its arguments.
    """
    host.require_root()
    found = Lab.load(name)
    names = {node.name for node in found.nodes}
    # click swallows the '--': a first word that is a node's name names it, all else is the command
    node_name, command = (words[0], words[1:]) if words and words[0] in names else (found.nodes[0].name, words)
    line = command if len(command) < 2 else (shlex.join(command),)
    argv = found.node(node_name).ssh_argv(*line, tty=not command and os.isatty(0))
    raise SystemExit(subprocess.run(argv, check=False).returncode)


@lab.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@NAME
@click.argument("node_name", metavar="NODE")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="CMD...")
def execute(name: str, node_name: str, command: tuple[str, ...]) -> None:
    """Run CMD in a node from outside: works when its ssh or network does not.

    CMD of one word is a line for the node's shell; several words are one program and its arguments.
    """
    host.require_root()
    words = list(command[1:] if command[0] == "--" else command)
    if not words:
        raise click.UsageError("name a command")
    argv = Lab.load(name).node(node_name).nsenter_argv(words if len(words) > 1 else ["sh", "-c", words[0]])
    raise SystemExit(subprocess.run(argv, check=False).returncode)


@lab.command()
@click.option("--name", default=None, help="Which lab.  [default: default]")
@click.option("--all", "every", is_flag=True, help="Every lab of this machine.")
def down(name: str | None, every: bool) -> None:
    """Remove a lab with everything of it; also after a crash, and as often as you like."""
    if every and name is not None:
        raise click.UsageError("--all and --name exclude each other")
    host.require_root()
    progress = _progress()
    wanted = state.names() if every else [name or "default"]
    for entry in wanted:
        gone = take_down(entry, progress)
        click.echo(f"lab {entry!r} is gone" if gone else f"there is no lab {entry!r}: nothing to do")
    if not wanted:
        click.echo("no labs: nothing to do")
