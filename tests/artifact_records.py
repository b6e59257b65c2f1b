"""Artifacts for tests: records, archives and stores with as little in them as the thing under test looks at."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wslgpu.artifact_choice import Choice
from wslgpu.build.record import ArtifactRecord
from wslgpu.store.folder import Store

BUILDS = {"ffmpeg": "ffmpeg-7.1.5", "mesa-dozen": "mesa-dozen-25.0.7"}
VERSIONS = {"ffmpeg": "7.1.5", "mesa-dozen": "25.0.7"}
Content = Mapping[str, str | bytes]
"""Members of an archive by path: text or bytes; a text that begins with ``-> `` is a link."""


def record(artifact: str = "ffmpeg", **fields: Any) -> ArtifactRecord:
    """A record whose key and digests are made of one letter each, unless given."""
    made: dict[str, Any] = {
        "artifact": artifact,
        "version": VERSIONS[artifact],
        "build": BUILDS[artifact],
        "key": "b" * 64,
        "key_parts": {"recipe": "sha256:" + "e" * 64},
        "options": {},
        "base": "bookworm",
        "licence": "MIT",
        "digest": "sha256:" + "b" * 64,
        "size_bytes": 10240,
        "files": 3,
        "requirements": {},
        "proofs": [],
        "bill": "sha256:" + "c" * 64,
        "provenance": "sha256:" + "d" * 64,
        "created": "2026-01-01T00:00:00Z",
        "duration_s": 1.0,
        "tool_version": "test",
    }
    return ArtifactRecord.model_validate({**made, **fields})


def choice(artifact: str = "ffmpeg", **fields: Any) -> Choice:
    """A choice; ``record`` is given as what differs from :func:`record`'s, or None."""
    chosen = fields.pop("record", {})
    made = record(artifact, **chosen) if chosen is not None else None
    return Choice(
        artifact, fields.pop("install", "auto"), fields.pop("build", BUILDS[artifact]), fields.pop("digest", ""), made
    )


def archive(path: Path, content: Content) -> Path:
    """An archive as builds make them: programs of ``bin/`` may be run."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        folders = {str(parent) for name in content for parent in Path(name).parents} - {"."}
        for name in sorted({*content, *folders}):
            member = tarfile.TarInfo(name)
            member.mode = 0o755 if name in folders or name.startswith("bin/") else 0o644
            if name in folders:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
                continue
            text = content[name]
            if isinstance(text, str) and text.startswith("-> "):
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, text[3:], 0o777
                tar.addfile(member)
                continue
            data = text.encode() if isinstance(text, str) else text
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def store_one(store: Path, work: Path, artifact: str, mark: str, content: Content, **fields: Any) -> ArtifactRecord:
    """Put an artifact into a store.

    :param mark: makes its key; the store's youngest is that whose ``created`` is greatest
    """
    made = archive(work / f"{artifact}-{mark}.tar", content)
    data, bill, provenance = made.read_bytes(), f"bill {mark}".encode(), f"provenance {mark}".encode()
    stored = record(
        artifact,
        **{
            "key": hashlib.sha256(mark.encode()).hexdigest(),
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "size_bytes": len(data),
            "files": len(content),
            "bill": f"sha256:{hashlib.sha256(bill).hexdigest()}",
            "provenance": f"sha256:{hashlib.sha256(provenance).hexdigest()}",
            **fields,
        },
    )
    Store(store).add(stored, made, bill, provenance)
    made.unlink()
    return stored
