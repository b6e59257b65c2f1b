"""Where builds keep what they fetch, make and store on the machine that they run on."""

from __future__ import annotations

import os
from pathlib import Path


def _home(variable: str, below_home: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / below_home) / "wslgpu"


def cache_dir() -> Path:
    """What may be thrown away and made again (downloads, roots, ccache, logs): WSLGPU_CACHE_DIR, or /var/cache/wslgpu.

    A user without root has a place below XDG_CACHE_HOME.
    """
    if named := os.environ.get("WSLGPU_CACHE_DIR"):
        return Path(named)
    return Path("/var/cache/wslgpu") if os.geteuid() == 0 else _home("XDG_CACHE_HOME", ".cache")


def store_dir() -> Path:
    """The artifact store: WSLGPU_STORE_DIR, or /var/lib/wslgpu/store; without root below XDG_DATA_HOME."""
    if named := os.environ.get("WSLGPU_STORE_DIR"):
        return Path(named)
    return Path("/var/lib/wslgpu/store") if os.geteuid() == 0 else _home("XDG_DATA_HOME", ".local/share") / "store"
