"""Reading a lock: its schema, its checksum, and that it closes over itself. What is edited by hand is refused."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from wslgpu.errors import DataError
from wslgpu.lock.model import LOCK_NAME, LOCK_VARIABLE, Lock
from wslgpu.lock.text import checksum, split
from wslgpu.project import PROJECT_ROOT
from wslgpu.yaml_source import YamlDocument, load_yaml, validate

SCHEMA = 1
_ANEW = "Make it anew: wslgpu lock"


def named_lock() -> Path | None:
    """The lock that WSLGPU_LOCK names; None where it names none.

    :raises DataError: it names what is not there
    """
    named = os.environ.get(LOCK_VARIABLE, "")
    if named and not Path(named).is_file():
        raise DataError(
            f"is not there, but {LOCK_VARIABLE} names it", named, "Make it: wslgpu lock --to FILE; or unset that."
        )
    return Path(named) if named else None


def lock_file() -> Path | None:
    """The lock in force: named by WSLGPU_LOCK, else the one in the project's root; None where there is none.

    :raises DataError: WSLGPU_LOCK names what is not there
    """
    path = PROJECT_ROOT / LOCK_NAME
    return named_lock() or (path if path.exists() else None)


def digest_of(path: Path) -> str:
    """``sha256:...`` of the file's bytes: what a node's manifest and a bundle name the lock by.

    :raises DataError: it cannot be read
    """
    try:
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", str(path), "Check the path.") from error


def load_lock(path: Path) -> tuple[Lock, YamlDocument]:
    """A lock, and where in the file each value stands.

    :raises DataError: unreadable, of a newer wslgpu, not the schema, not closed over its packages, or edited
    """
    document = load_yaml(path)
    if not isinstance(document.data, dict) or "schema" not in document.data:
        raise DataError("is no lock: it has no key `schema`", document.where(), _ANEW)
    version = document.data["schema"]
    if isinstance(version, int) and version > SCHEMA:
        raise DataError(
            f"is of schema {version}, made by a newer wslgpu", document.where(("schema",)), "Upgrade wslgpu."
        )
    lock = validate(Lock, document)
    _check_closed(lock, document)
    _check_text(path)
    return lock, document


def _check_closed(lock: Lock, document: YamlDocument) -> None:
    """Every package names an index that there is, and only packages that there are."""
    for distribution, row in lock.distributions.items():
        for name, package in row.packages.items():
            place = ("distributions", distribution, "packages", name)
            if package.index >= len(row.indexes):
                raise DataError(
                    f"{name} of {distribution} comes from index {package.index}, but there are {len(row.indexes)}",
                    document.where((*place, "index")),
                    _ANEW,
                )
            for needed in package.depends:
                if needed not in row.packages:
                    raise DataError(
                        f"{name} of {distribution} needs {needed}, which the lock does not have",
                        document.where((*place, "depends")),
                        _ANEW,
                    )


def _check_text(path: Path) -> None:
    stated, body = split(path.read_text(encoding="utf-8"))
    if not stated:
        raise DataError("has not the two lines at its beginning that every lock has", f"{path}:1", _ANEW)
    if stated != checksum(body):
        raise DataError(
            f"was edited by hand: its checksum line says {stated[:12]}..., its text is {checksum(body)[:12]}...",
            f"{path}:2",
            "Take the edit back, or make the lock anew: wslgpu lock",
        )
