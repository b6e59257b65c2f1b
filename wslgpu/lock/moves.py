"""What moves from one lock to another, where that is described, and what the catalogue then expects. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from wslgpu.catalogue.load import Catalogue
from wslgpu.catalogue.model import Platform
from wslgpu.errors import UsageError
from wslgpu.lock.model import Lock, LockedDistribution, LockedPackage
from wslgpu.pins import Strict, Url
from wslgpu.probe.document import SCHEMA, Level, Observation, Observations, ProbeRun, Status, View
from wslgpu.verdict.evaluate import evaluate
from wslgpu.verdict.expectation import Place, expectation_for
from wslgpu.yaml_source import load_yaml, validate

CHANGELOGS_FILE = Path(__file__).parent / "changelogs.yml"
DEPENDENCY = "dependencies"
"""What a package counts as that no component asks for by name."""
COMPONENTS = (
    "base",
    "containerd",
    "container_toolkit",
    "cuda_images",
    "device-plugin",
    "vllm",
    "kubernetes",
    "mesa_dozen",
    "ffmpeg",
    "python",
    "sources",
)


class _Changelogs(Strict):
    schema_version: Annotated[Literal[1], Field(alias="schema")]
    components: dict[Literal[COMPONENTS], list[Url]]  # type: ignore[valid-type]


def changelogs(path: Path = CHANGELOGS_FILE) -> Mapping[str, list[str]]:
    """Component -> addresses.

    :raises DataError: anything wrong in the file, by file and line
    """
    return validate(_Changelogs, load_yaml(path)).components


@dataclass(frozen=True)
class Move:
    """One thing whose version or content differs; ``old`` or ``new`` is empty where it is not there."""

    component: str
    what: str
    old: str
    new: str


def moves(old: Lock, new: Lock) -> list[Move]:
    """Every difference that a node or a build would see, sorted by component and name."""
    found = [*_packages(old, new)]
    for name, before, after in _differing(old.images, new.images):
        component = (after or before).used_by[0]
        found.append(Move(component, name, before.digest if before else "", after.digest if after else ""))
    for name, before, after in _differing(old.artifacts, new.artifacts):
        component = name.replace("-", "_")
        found.append(Move(component, f"artifact {name}", _digest(before), _digest(after)))
    for name, before, after in _differing(old.downloads, new.downloads):
        found.append(Move(_owner(name), name, before.sha256 if before else "", after.sha256 if after else ""))
    for name, before, after in _differing(old.python, new.python):
        found.append(Move("python", name, before or "", after or ""))
    for name, before, after in _differing(old.manifests, new.manifests):
        found.append(Move("workloads", name, before or "", after or ""))
    return sorted(found, key=lambda move: (move.component, move.what))


def _packages(old: Lock, new: Lock) -> Iterator[Move]:
    empty = LockedDistribution(indexes=[], packages={})
    for distribution in sorted({*old.distributions, *new.distributions}):
        before = old.distributions.get(distribution, empty).packages
        after = new.distributions.get(distribution, empty).packages
        for name, one, other in _differing(before, after):
            row: LockedPackage = other or one
            if one and other and one.version == other.version and one.sha256 == other.sha256:
                continue
            component = row.components[0] if row.components else DEPENDENCY
            same = one and other and one.version == other.version
            texts = [
                f"{each.version}{f' ({each.sha256[:12]})' if same else ''}" if each else "" for each in (one, other)
            ]
            yield Move(component, f"{name} ({distribution})", *texts)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)


def _digest(row: Any) -> str:
    return row.digest if row else ""


def _owner(download: str) -> str:
    """The component that a download is of."""
    return {"container-toolkit-key": "container_toolkit", "k3s": "kubernetes"}.get(download, "sources")


def only(old: Lock, new: Lock, component: str) -> Lock:
    """The old lock, with what ``component`` asks for, and what that needs, as in the new one.

    :raises UsageError: there is no such component, or its inputs differ, which only a whole new lock can have
    """
    if component not in COMPONENTS:
        raise UsageError(
            f"there is no component {component!r} in a lock", "--upgrade", f"One of {', '.join(COMPONENTS)}."
        )
    if old.inputs != new.inputs or old.profile != new.profile:
        raise UsageError(
            "the data ask for something else than the lock was made for", "--upgrade", "Make it anew: wslgpu lock"
        )
    parts = {}
    for distribution, part in new.distributions.items():
        before = old.distributions.get(distribution)
        parts[distribution] = part if before is None else _joined(before, part, component)
    setting = component.replace("_", "-")
    return old.model_copy(
        update={
            "tool_version": new.tool_version,
            "distributions": {**old.distributions, **parts},
            "images": {
                name: new.images[name] if name in new.images and component in new.images[name].used_by else row
                for name, row in old.images.items()
            },
            "artifacts": {
                **{name: row for name, row in old.artifacts.items() if name != setting},
                **{name: row for name, row in new.artifacts.items() if name == setting},
            },
            "downloads": {
                **{name: row for name, row in old.downloads.items() if _owner(name) != component},
                **{name: row for name, row in new.downloads.items() if _owner(name) == component},
            },
            "python": new.python if component == "python" else old.python,
            "manifests": {
                name: new.manifests.get(name, text) if component in name else text
                for name, text in old.manifests.items()
            },
        }
    )


def _joined(old: LockedDistribution, new: LockedDistribution, component: str) -> LockedDistribution:
    """The closure of the component's packages from ``new``, all else from ``old``; indexes that nobody names go."""
    names = tuple(name for name, row in new.packages.items() if component in row.components)
    # of the minimal system too: it may be needed at the very version that goes with the component's
    moved = new.closure(names, base=True)
    indexes = [*old.indexes, *new.indexes]
    rows = dict(old.packages)
    for name in moved:
        rows[name] = new.packages[name].model_copy(update={"index": len(old.indexes) + new.packages[name].index})
    # what only the component's old packages needed goes with them
    wanted = tuple(name for name, row in rows.items() if row.components or row.base)
    kept = set(LockedDistribution(indexes=indexes, packages=rows).closure(wanted))
    kept |= {name for name, row in rows.items() if row.base}
    used = sorted({indexes.index(indexes[rows[name].index]) for name in kept})
    packages = {
        name: rows[name].model_copy(update={"index": used.index(indexes.index(indexes[rows[name].index]))})
        for name in sorted(kept)
    }
    return LockedDistribution(indexes=[indexes[number] for number in used], packages=packages)


