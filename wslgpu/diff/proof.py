"""Proof that the same lock makes the same node: several nodes from nothing, compared path by path.

::

    one lab, one lock
      first      deploy.py's own order
      second     another order, as far as it is free, later, under another name
      upgraded   by way of a lock with an earlier toolkit, then to the same lock
    trees, packages, units, accounts, images and manifests are equal, but for reasons.yml
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from wslgpu.apply.parent import ApplyRequest, run_apply
from wslgpu.check.targets import Asked, targets
from wslgpu.diff.compare import Comparison, Difference, compare
from wslgpu.diff.node import manifest_of, states
from wslgpu.diff.read import snapshots
from wslgpu.diff.reasons import Comparing, load_reasons
from wslgpu.diff.tree import Snapshot
from wslgpu.errors import EXIT_OK, WslgpuError
from wslgpu.host_files import write_atomically
from wslgpu.lab import Lab, LabSpec, down
from wslgpu.lock.load import digest_of
from wslgpu.lock.model import LOCK_VARIABLE
from wslgpu.manifest.model import Manifest
from wslgpu.probe.channels import in_inventory
from wslgpu.project import PROJECT_ROOT

OTHER_ORDER = (
    "preflight",
    "base",
    "wsl",
    "ffmpeg",
    "mesa_dozen",
    "containerd",
    "cuda_images",
    "container_toolkit",
    "video_cdi",
    "vllm",
    "kubernetes",
)
"""Every component after what it needs (containerd, then the toolkit, then what uses both), else unlike deploy.py."""
EARLIER_TOOLKIT = "1.18.1-1"
"""The toolkit of the profile ``reference``: its CDI spec is made by wslgpu, and that of newer ones by NVIDIA's unit."""
FIRST, SECOND, UPGRADED = "node1", "node2", "node3"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Pair:
    """Two nodes held against each other.

    :param how: how the second came about
    """

    first: str
    second: str
    how: str
    comparison: Comparison


@dataclass(frozen=True)
class Proof:
    """The outcome.

    :param lock: digest of the lock that all nodes were made from
    :param paths: how many paths a node has; ``packages`` likewise
    :param seconds: how long each step took, by name
    """

    lock: str
    paths: int
    packages: int
    pairs: tuple[Pair, ...]
    seconds: tuple[tuple[str, float], ...]

    @property
    def proven(self) -> bool:
        return all(pair.comparison.same for pair in self.pairs)


@dataclass(frozen=True)
class ProofSpec:
    """What is asked for.

    :param lab: the lab's name; it must not be there yet
    :param earlier: version of the toolkit that the third node begins with; empty: no third node
    :param keep: leave the lab for a look at it
    :param owner_pid: as in :class:`wslgpu.lab.LabSpec`
    """

    lab: str
    base: str = "trixie"
    earlier: str = EARLIER_TOOLKIT
    keep: bool = False
    owner_pid: int | None = None


def prove(spec: ProofSpec, progress: Progress) -> Proof:
    """Make the nodes, compare them, and take them down again.

    :raises WslgpuError: a node could not be made, provisioned or read
    """
    clock = _Clock(progress)
    made = False
    try:
        nodes = 3 if spec.earlier else 2
        with clock.step(f"lab {spec.lab} with {nodes} nodes and a lock"):
            lab = Lab.up(
                LabSpec(name=spec.lab, nodes=nodes, base=spec.base, lock=True, owner_pid=spec.owner_pid), progress
            )
            made = True
        return _proof(lab, spec, clock)
    finally:
        if made and not spec.keep:
            down(spec.lab, progress)


def _proof(lab: Lab, spec: ProofSpec, clock: _Clock) -> Proof:
    if spec.earlier:
        with _earlier(lab, spec.earlier, clock), clock.step(f"{UPGRADED}: provisioned with toolkit {spec.earlier}"):
            _apply(lab, UPGRADED)
    with clock.step(f"{FIRST}: provisioned in deploy.py's order"):
        _apply(lab, FIRST)
    with clock.step(f"{SECOND}: provisioned in another order"):
        _apply(lab, SECOND, only=OTHER_ORDER)
    if spec.earlier:
        with clock.step(f"{UPGRADED}: upgraded to the lock"):
            _apply(lab, UPGRADED)
    with clock.step("all nodes read whole"):
        found = _read(lab)
    one = found[FIRST].tree
    pairs = [_pair(found, SECOND, "rebuild", "made later, in another order")]
    if spec.earlier:
        pairs.append(_pair(found, UPGRADED, "upgrade", f"upgraded from toolkit {spec.earlier}"))
    return Proof(digest_of(lab.lock_file), len(one.paths), len(one.packages), tuple(pairs), tuple(clock.seconds))


