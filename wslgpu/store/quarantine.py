"""Where corrupted entries of a store are set aside, with a note each: kept for who wants to know, read by nobody."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from wslgpu.host_files import write_atomically


def folder_of(store: Path) -> Path:
    """The folder of what was set aside."""
    return store / "quarantine"


def move(store: Path, path: Path, why: str) -> None:
    """Take a file out of the store's use; one that is gone is left alone.

    :raises OSError: the store cannot be written
    """
    folder = folder_of(store)
    folder.mkdir(exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    name = f"{now.strftime('%Y%m%dT%H%M%S.%fZ')}-{path.name}"
    if path.exists() or path.is_symlink():
        path.rename(folder / name)
        note = {"when": now.isoformat(timespec="seconds"), "was": str(path.relative_to(store)), "why": why}
        write_atomically(folder / f"{name}.note", json.dumps(note, indent=1))


def notes(store: Path) -> list[dict[str, Any]]:
    """The notes of everything that was set aside, the oldest first."""
    found = []
    for file in sorted(folder_of(store).glob("*.note")):
        try:
            note = json.loads(file.read_bytes())
        except (OSError, ValueError):
            note = {"when": "", "was": file.name, "why": "its note cannot be read"}
        found.append(note if isinstance(note, dict) else {"when": "", "was": file.name, "why": "its note is no note"})
    return found


def size_bytes(store: Path) -> int:
    """What everything that was set aside takes."""
    return sum(entry.stat().st_size for entry in folder_of(store).glob("*") if entry.is_file())


def clear(store: Path) -> None:
    """Delete everything that was set aside.

    :raises OSError: the store cannot be written
    """
    for entry in folder_of(store).glob("*"):
        entry.unlink(missing_ok=True)
