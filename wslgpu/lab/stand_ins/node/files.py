"""Writing a file whole or not at all. python3-minimal has neither tempfile nor shutil."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace *path* by *text*, making its folder when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.chmod(mode)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def which(program: str) -> str:
    """The path of *program* as PATH finds it, empty when it is not installed."""
    for folder in os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").split(":"):
        found = Path(folder or ".") / program
        if found.is_file() and os.access(found, os.X_OK):
            return str(found)
    return ""
