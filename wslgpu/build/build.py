"""One build, from its pins to a stored artifact: what is decided before anything is compiled."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from wslgpu.build import ccache, history, machine, root
from wslgpu.build.access import Access
from wslgpu.build.errors import named_trouble
from wslgpu.build.finish import finish
from wslgpu.build.key import BuildKey, build_key
from wslgpu.build.licence import licence_of
from wslgpu.build.places import cache_dir, store_dir
from wslgpu.build.plan import Plan, make_plan
from wslgpu.build.progress import Progress, last_words
from wslgpu.build.record import ArtifactRecord
from wslgpu.build.request import BuildRequest as BuildRequest
from wslgpu.build.request import Context
from wslgpu.build.stages import Stages, steps_of
from wslgpu.build.work import locked_work
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.settings import Settings
from wslgpu.store.folder import Store

LOGS_KEPT = 100


def build(name: str, settings: Settings, options: BuildRequest) -> ArtifactRecord:
    """The artifact of a row: from the store where it has the key, else built, proven and stored.

    :raises DataError: the row, its recipe or its pins are wrong
    :raises UsageError: this machine cannot build
    :raises WslgpuError: it went wrong; ``where`` names the log
    """
    plan = make_plan(name, settings, recipes=options.recipes, site=options.site)
    licence_of(plan.recipe, plan.options, plan.sources)
    machine.require_machine(cache_dir())
    store = Store(options.store or store_dir())
    progress = Progress(options.out, len(steps_of(plan.recipe)), options.prefix, options.verbose)
    with named_trouble("preparing the build", cache_dir()):
        log = new_log(name)
        needed = plan.recipe.disk_bytes
        if options.fresh_root or root.existing(plan.recipe.base, plan.packages) is None:
            needed += machine.ROOT_BYTES
        machine.require_room(cache_dir(), needed, f"building {name}")
    with clean_root_of(plan, settings, options, progress, log) as clean_root:
        key = key_of(plan, clean_root)
        if (stored := stored_artifact(store, plan, key)) and not options.again:
            progress.say(f"{stored.name} is in the store already: same key, nothing to build")
            log.unlink(missing_ok=True)
            return stored
        with locked_work(name, key.hex, progress.say) as (work, waited):
            stored = stored_artifact(store, plan, key)
            if waited and stored and not options.again:
                progress.say(f"{stored.name} is in the store now: the other builder made it")
                return stored
            machine.require_writable(store.path, "the store")
            state = "off" if options.again or not options.ccache else ccache.state(plan.recipe.name)
            progress.say(f"building {name}, key {key.hex[:12]}: {estimate(plan, state)}; log: {log}")
            now = datetime.now(timezone.utc)
            context = Context(plan, settings, options, clean_root, key, work, store, progress, log, state, now)
            return finish(context, Stages(context).run(), stored)


def key_of(plan: Plan, clean_root: root.BuildRoot) -> BuildKey:
    """The key that a plan has with this root."""
    return build_key(plan.build, plan.recipe, plan.options, plan.sources, plan.folder, clean_root.packages)


def estimate(plan: Plan, ccache_state: str) -> history.Estimate:
    """How long the build will take, and where that comes from."""
    return history.estimate(plan.recipe.name, plan.name, plan.recipe.estimate_s, ccache_state)


def new_log(name: str) -> Path:
    """An empty log file of a build; the oldest ones go.

    :raises OSError: it cannot be made
    """
    folder = cache_dir() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)[:-LOGS_KEPT]:
        old.unlink(missing_ok=True)
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    log = folder / f"{name}-{stamp}Z.log"
    log.touch()
    return log


def stored_artifact(store: Store, plan: Plan, key: BuildKey) -> ArtifactRecord | None:
    """The stored artifact of the key, its bytes compared; one that is corrupted is set aside, and so is not there."""
    for record in store.find(plan.name, key.hex):
        try:
            store.open_archive(record)
        except WslgpuError as error:
            if error.error_class is not ErrorClass.INTEGRITY:
                raise
            continue
        return record
    return None


@contextlib.contextmanager
def clean_root_of(
    plan: Plan, settings: Settings, options: BuildRequest, progress: Progress, log: Path
) -> Iterator[root.BuildRoot]:
    """The clean root of a plan as a step, made if it is not there.

    :raises WslgpuError: it could not be made
    """
    with contextlib.ExitStack() as stack:
        with (
            progress.step("root", f"the clean Debian {plan.recipe.base} root", lambda: last_words(log, 0)),
            named_trouble("making the clean root", cache_dir()),
        ):
            entered = root.build_root(
                plan.recipe.base,
                plan.packages,
                log,
                fresh=options.fresh_root,
                access=Access.of(settings),
                needed_by=f"the recipe {plan.recipe.name}",
                progress=progress.doing,
            )
            clean_root = stack.enter_context(entered)
        yield clean_root
