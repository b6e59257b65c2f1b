"""The project as a clone would have it."""

from __future__ import annotations

import subprocess

from wslgpu.settings import PROJECT_ROOT


def archive() -> bytes:
    """A tar archive of what git knows here, and of what it would know if it were added."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        check=True,
    ).stdout
    there = b"\0".join(name for name in listed.split(b"\0") if name and (PROJECT_ROOT / name.decode()).is_file())
    return subprocess.run(
        ["tar", "--create", "--null", "--files-from", "-"],
        cwd=PROJECT_ROOT,
        input=there,
        capture_output=True,
        check=True,
    ).stdout
