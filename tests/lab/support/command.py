"""The command as a user runs it, for labs' tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from wslgpu.settings import PROJECT_ROOT


def wslgpu(
    *words: str, environment: Mapping[str, str] | None = None, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run ``wslgpu WORDS`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "wslgpu.cli", *words],
        cwd=PROJECT_ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
