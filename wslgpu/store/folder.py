"""The artifact store: a folder, content-addressed, whole at every moment, and verified at each read.

::

    store.json                 says what this folder is, and in which form
    blobs/sha256/HEX           archives, bills of materials, provenance statements
    records/NAME.json          one artifact: its record, and the record's own hash
    quarantine/                what was found corrupted, with a note of what was wrong; nothing ever reads it
    lock                       held by whoever changes anything; readers need none

A record is written last, so an interrupted addition leaves blobs that nothing names: pruning takes them. A corrupted
entry is set aside when it is met, and is then simply not there: it is built or pulled again.
"""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build.pack import check_archive
from wslgpu.build.record import ArtifactRecord
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.host_files import locked, write_atomically
from wslgpu.store import blobs, entries, quarantine

SCHEMA = 1
NOTE = "store.json"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Corruption:
    """Something that is not what was stored.

    :param name: of the artifact that it belongs to
    :param became: a sentence on what was done with it
    """

    name: str
    what: str
    became: str


class Store:
    """One store.

    :param path: its folder; one that is missing or empty is an empty store
    :raises UsageError: the folder holds something else, or a store of a form that is not known here
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._holds_lock = False
        self._check_form()

    def records(self) -> list[ArtifactRecord]:
        """Every whole record, the youngest first. One that is corrupted is set aside.

        :raises WslgpuError: the store cannot be read
        """
        found = []
        for file in self._files():
            try:
                found.append(entries.read(file))
            except FileNotFoundError:
                continue  # somebody set it aside or deleted it just now
            except WslgpuError as error:
                self._set_aside(file, error.what)
            except OSError as error:
                raise self._failure("read", error) from error
        return sorted(found, key=lambda record: (record.created, record.name), reverse=True)

    def find(self, build: str, key: str | None = None) -> list[ArtifactRecord]:
        """The records of one build, the youngest first.

        :param build: id of a row of ``builds``
        :param key: only those with this whole build key
        """
        return [record for record in self.records() if record.build == build and key in (None, record.key)]

    def get(self, name_or_digest: str) -> ArtifactRecord:
        """The record of one artifact, by its name or by the digest of its archive.

        :raises UsageError: there is none
        """
        present = self.records()
        for record in present:
            if name_or_digest in (record.name, record.digest):
                return record
        known = ", ".join(record.name for record in present[:5]) or "nothing"
        raise UsageError(
            f"the store has no {name_or_digest[:100]!r}",
            str(self.path),
            f"It has {known}; `wslgpu store list` shows all.",
        )

    def open_archive(self, record: ArtifactRecord) -> Path:
        """The archive of an artifact, its hash compared just now.

        :raises WslgpuError: class integrity: it is missing or has other bytes, and the entry has been set aside
        """
        return self._verified(record, record.digest)

    def read_bill(self, record: ArtifactRecord) -> bytes:
        """The bill of materials, verified as :meth:`open_archive` does."""
        return self._verified(record, record.bill).read_bytes()

    def read_provenance(self, record: ArtifactRecord) -> bytes:
        """The provenance statement, verified as :meth:`open_archive` does."""
        return self._verified(record, record.provenance).read_bytes()

    def add(self, record: ArtifactRecord, archive: Path, bill: bytes, provenance: bytes) -> None:
        """Take an artifact in: all of it, or nothing. One that is there already, with the same bytes, stays.

        :raises WslgpuError: class integrity: the bytes are not what the record says, or the store has other bytes under
            this name; class safety: the archive is not fit to be unpacked; class platform: no room, no right to write
        """
        if check_archive(archive) != record.files or archive.stat().st_size != record.size_bytes:
            raise _refused(f"the archive is not the one that the record of {record.name} speaks of", archive)
        with self._changing(f"add {record.name}"):
            present = {entry.name: entry for entry in self.records()}.get(record.name)
            if present and present.digest != record.digest:
                raise _refused(
                    f"{record.name} is there with {present.digest} and comes with {record.digest}: one key, two"
                    " results",
                    self.path,
                    f"Compare them (diffoscope). To take the new one: wslgpu store remove {record.name}, then again.",
                )
            if present and present.build == record.build and not self.problems(present):
                return
            blobs.require_room(self.path, record.size_bytes + len(bill) + len(provenance))
            for digest, source in ((record.digest, archive), (record.bill, bill), (record.provenance, provenance)):
                self._put(digest, source)
            entries.write(self.path, record)

    def problems(self, record: ArtifactRecord) -> list[str]:
        """What is wrong with the blobs of an artifact; nothing is changed."""
        named = (record.digest, record.bill, record.provenance)
        return [found for digest in named if (found := blobs.problem(blobs.path_of(self.path, digest), digest))]

    def verify(self) -> list[Corruption]:
        """Read everything and compare its hashes; what is corrupted is set aside, as at every read.

        :return: what was corrupted
        """
        found = []
        for file in self._files():
            try:
                record = entries.read(file)
            except FileNotFoundError:
                continue
            except WslgpuError as error:
                found.append(Corruption(file.stem, error.what, self._set_aside(file, error.what)))
                continue
            for digest in (record.digest, record.bill, record.provenance):
                path = blobs.path_of(self.path, digest)
                if problem := blobs.problem(path, digest):
                    found.append(Corruption(record.name, problem, self._set_aside(path, problem, file.name)))
        return found

    def remove(self, names: Collection[str]) -> int:
        """Delete artifacts by name, and every blob that no record names then; bytes that were freed.

        :raises WslgpuError: the store cannot be changed
        """
        with self._changing("remove from it"):
            for file in self._files():
                if file.stem in names:
                    file.unlink(missing_ok=True)
            unnamed = self.unnamed_blobs()
            for digest in unnamed:
                blobs.path_of(self.path, digest).unlink(missing_ok=True)
            return sum(unnamed.values())

    def prune(self, keep: Collection[str]) -> list[ArtifactRecord]:
        """Delete every artifact of which neither the name nor the digest is in ``keep``; what was deleted."""
        gone = [record for record in self.records() if record.name not in keep and record.digest not in keep]
        self.remove([record.name for record in gone])
        return gone

    def clear_quarantine(self) -> None:
        """Delete what was set aside.

        :raises WslgpuError: the store cannot be changed
        """
        with self._changing("remove from it"):
            quarantine.clear(self.path)

    def unnamed_blobs(self) -> dict[str, int]:
        """Digest and size of the blobs that no record names: what an interrupted addition leaves."""
        named = entries.digests_named(self.records())
        return dict(blobs.sizes(self.path, [digest for digest in blobs.digests(self.path) if digest not in named]))

    def _put(self, digest: str, source: Path | bytes) -> None:
        path = blobs.path_of(self.path, digest)
        if path.exists() or path.is_symlink():
            if not (problem := blobs.problem(path, digest)):
                return
            quarantine.move(self.path, path, problem)
        blobs.put(self.path, digest, source)

    def _verified(self, record: ArtifactRecord, digest: str) -> Path:
        path = blobs.path_of(self.path, digest)
        if not (problem := blobs.problem(path, digest)):
            return path
        aside = self._set_aside(path, problem, f"{record.name}.json")
        raise WslgpuError(
            f"{record.name} is corrupted in the store: {problem}",
            str(path),
            f"{aside} Get it anew: wslgpu build {record.build}, or wslgpu store pull.",
            ErrorClass.INTEGRITY,
        )

    def _set_aside(self, path: Path, why: str, record_file: str = "") -> str:
        """Move a corrupted file, and the record that needs it, into quarantine; a sentence on what became of it."""
        try:
            with self._changing("set a corrupted entry aside"):
                if path.parent == blobs.folder_of(self.path):
                    if not blobs.problem(path, f"sha256:{path.name}"):
                        return "It has been replaced meanwhile; try again."
                elif self._is_whole(path):
                    return ""
                quarantine.move(self.path, path, why)
                if record_file:
                    quarantine.move(self.path, entries.folder_of(self.path) / record_file, why)
        except WslgpuError as error:
            return f"It could not be set aside ({error.what})."
        return f"It has been set aside in {quarantine.folder_of(self.path)}."

    @staticmethod
    def _is_whole(file: Path) -> bool:
        try:
            entries.read(file)
        except (WslgpuError, OSError):
            return False
        return True

    @contextlib.contextmanager
    def _changing(self, purpose: str) -> Iterator[None]:
        """Hold the store's lock, in a store that is there; sweep up what a writer that died has left."""
        if self._holds_lock:
            yield
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with locked(self.path / "lock"):
                self._check_form()
                for folder in (self.path, blobs.folder_of(self.path), entries.folder_of(self.path)):
                    folder.mkdir(parents=True, exist_ok=True)
                    blobs.sweep(folder)
                if not (self.path / NOTE).exists():
                    note = {"schema": SCHEMA, "what": "artifacts of wslgpu; change it with `wslgpu store` alone"}
                    write_atomically(self.path / NOTE, json.dumps(note))
                self._holds_lock = True
                try:
                    yield
                finally:
                    self._holds_lock = False
        except OSError as error:
            raise self._failure(purpose, error) from error

    def _files(self) -> list[Path]:
        try:
            return entries.files(self.path)
        except OSError as error:
            raise self._failure("read", error) from error

    def _check_form(self) -> None:
        note = self.path / NOTE
        try:
            present = {entry.name for entry in self.path.iterdir()}
            document = json.loads(note.read_bytes()) if NOTE in present else None
        except FileNotFoundError:
            return
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{NOTE} cannot be read", str(note), "Put it back from another store of this form."
            ) from error
        except OSError as error:
            raise self._failure("read", error) from error
        if document is None:
            ours = {"lock", "blobs", "records"}  # what an interrupted first addition may have made before the note
            if not all(name in ours or name.startswith(f".{NOTE}.") for name in present):
                raise UsageError("is no artifact store, and not empty", str(self.path), "Name another place.")
        elif not isinstance(document, dict) or document.get("schema") != SCHEMA:
            schema = document.get("schema") if isinstance(document, dict) else None
            raise UsageError(
                f"is a store of form {schema!r}; this wslgpu knows form {SCHEMA}",
                str(self.path),
                "Use the wslgpu that wrote it, or name another place with WSLGPU_STORE_DIR.",
            )

    def _failure(self, purpose: str, error: OSError) -> WslgpuError:
        if error.errno in _FULL:
            what, step = "there is no room", "Nothing was added. Make room (wslgpu store prune), then try again."
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            what = (
                f"the store may not be written ({error.strerror})" if purpose != "read" else "the store may not be read"
            )
            step = "Nothing was changed. Run it as its owner, or name another place with WSLGPU_STORE_DIR."
        else:
            what, step = f"the store cannot be used: {error.strerror or error}", "Nothing was added. Check its disk."
        return WslgpuError(f"cannot {purpose}: {what}", str(error.filename or self.path), step)


def _refused(what: str, where: Path, next_step: str = "Nothing was stored.") -> WslgpuError:
    return WslgpuError(what, str(where), next_step, ErrorClass.INTEGRITY)
