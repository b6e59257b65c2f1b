"""``wslgpu diff``: parses, calls, prints."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
from collections.abc import Iterator
from pathlib import Path

import click

from wslgpu.check.files import require_file_place, write_whole
from wslgpu.check.options import asked
from wslgpu.check.targets import targets
from wslgpu.command_options import json_option
from wslgpu.diff.rows import Diff
from wslgpu.diff.text import document, lines
from wslgpu.errors import EXIT_CANNOT_JUDGE, EXIT_FAILED, EXIT_OK, UsageError, WslgpuError
from wslgpu.probe.channels import Kind, Target

_FIRST_YEAR = 2016
_CHANNELS = (Kind.LOCAL, Kind.SSH, Kind.WSL)


@click.command()
@click.argument("node", nargs=-1)
@click.option("--inventory", metavar="NAME|FILE", help="NODE is a host of this: local, lab, fleet, a file.")
@click.option("--lab", metavar="NAME", help="NODE is a node of this lab.")
@click.option("--since", metavar="DATE", help="Only what came then or later: 2026-05-01, or with a time as RFC 3339.")
@click.option("--all", "everything", is_flag=True, help="Of two nodes compare all paths, units and accounts.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write one HTML page.")
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds for each node.")
@json_option
@click.pass_context
def diff(
    ctx: click.Context,
    node: tuple[str, ...],
    inventory: str | None,
    lab: str | None,
    since: str | None,
    everything: bool,
    html: Path | None,
    timeout: float | None,
    as_json: bool,
) -> None:
    """What differs between NODE and what wslgpu put there, or between two nodes.

    \b
    One NODE, or none:  each node against its own manifest, and the lock in force
    NODE NODE:          the two against each other

    NODE is local (when none is given), a host, ssh://[USER@]HOST[:PORT] or wsl://DISTRO; with --inventory or --lab it
    is a host of that, and all of them when none is given. Nothing is changed. Contents are never shown.

    Ends with 0 when all is the same, 1 when something differs, 2 when that cannot be told.
    """
    if len(node) > 2:
        raise UsageError(f"{len(node)} nodes are given", "NODE", "Give one, or two to hold them against each other.")
    if since and len(node) == 2:
        raise UsageError("--since is for one node: no file of two tells which was first", "--since", "Name one node.")
    if everything and len(node) != 2:
        raise UsageError("--all compares two nodes", "--all", "Name two nodes.")
    if html is not None:
        require_file_place(html)
    moment = moment_of(since) if since else ""
    if inventory == "lab" and lab is None:
        # as inventory/lab.py chooses it
        lab = os.environ.get("WSLGPU_LAB", "default")
    with _targets(node, inventory, lab) as found:
        if len(node) == 2:
            diffs, errors = _pair(found, everything=everything, timeout_s=timeout)
        else:
            diffs, errors = _each(found, lab, moment=moment, timeout_s=timeout)
    code = exit_code(diffs, errors)
    if html is not None:
        from wslgpu.diff.html import as_html

        write_whole(html, as_html(diffs, [(name, error.as_json()) for name, error in errors]))
    if as_json:
        objects = [(name, error.as_json()) for name, error in errors]
        click.echo(json.dumps(document(diffs, objects, code), indent=2))
    else:
        for one in diffs:
            click.echo("\n".join(lines(one)))
        for _, error in errors:
            click.echo(f"wslgpu: cannot tell: {error}", err=True)
        if any(not one.same and not one.other for one in diffs):
            click.echo(
                "`wslgpu apply` puts back what is wslgpu's, and leaves what you have added to files that it shares with"
                " you; --dry says first what it would do."
            )
    ctx.exit(code)


def exit_code(diffs: list[Diff], errors: list[tuple[str, WslgpuError]]) -> int:
    """1 comes before 2, and 2 before 0."""
    if any(not one.same for one in diffs):
        return EXIT_FAILED
    return EXIT_CANNOT_JUDGE if errors or not diffs else EXIT_OK


def moment_of(text: str) -> str:
    """A date, or date and time, as RFC 3339 in UTC; without an offset it is meant in UTC.

    :raises UsageError: it is neither
    """
    try:
        moment = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise UsageError(f"{text[:40]!r} is no date", "--since", "Write 2026-05-01 or 2026-05-01T12:00:00Z.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    if moment.year < _FIRST_YEAR:
        raise UsageError(
            f"{text[:40]!r} is before there was WSL", "--since", "Write 2026-05-01 or 2026-05-01T12:00:00Z."
        )
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.contextmanager
def _targets(words: tuple[str, ...], inventory: str | None, lab: str | None) -> Iterator[tuple[Target, ...]]:
    """The nodes meant, in the order named."""
    inside = inventory is not None or lab is not None
    with targets(asked(() if inside else words, inventory, lab, words if inside else ())) as found:
        for target in found:
            if target.kind not in _CHANNELS:
                raise UsageError(f"{target.name} is a container, no node", "NODE", "Name the node that it runs on.")
        if inside and words:
            found = tuple(sorted(found, key=lambda target: words.index(target.name) if target.name in words else 0))
        if len(words) == 2 and len(found) != 2:
            names = ", ".join(target.name for target in found)
            raise UsageError(f"two nodes are to be named, and these are meant: {names}", "NODE", "Name two hosts.")
        yield found


_Compared = tuple[list[Diff], list[tuple[str, WslgpuError]]]


def _pair(found: tuple[Target, ...], *, everything: bool, timeout_s: float | None) -> _Compared:
    from wslgpu.diff.node import pair_diff

    try:
        return [pair_diff(found[0], found[1], everything=everything, timeout_s=timeout_s)], []
    except WslgpuError as error:
        return [], [(error.where.partition(": ")[0] or found[0].name, error)]


def _each(found: tuple[Target, ...], lab: str | None, *, moment: str, timeout_s: float | None) -> _Compared:
    """Each against its own manifest.

    :param lab: of which they are nodes
    """
    from wslgpu.diff.node import lock_in_force, node_diff, states_or_errors

    lock = lock_in_force(lab)
    diffs: list[Diff] = []
    errors: list[tuple[str, WslgpuError]] = []
    for target, state in zip(found, states_or_errors(found, timeout_s), strict=True):
        try:
            if isinstance(state, WslgpuError):
                raise state
            diffs.append(node_diff(target, state, lock, moment))
        except WslgpuError as error:
            errors.append((target.name, error))
    return diffs, errors