@contextlib.contextmanager
def _earlier(lab: Lab, version: str, clock: _Clock) -> Iterator[None]:
    """Meanwhile the lab's data and lock are those of an earlier toolkit."""
    from wslgpu.lock.resolve import nodes, resolve
    from wslgpu.lock.text import lock_text
    from wslgpu.settings import load

    kept = {path: path.read_text(encoding="utf-8") for path in (lab.site_file, lab.lock_file)}
    try:
        with clock.step(f"a lock with toolkit {version}"):
            data = {**yaml.safe_load(kept[lab.site_file]), "container_toolkit_version": version}
            write_atomically(lab.site_file, yaml.safe_dump(data, sort_keys=False))
            machines = nodes([in_inventory(FIRST, lab.ssh_config)], clock.progress)
            write_atomically(lab.lock_file, lock_text(resolve(load(lab.site_file), machines, clock.progress)))
        yield
    finally:
        for path, text in kept.items():
            write_atomically(path, text)


def _apply(lab: Lab, node: str, only: tuple[str, ...] = ()) -> None:
    """One node, by the lab's data and lock as they are.

    :raises WslgpuError: what went wrong first
    """
    request = ApplyRequest(
        PROJECT_ROOT / "inventory" / "lab.py",
        only=only,
        limit=(node,),
        site=lab.site_file,
        environment=(("WSLGPU_LAB", lab.name), (LOCK_VARIABLE, str(lab.lock_file))),
    )
    result = run_apply(request)
    if result.exit_code != EXIT_OK:
        errors = [*([result.error] if result.error else []), *(error for host in result.hosts for error in host.errors)]
        raise errors[0] if errors else WslgpuError("could not be provisioned", node, "Run it again.")


@dataclass(frozen=True)
class _Found:
    tree: Snapshot
    manifest: Manifest


def _read(lab: Lab) -> dict[str, _Found]:
    place = (PROJECT_ROOT / "inventory" / "lab.py", (("WSLGPU_LAB", lab.name),))
    with targets(Asked(inventory=place)) as all_of_them:
        trees = snapshots(all_of_them)
        manifests = [
            manifest_of(state, target.name) for target, state in zip(all_of_them, states(all_of_them), strict=True)
        ]
        names = [target.name for target in all_of_them]
    return {name: _Found(tree, manifest) for name, tree, manifest in zip(names, trees, manifests, strict=True)}


def compared(lab: Lab, second: str) -> Pair:
    """The first node and another as they are now.

    :raises WslgpuError: one could not be read
    """
    return _pair(_read(lab), second, "rebuild", "as it is now")


def _pair(found: dict[str, _Found], second: str, comparing: Comparing, how: str) -> Pair:
    reasons = load_reasons(comparing)
    comparison = compare(found[FIRST].tree, found[second].tree, reasons)
    extra = manifest_differences(found[FIRST].manifest, found[second].manifest)
    return Pair(FIRST, second, how, replace(comparison, differences=(*comparison.differences, *extra)))


def manifest_differences(first: Manifest, second: Manifest) -> tuple[Difference, ...]:
    """What two manifests say differently, but for when and by whom.

    A folder that several components use is written down with the one that made it: folders are compared together.
    """
    found = []
    for name in sorted({*first.components, *second.components}):
        found += _differing(name, _said(first, name), _said(second, name))
    return (*found, *_differing("folders", _folders(first), _folders(second)))


def _differing(name: str, one: dict[str, Any], other: dict[str, Any]) -> list[Difference]:
    what = tuple(key for key in {**one, **other} if one.get(key) != other.get(key))
    words = [", ".join(_short(key, said.get(key)) for key in what) for said in (one, other)]
    return [Difference("manifest", name, "changed", what, *words)] if what else []


def _said(manifest: Manifest, name: str) -> dict[str, Any]:
    """What is said of a component, each file and package on its own."""
    part = manifest.components.get(name)
    if part is None:
        return {}
    said = part.model_dump(mode="json", exclude={"at", "tool_version"})
    flat = {key: value for key, value in said.items() if not isinstance(value, dict)}
    for key, table in said.items():
        if isinstance(table, dict):
            flat |= {f"{key} {item}": value for item, value in table.items() if not _is_folder(value)}
    return flat


def _folders(manifest: Manifest) -> dict[str, Any]:
    return {
        path: entry.model_dump(mode="json")
        for part in manifest.components.values()
        for path, entry in part.files.items()
        if entry.kind == "directory"
    }


def _is_folder(value: object) -> bool:
    return isinstance(value, dict) and value.get("kind") == "directory"


def _short(key: str, value: Any) -> str:
    text = f"{key} {value}"
    return text if len(text) <= 160 else f"{text[:157]}..."


class _Clock:
    """Says what is being done, and keeps how long it took."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.seconds: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        self.progress(what)
        began = time.monotonic()
        yield
        self.seconds.append((what, time.monotonic() - began))
