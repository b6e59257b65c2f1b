"""Artifacts in plain folders, for sites that no network reaches."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

from wslgpu.build.record import ArtifactRecord
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.host_files import write_atomically
from wslgpu.store import entries
from wslgpu.store.folder import Store

ARCHIVE, RECORD, BILL, PROVENANCE = "artifact.tar", "record.json", "bill.json", "provenance.json"
_DOCUMENT_LIMIT_BYTES = 16 << 20


def export_artifact(store: Store, record: ArtifactRecord, folder: Path) -> list[Path]:
    """Write archive, record, bill of materials and provenance into a folder that is empty or missing.

    :raises UsageError: the folder holds something
    :raises WslgpuError: class integrity: the artifact is corrupted in the store; class platform: no room there
    """
    archive = store.open_archive(record)
    documents = {
        RECORD: entries.canonical(record),
        BILL: store.read_bill(record),
        PROVENANCE: store.read_provenance(record),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError("is not empty", str(folder), "Name a new folder.")
        for name, content in documents.items():
            write_atomically(folder / name, content)
        shutil.copyfile(archive, folder / ARCHIVE)
    except OSError as error:
        (folder / ARCHIVE).unlink(missing_ok=True)
        what = "there is no room" if error.errno == errno.ENOSPC else f"cannot be written ({error.strerror})"
        raise WslgpuError(what, str(folder), "Name another folder.") from error
    return [folder / ARCHIVE, *(folder / name for name in documents)]


def import_artifact(store: Store, folder: Path, expected: str = "") -> ArtifactRecord:
    """Take in what :func:`export_artifact` wrote.

    :param expected: digest that the artifact must have; empty: the folder is believed
    :raises WslgpuError: class integrity: something is not what the record says; class safety: the archive is not fit to
        be unpacked
    """
    try:
        record = entries.parse(json.loads(_read(folder / RECORD)))
        bill, provenance = _read(folder / BILL), _read(folder / PROVENANCE)
        if expected and record.digest != expected:
            raise ValueError(f"it holds {record.digest}; {expected} was to come")  # noqa: TRY301
        store.add(record, folder / ARCHIVE, bill, provenance)
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", str(error.filename or folder), "Export anew.") from error
    except (ValueError, RecursionError) as error:
        raise WslgpuError(
            f"is no whole export: {error}", str(folder), "Nothing was stored. Export anew.", ErrorClass.INTEGRITY
        ) from error
    return record


def _read(file: Path) -> bytes:
    with file.open("rb") as handle:
        content = handle.read(_DOCUMENT_LIMIT_BYTES + 1)
    if len(content) > _DOCUMENT_LIMIT_BYTES:
        raise ValueError(f"{file.name} is too long")
    return content
