"""The steps of a build that compile: sources, unpack, and the recipe's phases in the sandbox."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build import ccache, environment
from wslgpu.build.access import Access
from wslgpu.build.archive import unpack
from wslgpu.build.errors import BuildError, count_words, disk_full, named_trouble, size_words
from wslgpu.build.fetch import fetch
from wslgpu.build.limits import Group, Jobs, available_bytes, build_group, choose_jobs, cores, memory_limit
from wslgpu.build.progress import last_words
from wslgpu.build.recipe import Recipe
from wslgpu.build.request import Context
from wslgpu.build.sandbox import Bind, Ended, Sandbox
from wslgpu.build.work import (
    give_to_user,
    keep_inner_logs,
    lay_out,
    newest_time,
    patch_command,
    require_applied,
)
from wslgpu.errors import WslgpuError

COMPILE = "compile"
_ERROR = re.compile(r"\berror\b|\bERROR\b|FAILED|not found", re.IGNORECASE)


def steps_of(recipe: Recipe) -> tuple[str, ...]:
    """All steps of a build, in order."""
    return ("root", "sources", "unpack", *recipe.phases, "prove", "pack", "store")


@dataclass(frozen=True)
class Ran:
    """What is known after the last phase.

    :param epoch: SOURCE_DATE_EPOCH
    :param jobs: with which it went through
    :param ccache: ``cold``, ``warm``, or ``off`` where it was not used in the end
    """

    epoch: int
    jobs: int
    ccache: str


class Stages:
    """The compiling part of one build. ``/out`` is full at the end, and nobody has looked at it yet."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._plan, self._work, self._progress, self._log = context.plan, context.work, context.progress, context.log
        available = available_bytes()
        self._limit = memory_limit(available)
        self._jobs = choose_jobs(self._plan.recipe.memory_per_job_bytes, available, cores(), context.request.jobs)
        self._ccache = context.ccache
        self._epoch = 0

    def run(self) -> Ran:
        """All steps.

        :raises WslgpuError: one went wrong; what the recipe's script said stands in the log
        """
        files = self._fetch()
        with build_group(self._limit, self._jobs.processes) as group:
            self._note_limits(group)
            self._unpack(files, group)
            self._try_ccache(group)
            try:
                for phase in self._plan.recipe.phases:
                    self._phase(phase, group)
            except BuildError:
                keep_inner_logs(self._work, self._log)
                raise
        return Ran(self._epoch, self._jobs.count, self._ccache)

    def _fetch(self) -> dict[str, Path]:
        context, pins = self._context, self._plan.sources
        with self._progress.step("sources", count_words(len(pins), "source")):
            access = Access.of(context.settings)
            folders = context.request.folders
            return {
                role: fetch(pin, folders=folders, progress=self._progress.doing, access=access)
                for role, pin in pins.items()
            }

    def _unpack(self, files: dict[str, Path], group: Group) -> None:
        sources = self._work.folder("sources")
        with self._progress.step("unpack", "sources"), named_trouble("unpacking the sources", self._work.path.parent):
            lay_out(self._work, self._plan)
            for role, file in files.items():
                self._progress.doing(f"{role} ({file.name})")
                if self._plan.recipe.roles[role].form == "file":
                    shutil.copyfile(file, sources / role)
                else:
                    unpack(file, sources / role)
            date_from = sources / self._plan.recipe.source_date
            self._epoch = newest_time(date_from)
            give_to_user(sources)
            for role, names in self._plan.patches.items():
                for name in names:
                    self._progress.doing(f"{name} on {role}")
                    ended = self._in_sandbox(patch_command(role, name), group, ccache_state="off")
                    require_applied(ended, role, name, self._log)

    def _try_ccache(self, group: Group) -> None:
        """Leave out a cache that cannot be used."""
        if self._ccache == "off":
            return
        place = ccache.folder(self._plan.recipe.name)
        try:
            ccache.make(self._plan.recipe.name)
        except OSError as error:
            self._without_ccache(f"{place}: {error.strerror}")
            return
        ended = self._in_sandbox(["sh", "-c", ccache.TRIED], group)
        if not ended.ok:
            said = (ended.tail.strip().splitlines() or ["it gave no reason"])[-1]
            self._without_ccache(f"{place}: {said}")

    def _without_ccache(self, why: str) -> None:
        self._ccache = "off"
        self._progress.say(f"warning: the compiler cache cannot be used, so the build runs without it ({why})")

    def _phase(self, phase: str, group: Group) -> None:
        begin = self._log.stat().st_size
        with self._progress.step(phase, self._plan.name, lambda: last_words(self._log, begin)):
            ended = self._script(phase, group)
            if phase == COMPILE and not ended.ok and self._ccache != "off" and ccache.BROKEN.search(ended.tail):
                self._without_ccache("it failed in the middle of the build")
                ended = self._script(phase, group)
            if phase == COMPILE and ended.killed_for_memory and self._jobs.count > 1:
                halved = self._jobs.count // 2
                count = count_words(self._jobs.count, "job")
                self._progress.say(f"{phase} was killed for memory with {count}; once more with {halved}")
                self._jobs = Jobs(halved, "after a kill for memory")
                ended = self._script(phase, group)
        if not ended.ok:
            raise self._failure(phase, ended)

    def _script(self, phase: str, group: Group) -> Ended:
        with self._log.open("a") as handle:
            handle.write(f"== {phase}, {self._jobs.count} jobs ({self._jobs.reason}), ccache {self._ccache}\n")
        return self._in_sandbox(["sh", "-eu", f"{environment.RECIPE}/build.sh", phase], group)

    def _in_sandbox(self, command: Sequence[str], group: Group, ccache_state: str = "") -> Ended:
        plan, binds, cached = self._plan, self._work.binds(), (ccache_state or self._ccache) != "off"
        if cached:
            binds.append(Bind(ccache.folder(plan.recipe.name), environment.CCACHE, writable=True))
        variables = environment.variables(
            plan.build, plan.options, jobs=self._jobs.count, epoch=self._epoch, ccache=cached
        )
        sandbox = Sandbox(self._context.root.path, binds, group, self._jobs.processes)
        with named_trouble("running the sandbox", self._log):
            return sandbox.run(command, variables, self._log)

    def _note_limits(self, group: Group) -> None:
        lines = [f"jobs: {self._jobs.count} ({self._jobs.reason})"]
        if "memory" in group.folders:
            lines.append(f"memory: at most {size_words(self._limit)}")
        lines += [f"not limited: {reason}" for reason in group.missing]
        with named_trouble("writing the log", self._log), self._log.open("a") as handle:
            handle.writelines(f"== {line}\n" for line in lines)
        if self._jobs.count < cores() and self._context.request.jobs is None:
            self._progress.say(f"{count_words(self._jobs.count, 'job')}: {self._jobs.reason}")

    def _failure(self, phase: str, ended: Ended) -> WslgpuError:
        log = str(self._log)
        if ended.disk_full:
            return disk_full(f"{phase} of {self._plan.name} (log: {log})", self._work.path.parent)
        if ended.killed_for_memory:
            limit = f"{size_words(self._limit)} for {count_words(self._jobs.count, 'job')}"
            what = f"{phase} of {self._plan.name} was killed for memory: it had {limit}"
            step = "Close other programs, give WSL more memory (.wslconfig, [wsl2] memory), or say --jobs 1."
            return BuildError(what, log, step)
        lines = [line.strip() for line in ended.tail.splitlines() if line.strip()]
        telling = [line for line in lines if _ERROR.search(line)] or lines[-1:] or ["it said nothing"]
        what = f"{phase} of {self._plan.name} failed with status {ended.rc}: {telling[0][:300]}"
        return BuildError(what, log, "The log has the whole of it; nothing was stored.")
