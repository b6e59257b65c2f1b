"""``--keep``: reports kept in a folder, each held against the last one of the same nodes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wslgpu.check.files import write_whole
from wslgpu.check.json_parts import json_parts
from wslgpu.errors import UsageError, WslgpuError
from wslgpu.report.capabilities import from_json
from wslgpu.report.capabilities.json_document import SIZE_LIMIT_BYTES
from wslgpu.verdict.model import Judgement

LOOK_BACK = 200
_NAME = re.compile(r"check-\d{8}T\d{6}Z(-\d+)?\.json")


def keep(judgement: Judgement, folder: Path) -> tuple[Path, tuple[Path, Judgement] | None]:
    """Write the report into ``folder``, made if missing: the new file, and the last report of the same nodes.

    A file there that is no report of ours is left alone.

    :raises UsageError: it cannot be written
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot be made ({error.strerror})", str(folder), "Name another place.") from error
    nodes = {node.name for node in judgement.nodes}
    earlier = next((pair for pair in _newest_first(folder) if {n.name for n in pair[1].nodes} == nodes), None)
    path = _free_name(folder, judgement.started)
    write_whole(path, "".join(json_parts(judgement)), 0o600)
    return path, earlier


def _newest_first(folder: Path) -> Iterator[tuple[Path, Judgement]]:
    names = sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=_age, reverse=True)
    for path in names[:LOOK_BACK]:
        try:
            if path.is_file() and path.stat().st_size <= SIZE_LIMIT_BYTES:
                yield path, from_json(path.read_bytes(), str(path))
        except (OSError, WslgpuError):
            continue


def _age(path: Path) -> tuple[str, int]:
    stamp, _, number = path.stem.removeprefix("check-").partition("-")
    return stamp, int(number or 0)


def _free_name(folder: Path, started: str) -> Path:
    stamp = re.sub(r"[-:]", "", started.partition("+")[0].partition(".")[0]) + "Z"
    path, number = folder / f"check-{stamp}.json", 1
    while path.exists():
        number += 1
        path = folder / f"check-{stamp}-{number}.json"
    return path
