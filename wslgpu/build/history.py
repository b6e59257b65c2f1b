"""How long builds took on this machine, for estimates that are worth something."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from wslgpu.build.errors import count_words
from wslgpu.build.places import cache_dir
from wslgpu.host_files import write_atomically

KEPT = 20


@dataclass(frozen=True)
class Run:
    """One build that came to its end.

    :param ended: seconds since 1970
    :param ccache: ``cold``: nothing of this recipe was there; ``warm``; ``off``
    """

    build: str
    ended: int
    duration_s: float
    jobs: int
    ccache: str
    steps: dict[str, float]


def _file(recipe: str) -> Path:
    return cache_dir() / "history" / f"{recipe}.json"


def runs(recipe: str) -> list[Run]:
    """The last builds of a recipe here, the youngest first; a file that is no history is none."""
    try:
        rows = json.loads(_file(recipe).read_text())
        return [Run(**row) for row in rows]
    except (OSError, ValueError, TypeError):
        return []


def remember(recipe: str, run: Run) -> None:
    """Write down one build. Where that cannot be done, the next estimate is worse, and nothing else."""
    rows = [asdict(entry) for entry in (run, *runs(recipe))][:KEPT]
    path = _file(recipe)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(rows, indent=1) + "\n")


@dataclass(frozen=True)
class Estimate:
    """How long a build will take, and where that comes from."""

    seconds: float
    source: str

    def __str__(self) -> str:
        return f"about {duration_words(self.seconds)} ({self.source})"


def estimate(recipe: str, build: str, recipe_s: float, ccache: str) -> Estimate:
    """From the last like build on this machine: same row and state of ccache, else same row, else the recipe's guess.

    A build from a warm ccache says little about one from a cold, so that is the first thing that must be alike.
    """
    past = [run for run in runs(recipe) if run.build == build]
    alike = [run for run in past if run.ccache == ccache] or ([] if ccache != "warm" else past)
    if not alike:
        return Estimate(recipe_s, "the recipe's guess for two cores; not measured on this machine yet")
    last = alike[0]
    day = time.strftime("%Y-%m-%d", time.localtime(last.ended))
    return Estimate(last.duration_s, f"measured here on {day}, {count_words(last.jobs, 'job')}, ccache {last.ccache}")


def duration_words(seconds: float) -> str:
    """``45 s``, ``2 min 5 s``, ``1 h 3 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
