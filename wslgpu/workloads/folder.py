"""A rendering as a folder of files, in which nobody's changes are lost."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.host_files import sha256_of_file, write_atomically
from wslgpu.workloads.model import Rendered

RECORD = ".wslgpu-rendered.json"
"""In each folder: by name the sha256 of each file as it was written; two while one replaces the other."""


@dataclass(frozen=True)
class Written:
    """What became of a folder.

    :param changed: files that were made or written anew
    :param removed: files that an earlier rendering had and this one has not
    """

    changed: tuple[str, ...]
    removed: tuple[str, ...]


def check(rendered: Rendered, folder: Path) -> None:
    """Refuse to write over what somebody else changed since it was rendered.

    :raises WslgpuError: a file was edited by hand (safety), or the place cannot be read (usage)
    """
    with _understood(folder):
        edited = _edited(rendered, folder, _record(folder))
    if edited:
        raise WslgpuError(
            f"not what wslgpu wrote, or not written by it: {', '.join(edited)}",
            str(folder),
            "Nothing was changed. Keep what you need of it and say --force, or render into another folder.",
            ErrorClass.SAFETY,
        )


def write(rendered: Rendered, folder: Path) -> Written:
    """Write the files of a rendering over whatever is there; those that are as they should be are left alone.

    :param folder: made where it is missing
    :raises UsageError: the place cannot be written
    """
    with _understood(folder):
        return _write(rendered, folder, _record(folder))


@contextlib.contextmanager
def _understood(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = str(error.filename or folder)
        raise UsageError(f"cannot be written ({error.strerror or error})", where, "Check the path.") from error


def _write(rendered: Rendered, folder: Path, before: dict[str, list[str]]) -> Written:
    folder.mkdir(parents=True, exist_ok=True)
    after = {name: [_sha256(text)] for name, text in rendered.files.items()}
    # recorded first, old and new: a run that dies half-way leaves files that are known to be ours, whichever they are
    either = {name: [*before.get(name, []), *after.get(name, [])] for name in {**before, **after}}
    _save(folder, {name: list(dict.fromkeys(known)) for name, known in either.items()})
    changed = []
    for name, text in rendered.files.items():
        path = folder / name
        if not _is_one_of(path, after[name]):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)
            changed.append(name)
    removed = [name for name, known in before.items() if name not in after and _is_one_of(folder / name, known)]
    for name in removed:
        (folder / name).unlink()
    _save(folder, after)
    return Written(tuple(changed), tuple(removed))


def _edited(rendered: Rendered, folder: Path, before: dict[str, list[str]]) -> list[str]:
    """The files in the way of a rendering that are neither what it was before nor what it will be."""
    edited = []
    for name, text in rendered.files.items():
        path = folder / name
        there = path.is_symlink() or path.exists()
        if there and not _is_one_of(path, [_sha256(text), *before.get(name, [])]):
            edited.append(name)
    return edited


def _record(folder: Path) -> dict[str, list[str]]:
    """What is known to have been written. A record that cannot be read says nothing: every file counts as edited."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: known for name, known in found.items() if _inside(name) and isinstance(known, list)}


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _save(folder: Path, record: dict[str, list[str]]) -> None:
    text = json.dumps(record, indent=2) + "\n"
    path = folder / RECORD
    if not _is_one_of(path, [_sha256(text)]):
        write_atomically(path, text)


def _is_one_of(path: Path, known: list[str]) -> bool:
    return path.is_file() and not path.is_symlink() and sha256_of_file(path) in known


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
