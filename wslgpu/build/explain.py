"""What a build would be, without building: its key, what is stored, what changed, and what would be done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.build import ccache, environment, history, machine, root
from wslgpu.build.build import clean_root_of, estimate, key_of, new_log
from wslgpu.build.errors import count_words, named_trouble, size_words
from wslgpu.build.fetch import is_cached
from wslgpu.build.key import BuildKey, differences
from wslgpu.build.limits import Jobs, available_bytes, choose_jobs, cores
from wslgpu.build.origins import origins
from wslgpu.build.places import cache_dir, store_dir
from wslgpu.build.plan import Plan
from wslgpu.build.progress import Progress
from wslgpu.build.request import BuildRequest
from wslgpu.build.stages import steps_of
from wslgpu.errors import DataError
from wslgpu.pins import UNRESOLVED
from wslgpu.settings import Settings
from wslgpu.store.folder import Store

SHOWN = 40


@dataclass(frozen=True)
class Explanation:
    """What ``wslgpu build --explain`` says.

    :param key: None where it cannot be known, ``unknown`` then says why
    :param stored: name of the artifact in the store with this key
    :param compared_with: the youngest stored artifact of the build, which the changes are told against
    """

    name: str
    key: BuildKey | None
    unknown: str
    stored: str
    compared_with: str
    changes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        key = {"key": self.key.hex, "key_parts": self.key.parts} if self.key else {"key": None, "unknown": self.unknown}
        rest = {"stored": self.stored, "compared_with": self.compared_with, "changes": list(self.changes)}
        return {"build": self.name, **key, **rest}

    def lines(self) -> list[str]:
        if self.key is None:
            return [f"{self.name}: the key cannot be known: {self.unknown}"]
        lines = [f"{self.name}: key {self.key.hex}"]
        if self.stored:
            return [*lines, f"  in the store: {self.stored}; nothing would be built"]
        if not self.compared_with:
            return [*lines, "  not in the store, and no other artifact of this build is"]
        lines.append(f"  not in the store; compared with {self.compared_with}:")
        lines += [f"    {change}" for change in self.changes[:SHOWN]]
        left = len(self.changes) - SHOWN
        return [*lines, f"    and {left} more (--json has all)"] if left > 0 else lines


def explain(plan: Plan, clean_root: root.BuildRoot | None, store: Store) -> Explanation:
    """The key, and what is different from the youngest artifact of this build in the store.

    :param clean_root: None: there is none yet, so the versions in it are not known
    """
    key, unknown = None, "there is no clean root yet, whose packages are part of it"
    if clean_root is not None:
        try:
            key = key_of(plan, clean_root)
        except DataError as error:
            unknown = error.what
    known = store.find(plan.name)
    if key is None or not known:
        return Explanation(plan.name, key, "" if key else unknown, "", "", ())
    same = [record.name for record in known if record.key == key.hex]
    youngest = known[0]
    changes = () if same else tuple(differences(youngest.key_parts, key.parts))
    return Explanation(plan.name, key, "", same[0] if same else "", youngest.name, changes)


def explain_with_root(plan: Plan, settings: Settings, request: BuildRequest) -> Explanation:
    """As :func:`explain`; root makes the clean root first where there is none, everybody else has to do without.

    :raises WslgpuError: it could not be made
    """
    store = Store(store_dir())
    if os.geteuid() != 0:
        return explain(plan, root.existing(plan.recipe.base, plan.packages), store)
    machine.require_machine(cache_dir())
    with named_trouble("preparing the clean root", cache_dir()):
        log = new_log(f"{plan.name}-explain")
    progress = Progress(request.out, 1, f"{plan.name} ", request.verbose)
    with clean_root_of(plan, settings, request, progress, log) as clean_root:
        return explain(plan, clean_root, store)


@dataclass(frozen=True)
class DryRun:
    """What ``wslgpu build --dry`` says."""

    plan: Plan
    explanation: Explanation
    sources: tuple[dict[str, Any], ...]
    root: str
    jobs: Jobs
    estimate: history.Estimate

    def as_json(self) -> dict[str, Any]:
        return {
            **self.explanation.as_json(),
            "recipe": self.plan.recipe.name,
            "base": self.plan.recipe.base,
            "options": dict(self.plan.options),
            "sources": list(self.sources),
            "root": self.root,
            "packages": list(self.plan.packages),
            "steps": list(steps_of(self.plan.recipe)),
            "jobs": {"count": self.jobs.count, "reason": self.jobs.reason},
            "estimate_s": self.estimate.seconds,
            "estimate_source": self.estimate.source,
            "not_seen": self.plan.build.not_seen,
        }

    def lines(self) -> list[str]:
        plan = self.plan
        options = ", ".join(f"{name} {environment.option_value(value)}" for name, value in plan.options.items())
        lines = self.explanation.lines()
        lines.append(f"  recipe {plan.recipe.name} on Debian {plan.recipe.base}" + (f"; {options}" if options else ""))
        for source in self.sources:
            state = "in the cache" if source["cached"] else f"from {'; '.join(source['origins'])}"
            if source["sha256"] == UNRESOLVED:
                state = f"has no hash yet, so it cannot be used; {state}"
            size = size_words(source["size_bytes"])
            lines.append(f"  source {source['role']}: {source['name']} {source['version']}, {size}, {state}")
        lines.append(f"  clean root: {self.root}; {len(plan.packages)} build packages")
        lines.append(f"  steps: {', '.join(steps_of(plan.recipe))}")
        lines.append(f"  {count_words(self.jobs.count, 'job')} ({self.jobs.reason}); {self.estimate}")
        return [*lines, f"  not built by this project yet: {plan.build.not_seen}"] if plan.build.not_seen else lines


def dry_run(plan: Plan, store: Store, folders: Sequence[Path], jobs: int | None, *, with_ccache: bool) -> DryRun:
    """Everything that can be said without fetching and making anything."""
    kept = root.existing(plan.recipe.base, plan.packages)
    sources = tuple(
        {
            "role": role,
            "name": pin.name,
            "version": pin.version,
            "file": pin.file,
            "sha256": pin.sha256,
            "size_bytes": pin.size_bytes,
            "verified": pin.verified,
            "cached": is_cached(pin),
            "origins": [origin.label for origin in origins(pin, folders)],
        }
        for role, pin in plan.sources.items()
    )
    return DryRun(
        plan,
        explain(plan, kept, store),
        sources,
        str(kept.path) if kept else "would be made",
        choose_jobs(plan.recipe.memory_per_job_bytes, available_bytes(), cores(), jobs),
        estimate(plan, ccache.state(plan.recipe.name) if with_ccache else "off"),
    )
