"""Artifacts on a node: below /opt/wslgpu/ARTIFACT, one folder for each version, and a link that says which is used.

At every moment ``current`` points at a whole version or at none: docs/adr/0014-artifacts-have-a-prefix-of-their-own.md.
"""

from __future__ import annotations

import base64
import gzip
import io
from collections.abc import Callable, Generator
from pathlib import Path

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu import artifact_fit
from wslgpu.artifact_choice import ARTIFACTS, Choice
from wslgpu.build.record import PREFIX_ROOT, ArtifactRecord
from wslgpu.errors import WslgpuError
from wslgpu.facts import bound
from wslgpu.facts.artifact import Artifacts, InstalledArtifact
from wslgpu.operations import apt
from wslgpu.operations.notes import tell, would_refuse
from wslgpu.operations.script import script

INODES_BESIDE = 100
"""Folders and our own notes, beside an artifact's files."""
LINE_BYTES = 49_152
"""Of the archive in one line of base64: a multiple of three."""

_payloads: dict[str, list[str]] = {}


def payload(record: ArtifactRecord, archive: Path) -> list[str]:
    """An artifact as artifact_install.sh reads it: record, then archive, compressed and in base64, as lines.

    Made once for all hosts, and only when the first one needs it. gzip is on every node, and at its fastest it takes
    less time than a gigabit line for what it saves.
    """
    if record.digest not in _payloads:
        packed = io.BytesIO()
        with archive.open("rb") as tar, gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as stream:
            while block := tar.read(1 << 20):
                stream.write(block)
        view = packed.getbuffer()
        lines = [
            base64.b64encode(view[start : start + LINE_BYTES]).decode() for start in range(0, len(view), LINE_BYTES)
        ]
        text = record.model_dump_json(by_alias=True)
        _payloads[record.digest] = [base64.b64encode(text.encode()).decode(), *lines]
    return _payloads[record.digest]


def _installed(artifact: str) -> InstalledArtifact:
    return bound.read(Artifacts, names=ARTIFACTS).of(artifact)


def settled(present: InstalledArtifact, record: ArtifactRecord) -> bool:
    """Whether an artifact is whole and in use, and nothing else lies beside it but the version before."""
    tree = present.current
    return (
        tree is not None
        and present.links["current"] == record.folder
        and (tree.digest, tree.state) == (record.digest, "whole")
        and not present.untidy
    )


def _refusal(error_class: str, what: str, next_step: str) -> StringCommand:
    would_refuse(error_class, what, next_step)
    return script("fail", error_class, what, next_step)


@operation()
def packages(
    choice: Choice, extra: tuple[str, ...] = (), *, lock_timeout_s: int, download_timeout_s: int
) -> Generator[StringCommand, None, None]:
    """Refuse a node that the artifact cannot run on, and install the packages that have the libraries that it links.

    :param extra: packages that people need with it
    """
    record = choice.record
    if record is None:
        host.noop(f"no {choice.artifact} is to be installed")
        return
    state = bound.read(Artifacts, names=ARTIFACTS)
    if misfits := artifact_fit.misfits(record, state):
        for misfit in misfits:
            would_refuse(misfit.error_class, misfit.what, misfit.next_step)
        yield script("fail", *(word for one in misfits for word in (one.error_class, one.what, one.next_step)))
        return
    names = (*artifact_fit.packages(record, state), *extra)
    if not names:
        host.noop(f"{record.name} needs no package")
        return
    yield from apt.packages._inner(
        names=tuple(dict.fromkeys(names)), lock_timeout_s=lock_timeout_s, download_timeout_s=download_timeout_s
    )


@operation()
def installed(
    choice: Choice, archive_of: Callable[[ArtifactRecord], Path], *, reserve_bytes: int
) -> Generator[StringCommand, None, None]:
    """Have the artifact that was chosen whole and in use, and the version before it kept.

    Where the store has none, ``auto`` changes nothing and says so, and ``required`` fails.

    :param archive_of: gives the archive's path after its hash was compared, or raises WslgpuError
    :param reserve_bytes: what must stay free beyond the artifact
    """
    record = choice.record
    present = _installed(choice.artifact)
    if record is None:
        if choice.install == "required":
            yield _refusal("usage", choice.missing, choice.remedy)
            return
        has = f"the node keeps {present.links['current']}" if present.current else "none is installed"
        tell(f"{choice.artifact}: {choice.missing}; {has}. {choice.remedy}")
        host.noop(choice.missing)
        return
    if settled(present, record):
        host.noop(f"{record.name} is installed, whole and in use")
        return
    if present.leftovers:
        # they may be what fills the disk
        yield script("artifact_tidy", record.artifact)
        present = _installed(choice.artifact)
    tree = present.trees.get(record.folder)
    if tree is not None and (tree.digest, tree.state) == (record.digest, "whole"):
        yield script("artifact_use", record.artifact, record.folder)
        return
    if lacking := _lacking(record, reserve_bytes):
        yield _refusal("platform", lacking, "Free space there; df -h and df -i show where.")
        return
    try:
        lines = payload(record, archive_of(record))
    except WslgpuError as error:
        yield _refusal(error.error_class.value, f"{error.what} ({error.where})", error.next_step)
        return
    command = script("artifact_install", record.artifact, record.folder, record.digest)
    command.connector_arguments["_stdin"] = lines
    yield command


def _lacking(record: ArtifactRecord, reserve_bytes: int) -> str:
    """What is too little on the node: the archive lies there beside what is unpacked from it."""
    state = bound.read(Artifacts, names=ARTIFACTS)
    needed, inodes = 2 * record.size_bytes + reserve_bytes, record.files + INODES_BESIDE
    if state.free_bytes < needed:
        return f"{record.name} needs {needed} bytes in {PREFIX_ROOT}, reserve included, and {state.free_bytes} are free"
    if state.free_inodes is not None and state.free_inodes < inodes:
        return f"{record.name} needs {inodes} inodes in {PREFIX_ROOT}, and {state.free_inodes} are free"
    return ""


@operation()
def absent(artifact: str) -> Generator[StringCommand, None, None]:
    """Have no version of an artifact. Packages that came with it stay."""
    if not _installed(artifact).present:
        host.noop(f"{artifact} is not installed")
        return
    yield script("artifact_absent", artifact)


@operation()
def rolled_back(artifact: str) -> Generator[StringCommand, None, None]:
    """Let ``current`` and ``previous`` change places."""
    present = _installed(artifact)
    now, before = present.links.get("current", ""), present.links.get("previous", "")
    tree = present.trees.get(before)
    if present.current is None or tree is None or now == before:
        has = f"only {now} is installed" if present.current else "none is installed"
        step = "wslgpu apply installs one; only from the second version on is there one to go back to."
        yield _refusal("platform", f"there is no {artifact} to go back to: {has}", step)
        return
    if tree.state != "whole":
        what = f"the {artifact} to go back to, {before}, is damaged"
        yield _refusal("integrity", what, "Name its digest in site.yml and apply: that puts it back from the store.")
        return
    yield script("artifact_roll_back", artifact)
    name = f"{artifact.replace('-', '_')}_artifact"
    tell(f"{artifact} is {before} now, and was {now}. The next apply installs what the data asks for; to stay here,")
    tell(f"write into site.yml: {name}: {tree.digest}")
