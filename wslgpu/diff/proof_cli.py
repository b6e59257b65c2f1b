"""``wslgpu rebuild-proof``: parses, calls, prints."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import click

from wslgpu.command_options import json_option
from wslgpu.diff.compare import Difference
from wslgpu.diff.proof import EARLIER_TOOLKIT, Pair, Proof, ProofSpec, prove
from wslgpu.diff.text import counted
from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_FAILED, EXIT_OK, WslgpuError
from wslgpu.project import require_clone
from wslgpu.report.plain import clean

SHOWN = 40


@click.command("rebuild-proof")
@click.option("--name", metavar="NAME", help="Name of the lab that is made for it.")
@click.option("--base", default="trixie", show_default=True, help="Distribution of the nodes.")
@click.option(
    "--earlier",
    default=EARLIER_TOOLKIT,
    show_default=True,
    metavar="VERSION",
    help="Toolkit that the third node begins with.",
)
@click.option("--no-upgrade", is_flag=True, help="Two nodes only.")
@click.option("--keep", is_flag=True, help="Leave the lab for a look at it.")
@json_option
@click.pass_context
def rebuild_proof(
    ctx: click.Context, name: str | None, base: str, earlier: str, no_upgrade: bool, keep: bool, as_json: bool
) -> None:
    """Prove that one lock makes the same node again: needs root, makes lab nodes and takes them down.

    Two nodes are made from nothing, one after the other, under different names, their components in different orders;
    a third gets an earlier toolkit first, and is upgraded. All paths, packages, units, users, groups, images and
    manifests are compared. Equal but for a short list, each with its reason: 0. Different: 1. No answer: 2.
    """
    require_clone()
    spec = ProofSpec(name or f"proof-{os.getpid()}", base, "" if no_upgrade else earlier, keep)
    began = time.monotonic()

    def progress(line: str) -> None:
        click.echo(f"[{time.monotonic() - began:6.1f} s] {line}", err=True)

    try:
        proof = prove(spec, progress)
    except WslgpuError as error:
        click.echo(f"wslgpu: cannot tell: {error}", err=True)
        if as_json:
            click.echo(json.dumps({"schema": 1, "error": error.as_json(), "exit_code": EXIT_CANNOT_JUDGE}, indent=2))
        ctx.exit(EXIT_CANNOT_JUDGE)
    if as_json:
        click.echo(json.dumps(document(proof), indent=2))
    else:
        click.echo("\n".join(lines(proof)))
    if keep:
        click.echo(f"The lab stays: wslgpu diff node1 node2 --all --lab {spec.lab}; wslgpu lab down --name {spec.lab}")
    ctx.exit(EXIT_OK if proof.proven else EXIT_FAILED)


def lines(proof: Proof) -> Iterator[str]:
    """The proof in words."""
    nodes = len(proof.pairs) + 1
    word = "are the same" if proof.proven else "are NOT the same"
    yield f"{nodes} nodes from one lock ({proof.lock[:19]}...) {word}"
    yield f"{proof.paths} paths and {proof.packages} packages on each were compared"
    for pair in proof.pairs:
        yield from _pair_lines(pair)
    yield "took " + ", ".join(f"{seconds:.0f} s ({what})" for what, seconds in proof.seconds)


def _pair_lines(pair: Pair) -> Iterator[str]:
    result = pair.comparison
    number = counted(len(result.differences), "difference")
    yield f"{pair.first} and {pair.second} ({pair.how}): {number} without a reason"
    for one in result.differences[:SHOWN]:
        yield f"  {difference_words(one)}"
    if len(result.differences) > SHOWN:
        yield f"  and {len(result.differences) - SHOWN} more: --json shows all"
    for identifier, why in {reason.id: reason.why for _, reason in result.allowed}.items():
        count = sum(reason.id == identifier for _, reason in result.allowed)
        yield f"  may differ: {identifier} ({count}): {why}"
    if result.unused:
        yield f"  reasons that nothing needed here: {', '.join(reason.id for reason in result.unused)}"


def difference_words(one: Difference) -> str:
    """One difference of two nodes."""
    name = clean(one.name, 200)
    if one.change == "changed":
        return f"{one.section} {name}: {clean(one.first, 300)} | {clean(one.second, 300)}"
    return f"{one.section} {name}: only on the {'second' if one.change == 'added' else 'first'}"


def document(proof: Proof) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "schema": 1,
        "proven": proof.proven,
        "lock": proof.lock,
        "paths": proof.paths,
        "packages": proof.packages,
        "pairs": [
            {
                "first": pair.first,
                "second": pair.second,
                "how": pair.how,
                "differences": [_difference(one) for one in pair.comparison.differences],
                "allowed": [{**_difference(one), "reason": reason.id} for one, reason in pair.comparison.allowed],
                "unused_reasons": [reason.id for reason in pair.comparison.unused],
            }
            for pair in proof.pairs
        ],
        "seconds": {what: round(seconds, 1) for what, seconds in proof.seconds},
        "exit_code": EXIT_OK if proof.proven else EXIT_FAILED,
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "section": one.section,
        "name": one.name,
        "change": one.change,
        "what": list(one.what),
        "first": one.first,
        "second": one.second,
    }
