"""Is a build reproducible? What was built again is compared with what is stored; both are kept where they differ."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from wslgpu.build.errors import BuildError, named_trouble
from wslgpu.build.pack import Packed
from wslgpu.build.places import cache_dir
from wslgpu.build.record import ArtifactRecord
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.programs import run
from wslgpu.store.folder import Store

DIFFOSCOPE_TIMEOUT_S = 900


def compare(store: Store, stored: ArtifactRecord, archive: Path, packed: Packed) -> None:
    """The same digest, or an error that says where both archives and their differences are.

    :raises BuildError: class integrity: they differ
    """
    if packed.digest == stored.digest:
        return
    folder = cache_dir() / "differences" / f"{stored.name}-{time.strftime('%Y%m%dT%H%M%S')}"
    with named_trouble("keeping two archives that differ", folder):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(store.open_archive(stored), folder / "stored.tar")
        shutil.move(archive, folder / "again.tar")
    told = _diffoscope(folder)
    raise BuildError(
        f"{stored.name} is not reproducible: {stored.digest} is stored, {packed.digest} came out now{told}",
        str(folder),
        "stored.tar and again.tar are kept there; what is stored stays.",
        ErrorClass.INTEGRITY,
    )


def _diffoscope(folder: Path) -> str:
    """What diffoscope says, in a file beside the two; in words whether it did."""
    if shutil.which("diffoscope") is None:
        return " (diffoscope is not installed, so the difference is not shown)"
    report = folder / "diffoscope.txt"
    command = ["diffoscope", "--text", str(report), str(folder / "stored.tar"), str(folder / "again.tar")]
    try:
        run(command, timeout_s=DIFFOSCOPE_TIMEOUT_S, check=False)
    except WslgpuError as error:
        return f" (diffoscope: {error.what})"
    return f"; {report.name} shows how they differ" if report.exists() else ""
