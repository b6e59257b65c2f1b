"""The record files of a store. Each holds a record and that record's own hash, so that a changed byte shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from wslgpu.build.record import ArtifactRecord
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.host_files import write_atomically
from wslgpu.store.blobs import sync_folder

SIZE_LIMIT_BYTES = 4 << 20


def folder_of(store: Path) -> Path:
    """The folder of all record files."""
    return store / "records"


def files(store: Path) -> list[Path]:
    """All record files, sorted by name."""
    folder = folder_of(store)
    return sorted(entry for entry in folder.glob("*.json") if not entry.name.startswith(".")) if folder.is_dir() else []


def canonical(record: ArtifactRecord) -> bytes:
    """A record as the bytes that its hash is over: JSON with sorted keys and no spaces."""
    data = record.model_dump(mode="json", by_alias=True)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def write(store: Path, record: ArtifactRecord) -> None:
    """Write a record's file, whole or not at all.

    :raises OSError: no room, or no right to write
    """
    body = canonical(record)
    document = {"sha256": hashlib.sha256(body).hexdigest(), "record": json.loads(body)}
    write_atomically(folder_of(store) / f"{record.name}.json", json.dumps(document, indent=1, ensure_ascii=False))
    sync_folder(folder_of(store))


def read(file: Path) -> ArtifactRecord:
    """Read a record's file.

    :raises WslgpuError: class integrity: it is not what was written
    :raises OSError: it is gone, or cannot be read
    """
    with file.open("rb") as handle:
        raw = handle.read(SIZE_LIMIT_BYTES + 1)
    try:
        if len(raw) > SIZE_LIMIT_BYTES:
            raise ValueError("it is too long")  # noqa: TRY301 - one place says what any of these means
        document = json.loads(raw)
        record = parse(document["record"])
        found = hashlib.sha256(canonical(record)).hexdigest()
        if found != document["sha256"]:
            raise ValueError("it does not have the hash that was written with it")  # noqa: TRY301
        if file.stem != record.name:
            raise ValueError(f"it is the record of {record.name}")  # noqa: TRY301
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise WslgpuError(
            f"the record {file.name} is corrupted: {reason}", str(file), "", ErrorClass.INTEGRITY
        ) from error
    return record


def parse(data: object) -> ArtifactRecord:
    """A record from JSON's values.

    :raises ValueError: it is none
    """
    try:
        return ArtifactRecord.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}") from error


def digests_named(records: Iterable[ArtifactRecord]) -> set[str]:
    """The digests of all blobs that records name."""
    return {digest for record in records for digest in (record.digest, record.bill, record.provenance)}
