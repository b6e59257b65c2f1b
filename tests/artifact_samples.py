"""Artifacts packed as builds pack them, for tests of the store and of the archive itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.artifact_records import record
from wslgpu.build.pack import pack
from wslgpu.build.record import ArtifactRecord

BILL = b'{"bomFormat": "CycloneDX"}\n'
PROVENANCE = b'{"_type": "https://in-toto.io/Statement/v1"}\n'


@dataclass(frozen=True)
class Sample:
    """Something that a store takes."""

    record: ArtifactRecord
    archive: Path
    bill: bytes = BILL
    provenance: bytes = PROVENANCE


def make_tree(folder: Path, content: bytes = b"library") -> Path:
    """A tree as a build leaves it: a library with its link, and a program."""
    (folder / "lib").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "lib" / "libthing.so.1").write_bytes(content)
    (folder / "lib" / "libthing.so").symlink_to("libthing.so.1")
    (folder / "bin" / "thing").write_bytes(b"#!/bin/sh\n")
    (folder / "bin" / "thing").chmod(0o755)
    return folder


def make_sample(folder: Path, *, content: bytes = b"library", **fields: Any) -> Sample:
    """An archive in ``folder`` and its record, whose key follows from the content; ``fields`` replace the record's."""
    tree = make_tree(folder / "tree", content)
    archive = folder / "artifact.tar"
    packed = pack(tree, archive, epoch=1_700_000_000)
    values: dict[str, Any] = {
        "key": hashlib.sha256(content).hexdigest(),
        "digest": packed.digest,
        "size_bytes": packed.size_bytes,
        "files": packed.files,
        "bill": f"sha256:{hashlib.sha256(BILL).hexdigest()}",
        "provenance": f"sha256:{hashlib.sha256(PROVENANCE).hexdigest()}",
    }
    return Sample(record(**{**values, **fields}), archive)
