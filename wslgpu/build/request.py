"""What a build is asked to do, and what all its steps share."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TextIO

from wslgpu.build.key import BuildKey
from wslgpu.build.plan import Plan
from wslgpu.build.progress import Progress
from wslgpu.build.root import BuildRoot
from wslgpu.build.work import Work
from wslgpu.settings import Settings
from wslgpu.store.folder import Store


@dataclass(frozen=True)
class BuildRequest:
    """How to build.

    :param jobs: compilers at once; None: as many as cores and memory allow
    :param folders: where sources may lie already, besides the cache
    :param again: build although the key is stored, without ccache, and compare
    :param recipes: a folder with recipes of one's own
    :param site: the site file that the settings came from, for messages
    :param prefix: what stands before each line of progress
    :param store: where the artifact is kept; None: the user's store
    """

    jobs: int | None = None
    folders: tuple[Path, ...] = ()
    ccache: bool = True
    fresh_root: bool = False
    again: bool = False
    recipes: Path | None = None
    site: Path | None = None
    verbose: bool = False
    prefix: str = ""
    store: Path | None = None
    out: TextIO = field(default_factory=lambda: sys.stderr)


@dataclass(frozen=True)
class Context:
    """One build that really runs.

    :param ccache: state of the recipe's cache at the start: ``cold``, ``warm``, or ``off`` where it is not used
    :param started: in UTC
    """

    plan: Plan
    settings: Settings
    request: BuildRequest
    root: BuildRoot
    key: BuildKey
    work: Work
    store: Store
    progress: Progress
    log: Path
    ccache: str
    started: datetime
