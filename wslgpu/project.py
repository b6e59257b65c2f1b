"""Where the project's files are, as far as they are there: a wheel alone has the package only."""

from __future__ import annotations

from pathlib import Path

from wslgpu.errors import UsageError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def require_clone() -> None:
    """Refuse what needs the project's files when only the wheel is installed.

    :raises UsageError: no deploy.py beside the package
    """
    if not (PROJECT_ROOT / "deploy.py").exists():
        raise UsageError(
            "this command needs the project's files",
            "wslgpu",
            "Clone the project, run `make setup` in the clone, and call .venv/bin/wslgpu there.",
        )
