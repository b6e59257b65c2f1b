"""Which artifact a node is to have: the data's choice, looked up in this machine's store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wslgpu.build.places import store_dir
from wslgpu.build.record import ArtifactRecord
from wslgpu.errors import DataError, WslgpuError
from wslgpu.settings import Settings
from wslgpu.store.folder import Store

ARTIFACTS = ("ffmpeg", "mesa-dozen")
"""All that tasks install; one fact reads them together."""
Install = Literal["auto", "required", "absent"]


@dataclass(frozen=True)
class Choice:
    """What the data asks for.

    :param build: row of ``builds``
    :param digest: the one artifact that is asked for; empty: the youngest of the build
    :param record: what the store has for it; None where it has nothing, or nothing is to be installed
    :param unlocked: there is a lock, and it has none: what the store has is then not looked at
    """

    artifact: str
    install: Install
    build: str
    digest: str
    record: ArtifactRecord | None
    unlocked: bool = False

    @property
    def missing(self) -> str:
        """What the store or the lock lacks, in words."""
        if self.unlocked:
            return f"the lock has no {self.artifact}"
        wanted = self.digest or f"artifact of the build {self.build}"
        return f"the store of this machine has no {wanted}"

    @property
    def remedy(self) -> str:
        """What a person can do about it."""
        if self.unlocked:
            return f"Have it in the store (wslgpu build {self.build}, or wslgpu store pull), then make the lock anew."
        return f"Build it here (wslgpu build {self.build}), or fetch it from your registry (wslgpu store pull)."


def setting(settings: Settings, artifact: str, what: str) -> str:
    """The value of the setting ``ARTIFACT_WHAT``, such as ``mesa_dozen_install``."""
    return str(getattr(settings, f"{artifact.replace('-', '_')}_{what}"))


def choose(settings: Settings, artifact: str) -> Choice:
    """Look the data's choice, which under a lock is the lock's, up in the store.

    :raises DataError: the store's folder cannot be used, or the digest is of another artifact
    """
    install: Install = setting(settings, artifact, "install")  # type: ignore[assignment]
    build, digest = setting(settings, artifact, "build"), setting(settings, artifact, "artifact")
    record: ArtifactRecord | None = None
    # a lock names each artifact that it has: without a digest it would be whatever the store happens to have
    unlocked = bool(settings.lock_file) and not digest
    if install != "absent" and not unlocked:
        try:
            present = Store(store_dir()).records()
        except WslgpuError as error:
            raise DataError(error.what, error.where, error.next_step) from error
        fitting = [one for one in present if (one.digest == digest if digest else one.build == build)]
        record = fitting[0] if fitting else None
    if record is not None and record.artifact != artifact:
        where = f"{artifact.replace('-', '_')}_artifact"
        raise DataError(
            f"{where}: {digest} is {record.name}, no {artifact}", str(store_dir()), "See wslgpu store list."
        )
    return Choice(artifact, install, build, digest, record, unlocked)


def archive_of(record: ArtifactRecord) -> Path:
    """The archive, its hash compared just now.

    :raises WslgpuError: class integrity: the store's entry is corrupted, and was set aside
    """
    return Store(store_dir()).open_archive(record)
