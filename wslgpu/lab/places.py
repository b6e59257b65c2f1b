"""Where labs and their caches are kept on the machine that hosts them."""

from __future__ import annotations

import os
from pathlib import Path


def lab_root() -> Path:
    """Directory of all labs: WSLGPU_LAB_DIR, or /var/lib/wslgpu-lab."""
    return Path(os.environ.get("WSLGPU_LAB_DIR") or "/var/lib/wslgpu-lab")


def cache_root() -> Path:
    """What may be thrown away and made again: the ``lab`` folder of WSLGPU_CACHE_DIR, or of /var/cache/wslgpu."""
    return Path(os.environ.get("WSLGPU_CACHE_DIR") or "/var/cache/wslgpu") / "lab"
