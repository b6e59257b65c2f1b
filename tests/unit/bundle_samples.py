"""Small locks, and bundles of them, that are made from a server on loopback."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.unit.source_server import Source, Waits
from wslgpu.bundle import archive
from wslgpu.bundle.index import LOCK, Index, Member, made
from wslgpu.bundle.make import Made, Request, make
from wslgpu.lock.load import digest_of
from wslgpu.lock.model import Download, Lock, LockedDistribution, LockedImage, LockedPackage
from wslgpu.lock.model import Index as LockedIndex
from wslgpu.lock.text import lock_text
from wslgpu.settings import Settings, load

NOT_HERE = frozenset({"wheels", "project", "sources"})
"""What is left out of a bundle of which only the rest is looked at."""
DEB = b"!<arch>\n" + bytes(range(256)) * 40


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def package(content: bytes, file: str, **changes: Any) -> LockedPackage:
    """A row for a file with this content."""
    row = {"version": "1.0", "sha256": sha256(content), "size_bytes": len(content), "file": file, "index": 0}
    return LockedPackage.model_validate({**row, **changes})


def lock(url: str, **changes: Any) -> Lock:
    """A lock with two packages and a key, all below one address, and the base package that is never fetched."""
    index = LockedIndex(
        uri=f"{url}/", suite="trixie", date="2026-01-02T03:04:05Z", sha256="0" * 64, snapshot=f"{url}/snapshot/"
    )
    packages = {
        "thing": package(DEB, "pool/t/thing_1.0_amd64.deb", components=["base"], depends=["libthing"]),
        "libthing": package(DEB + b"lib", "./libthing_1.0_amd64.deb"),
        "base-files": package(b"base", "pool/b/base-files_1.0_amd64.deb", base=True),
    }
    row: dict[str, Any] = {
        "tool_version": "0.1.0",
        "profile": "current",
        "inputs": {},
        "distributions": {"debian 13": LockedDistribution(indexes=[index], packages=packages)},
        "downloads": {"container-toolkit-key": Download(url=f"{url}/gpgkey", sha256=sha256(b"key"))},
    }
    return Lock.model_validate({**row, **changes})


def serve(source: Source) -> None:
    """Let the server have what :func:`lock` names."""
    for folder in ("pool/t", "snapshot/pool/t"):
        (source.folder / folder).mkdir(parents=True, exist_ok=True)
    source.put("pool/t/thing_1.0_amd64.deb", DEB)
    source.put("libthing_1.0_amd64.deb", DEB + b"lib")
    source.put("gpgkey", b"key")


def written(folder: Path, wanted: Lock) -> Path:
    """The lock as a file."""
    path = folder / LOCK
    path.write_text(lock_text(wanted), encoding="utf-8")
    return path


def bundle_of(folder: Path, wanted: Lock, *, settings: Settings | None = None, **changes: Any) -> Made:
    """Make ``folder/bundle.tar``, with waits that take no time."""
    request = Request(written(folder, wanted), folder / "bundle.tar", NOT_HERE)
    request = dataclasses.replace(request, **changes)
    return make(request, settings or load(), io.StringIO(), Waits().limits)


def plain_bundle(folder: Path, files: Mapping[str, bytes], wanted: Lock, *, says: str = "") -> Path:
    """A bundle of these files and a lock, written as they are.

    :param says: the digest of the lock in its index instead of the right one
    """
    path = written(folder, wanted)
    contents = {LOCK: path.read_bytes(), **files}
    members = []
    for name, content in contents.items():
        (folder / sha256(content)).write_bytes(content)
        members.append(Member(path=name, size_bytes=len(content), sha256=sha256(content)))
    index: Index = made(says or digest_of(path), members, [], list(wanted.distributions))
    target = folder / "plain.tar"
    with target.open("wb") as handle:
        archive.write(index, lambda member: folder / member.sha256, handle, lambda _: None)
    return target


class ImageContent:
    """An image as a registry has it: an index for two architectures, a manifest, a configuration and a layer."""

    def __init__(self) -> None:
        self.layer, self.config = b"layer" * 1000, b'{"architecture":"amd64"}'
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": self._row(self.config, "application/vnd.oci.image.config.v1+json"),
                "layers": [self._row(self.layer, "application/vnd.oci.image.layer.v1.tar")],
            }
        ).encode()
        fitting = {
            **self._row(self.manifest, "application/vnd.oci.image.manifest.v1+json"),
            "platform": {"os": "linux", "architecture": "amd64"},
        }
        other = {**fitting, "digest": "sha256:" + "f" * 64, "platform": {"os": "linux", "architecture": "arm64"}}
        self.index = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": [other, fitting],
            }
        ).encode()

    @staticmethod
    def _row(content: bytes, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": f"sha256:{sha256(content)}", "size": len(content)}

    @property
    def digest(self) -> str:
        return f"sha256:{sha256(self.index)}"

    @property
    def blobs(self) -> dict[str, bytes]:
        return {f"sha256:{sha256(one)}": one for one in (self.index, self.manifest, self.config, self.layer)}

    def serve(self, source: Source, name: str) -> None:
        """Let the server be a registry with this image, at /mirror."""
        (source.folder / "mirror/v2" / name / "manifests").mkdir(parents=True)
        (source.folder / "mirror/v2" / name / "blobs").mkdir()
        for digest, content in self.blobs.items():
            kind = "manifests" if content in (self.index, self.manifest) else "blobs"
            source.put(f"mirror/v2/{name}/{kind}/{digest}", content)

    def locked(self, user: str = "cuda_images") -> LockedImage:
        return LockedImage(digest=self.digest, used_by=[user])
