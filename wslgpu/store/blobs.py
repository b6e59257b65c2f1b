"""The blobs of a store: files that are called by the sha256 of their bytes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.host_files import sha256_of_file

ROOM_RESERVE_BYTES = 16 << 20
"""What stays free beside an addition: the store's file system is usually the machine's own."""


def folder_of(store: Path) -> Path:
    """The folder of all blobs."""
    return store / "blobs" / "sha256"


def path_of(store: Path, digest: str) -> Path:
    """Where the blob of a digest (``sha256:HEX``) is, or would be."""
    return folder_of(store) / digest.removeprefix("sha256:")


def digests(store: Path) -> list[str]:
    """The digests of all blobs that are there, sorted."""
    folder = folder_of(store)
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")] if folder.is_dir() else []
    return [f"sha256:{name}" for name in sorted(names)]


def problem(path: Path, digest: str) -> str:
    """What is wrong with a blob; empty where its bytes are those of its digest."""
    try:
        if path.is_symlink() or not path.is_file():
            return f"{digest} is missing" if not path.exists() else f"{path.name} is no plain file"
        found = f"sha256:{sha256_of_file(path)}"
    except OSError as error:
        return f"{digest} cannot be read ({error.strerror})"
    return "" if found == digest else f"its bytes are those of {found}, not of {digest}"


def put(store: Path, digest: str, source: Path | bytes) -> None:
    """Write a blob whole: under a temporary name, compared with its digest, synced, renamed.

    :raises WslgpuError: class integrity: other bytes than the digest's
    :raises OSError: no room, or no right to write
    """
    target = path_of(store, digest)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as handle:
            found = _copy(source, handle)
            handle.flush()
            os.fchmod(handle.fileno(), 0o644)
            os.fsync(handle.fileno())
        if found != digest:
            raise WslgpuError(
                f"the bytes are those of {found}, and were to be those of {digest}",
                str(source) if isinstance(source, Path) else str(store),
                "Nothing was stored. Build or pull it again.",
                ErrorClass.INTEGRITY,
            )
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(source: Path | bytes, handle: BinaryIO) -> str:
    digest = hashlib.sha256()
    if isinstance(source, bytes):
        digest.update(source)
        handle.write(source)
    else:
        with source.open("rb") as content:
            while piece := content.read(1 << 20):
                digest.update(piece)
                handle.write(piece)
    return f"sha256:{digest.hexdigest()}"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_room(store: Path, size_bytes: int) -> None:
    """Refuse before anything is written what would not fit.

    :raises WslgpuError: with what is needed and what there is
    """
    free = shutil.disk_usage(store).free
    if free < size_bytes + ROOM_RESERVE_BYTES:
        raise WslgpuError(
            f"there is no room: {size_bytes + ROOM_RESERVE_BYTES:,} bytes are needed, {free:,} are free",
            str(store),
            "Make room (wslgpu store prune), or name another place with WSLGPU_STORE_DIR.",
        )


def sweep(folder: Path) -> None:
    """Delete the temporary files of writers that are gone. Only for who holds the store's lock: others never write."""
    for leftover in folder.glob(".*"):
        if leftover.is_file():
            leftover.unlink(missing_ok=True)


def sizes(store: Path, wanted: list[str]) -> Iterator[tuple[str, int]]:
    """The size in bytes of each blob that is there."""
    for digest in wanted:
        with contextlib.suppress(FileNotFoundError):
            yield digest, path_of(store, digest).stat().st_size
