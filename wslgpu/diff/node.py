"""One node against its manifest, or two against each other: asked in one round trip each, judged here."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

from wslgpu.diff.compare import compare
from wslgpu.diff.drift import drift, since
from wslgpu.diff.read import TREE_DEADLINE_S, ask, ask_each, snapshots
from wslgpu.diff.reasons import load_reasons
from wslgpu.diff.rows import Diff, rows_of
from wslgpu.diff.tree import Snapshot, TreePackage, TreePath
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.facts.script import SCRIPTS
from wslgpu.lab.places import lab_root
from wslgpu.lock.force import of_lab
from wslgpu.lock.load import digest_of, load_lock, lock_file
from wslgpu.lock.model import Lock
from wslgpu.manifest.claims import words
from wslgpu.manifest.load import parse
from wslgpu.manifest.model import MANIFEST, Manifest
from wslgpu.manifest.state import NodeState
from wslgpu.manifest.state_text import parse_node_state
from wslgpu.node_script import command_line
from wslgpu.probe.channels import Target

NODE_STATE = SCRIPTS / "node_state.sh"
DEADLINE_S = 120.0


def states(targets: Sequence[Target], timeout_s: float = DEADLINE_S) -> list[NodeState]:
    """What each node says of itself.

    :raises WslgpuError: one could not be read whole
    """
    return ask(targets, state_payload(), _state, timeout_s)


def states_or_errors(targets: Sequence[Target], timeout_s: float | None = None) -> list[NodeState | WslgpuError]:
    """As :func:`states`, with the error in the place of a node that could not be read."""
    return ask_each(targets, state_payload(), _state, timeout_s or DEADLINE_S)


def state_payload() -> bytes:
    """What ``sh -s`` is given: node_state.sh as root, told all claims and the paths that the node's manifest names."""
    # an earlier data_dir, a claim of an earlier version, or another namespace of images is named by the manifest alone
    asked = command_line(NODE_STATE, (*words(), "with=log", "with=whole"))
    path, namespace = 's/^ *"(\\/[^"\\\\]*)": \\{$/path=\\1/p', 's/^ *"(namespace)": "([A-Za-z0-9._-]+)",?$/\\1=\\2/p'
    listing = f"sed -nE -e '{path}' -e '{namespace}' {MANIFEST} 2>/dev/null | sort -u"
    return (
        'as_root=; [ "$(id -u)" = 0 ] || as_root="sudo -n"\n'
        f"$as_root true || exit\nset -f\nold=$IFS\nIFS='\n'\nset -- $($as_root {listing})\nIFS=$old\nset +f\n"
        f'date "+offset %z"; $as_root {asked} "$@"\n'
    ).encode()


def _state(raw: bytes, where: str) -> NodeState:
    lines = raw.decode("utf-8", "replace").splitlines()
    state = parse_node_state(lines)
    if not state.complete:
        raise WslgpuError(
            "the answer was cut off", where, "Run it again; look at the node's load.", ErrorClass.PLATFORM, True
        )
    offset = next((line[7:] for line in lines if line.startswith("offset ")), "+0000")
    return replace(state, package_log=tuple(_in_utc(line, offset) for line in state.package_log))


def _in_utc(line: str, offset: str) -> str:
    """A line of dpkg's log, which is in the node's local time, with its time in UTC.

    The node's offset of now is taken for all: a line of before a change of the clocks is an hour off.
    """
    try:
        moment = datetime.datetime.strptime(f"{line[:19]} {offset}", "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return line
    return f"{moment.astimezone(datetime.timezone.utc):%Y-%m-%d %H:%M:%S}{line[19:]}"


def manifest_of(state: NodeState, where: str) -> Manifest:
    """The node's manifest.

    :raises UsageError: there is none that may be read
    :raises DataError: it is damaged
    :raises NewerToolError: a newer wslgpu wrote it
    """
    place = f"{where}: {MANIFEST}"
    if state.manifest_kind != "file" or state.manifest is None:
        what = {
            "none": "there is no manifest: wslgpu put nothing there, or lost its records",
            "link": "a symbolic link stands in the manifest's place, and is not followed",
            "unreadable": "the manifest cannot be read",
        }.get(state.manifest_kind, "what stands in the manifest's place is no file")
        raise UsageError(what, place, "`wslgpu apply` writes one; `wslgpu diff A B --all` compares nodes without.")
    return parse(state.manifest, place)


def lock_in_force(lab: str | None = None) -> tuple[Lock, str] | None:
    """The lock that deploys would use, with its digest; None where there is none.

    :param lab: name of the lab whose nodes are meant: it has a lock of its own, or none
    """
    path = lock_file() if lab is None else of_lab(lab_root() / lab)
    return None if path is None else (load_lock(path)[0], digest_of(path))


def node_diff(target: Target, state: NodeState, lock: tuple[Lock, str] | None, moment: str = "") -> Diff:
    """One node against its own manifest.

    :param moment: RFC 3339: only what came then or later
    """
    manifest = manifest_of(state, target.name)
    rows = drift(manifest, state, lock)
    if moment:
        rows = since(rows, manifest, state, moment)
    locks = sorted({part.lock for part in manifest.components.values()} - {""})
    basis = f"what wslgpu {manifest.tool_version} put there until {manifest.at}"
    if locks:
        basis += f", from lock {', '.join(lock[:19] for lock in locks)}"
    if moment:
        basis += f"; since {moment}, or nobody knows when"
    return Diff(target.name, "", basis, tuple(rows))


def pair_diff(first: Target, second: Target, *, everything: bool, timeout_s: float | None = None) -> Diff:
    """Two nodes against each other: what manifests name and all packages, or with ``everything`` whole trees.

    :raises WslgpuError: one could not be read, or has no manifest where that is needed
    """
    reasons = load_reasons("nodes")
    if everything:
        one, other = snapshots((first, second), timeout_s=timeout_s or TREE_DEADLINE_S)
        basis = "everything on their own disks"
    else:
        found = states((first, second), timeout_s or DEADLINE_S)
        names = {path for state, target in zip(found, (first, second), strict=True) for path in _named(state, target)}
        one, other = (as_snapshot(state, names) for state in found)
        basis = "what wslgpu put there, and all packages, users and groups"
    result = compare(one, other, reasons)
    allowed = tuple((difference.name, reason.id) for difference, reason in result.allowed)
    return Diff(first.name, second.name, basis, rows_of(result), allowed)


def _named(state: NodeState, target: Target) -> set[str]:
    manifest = manifest_of(state, target.name)
    return {path for part in manifest.components.values() for path in part.files}


def as_snapshot(state: NodeState, names: set[str]) -> Snapshot:
    """A node's answer as a small snapshot, of these paths."""
    return Snapshot(
        distribution=state.distribution,
        paths={
            path: TreePath(entry.kind, entry.mode, entry.owner, entry.sha256, entry.target)
            for path, entry in sorted(state.entries.items())
            if path in names
        },
        packages={
            name: TreePackage(package.version, package.status, package.automatic, package.held)
            for name, package in sorted(state.packages.items())
        },
        units=dict(state.units),
        users={name: str(number) for name, number in state.users.items()},
        groups={name: str(number) for name, number in state.groups.items()},
        images={name: image.digest for name, image in state.images.items()},
    )
