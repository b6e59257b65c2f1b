"""The compiler cache of a recipe: makes the second build of a changed recipe fast, and has no say in what comes out.

Each recipe has a folder of its own, which only its sandboxes write. ccache compares compilers by content and checks
its entries' sums itself; a cache that cannot be used is left out, with a warning.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from wslgpu.build import environment
from wslgpu.build.places import cache_dir

TRIED = (
    f"set -e; : >{environment.CCACHE}/.tried; rm {environment.CCACHE}/.tried; ccache --show-stats >/dev/null;"
    " cd /tmp; echo 'int tried;' >tried.c; cc -c tried.c; rm tried.c tried.o"
)
"""What a cache that can be used lets the build's user do."""
BROKEN = re.compile(r"ccache: (error|FATAL)")
"""What ccache says when it is to blame for a compiler's failure."""


def folder(recipe: str) -> Path:
    """Where the cache of a recipe lies."""
    return cache_dir() / "ccache" / recipe


def state(recipe: str) -> str:
    """``warm`` where something is in it, else ``cold``."""
    place = folder(recipe)
    try:
        return "warm" if any(len(entry.name) == 1 and entry.is_dir() for entry in place.iterdir()) else "cold"
    except OSError:
        return "cold"


def make(recipe: str) -> Path:
    """The cache's folder, made for the build's user where it is not there.

    :raises OSError: it cannot be made
    """
    place = folder(recipe)
    if not place.exists():
        place.mkdir(parents=True)
        place.chmod(0o700)
        os.chown(place, environment.USER_ID, environment.USER_ID)
    return place
