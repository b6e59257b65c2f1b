"""``--keep DIR``: reports of earlier checks, kept to be compared with."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import re
import tempfile
from pathlib import Path

from wslgpu.errors import UsageError
from wslgpu.report.capabilities.json_document import SIZE_LIMIT_BYTES, ReportError, as_json, from_json
from wslgpu.verdict.model import Judgement

_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}\.json")
MODE = 0o600


def keep_report(judgement: Judgement, folder: Path, *, retain: int | None = None) -> Path:
    """Write the JSON report as ``<started, UTC>-<digest>.json``, readable by its owner only, whole or not at all.

    :param folder: made when it is not there, for its owner only
    :param retain: how many to leave, this one among them; None: all. Older ones are deleted, and nothing else is
    :returns: the file
    :raises UsageError: the folder cannot be written, or retain is less than 1
    """
    if retain is not None and retain < 1:
        raise UsageError(f"{retain} reports cannot be retained", str(folder), "Retain at least 1.")
    text = as_json(judgement).encode()
    digest = hashlib.sha256(text).hexdigest()[:8]
    path = folder / f"{_stamp(judgement.started)}-{digest}.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, text)
        for old in kept_reports(folder)[: -retain if retain else 0]:
            if old != path:
                old.unlink()
    except OSError as error:
        raise UsageError(
            f"the report cannot be kept ({error.strerror})", str(error.filename or folder), "Name another folder."
        ) from error
    return path


def _stamp(started: str) -> str:
    """The beginning in UTC as a file's name has it; now when the judgement does not tell it."""
    try:
        moment = datetime.datetime.fromisoformat(started.replace("Z", "+00:00"))
    except ValueError:
        moment = datetime.datetime.now(datetime.timezone.utc)
    return moment.astimezone(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def _write(path: Path, text: bytes) -> None:
    # mkstemp makes a new file of mode 0600 and follows no link; the rename replaces a link rather than its target
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def kept_reports(folder: Path) -> list[Path]:
    """The reports in a folder, the oldest first; other files are not looked at.

    :raises UsageError: the folder cannot be read
    """
    try:
        return sorted(entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name) and entry.is_file())
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", str(folder), "Name another folder.") from error


def previous_report(folder: Path, newest: Path) -> tuple[Path, Judgement] | None:
    """The report before one, to compare with; None when there is none.

    :raises ReportError: it is no report of wslgpu's
    :raises UsageError: it cannot be read
    """
    before = [entry for entry in kept_reports(folder) if entry.name < newest.name]
    return (before[-1], read_report(before[-1])) if before else None


def read_report(path: Path) -> Judgement:
    """Read a report from a file.

    :raises ReportError: it is no report of wslgpu's
    :raises UsageError: it cannot be read
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(SIZE_LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", str(path), "Name another file.") from error
    if len(raw) > SIZE_LIMIT_BYTES:
        raise ReportError(f"the report is longer than {SIZE_LIMIT_BYTES} bytes", str(path))
    return from_json(raw, str(path))