def versions_of(lock: Lock) -> dict[str, str | None]:
    """What a lock fixes of the catalogue's ``derived.versions``; of several distributions the first."""
    found: dict[str, str | None] = {
        "vllm": str(lock.inputs.get("vllm_version", "")) or None,
        "plugin": str(lock.inputs.get("device_plugin_version", "")) or None,
    }
    names = {"toolkit": "nvidia-container-toolkit", "containerd": "containerd", "runc": "runc", "podman": "podman"}
    for part in lock.distributions.values():
        for name, package in names.items():
            if package in part.packages:
                found.setdefault(name, part.packages[package].version)
    return found


@dataclass(frozen=True)
class Expects:
    """A row of the catalogue that is expected, or judged, otherwise with the new versions."""

    capability: str
    title: str
    old: str
    new: str


def expectations(old: Lock, new: Lock, catalogue: Catalogue) -> list[Expects]:
    """The catalogue's rows whose expectation on WSL2, or whose condition on versions alone, is another one."""
    before, after = versions_of(old), versions_of(new)
    found = []
    for capability in catalogue.capabilities.values():
        words = []
        for versions in (before, after):
            row = expectation_for(capability, Place(Platform.WSL2, versions))
            holds = evaluate(capability.works, _document(versions)).holds
            met = {True: ", met", False: ", not met", None: ""}[holds]
            words.append(f"{row.expect.value if row else 'nothing expected'}{met}")
        if words[0] != words[1]:
            found.append(Expects(capability.id, capability.title, *words))
    return found


def _document(versions: Mapping[str, str | None]) -> Observations:
    """A document in which nothing is known but versions."""
    run = ProbeRun(level=Level.QUICK, view=View.NODE, interpreter="none", started=0.0, duration_s=0.0, cpu_s=0.0, uid=0)
    seen = Observation(status=Status.OBSERVED, value=dict(versions))
    return Observations(schema=SCHEMA, probe=run, observations={"derived.versions": seen})
