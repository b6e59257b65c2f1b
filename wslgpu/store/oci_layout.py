"""An artifact as an ordinary OCI image in a folder: what goes to a registry, and what comes back.

Layer 1 is the artifact's archive itself, so its digest there is the artifact's; layer 2 has record, bill of materials
and provenance below ``.wslgpu/``. Media types are the standard ones for image layers, so that any registry takes it and
any container can copy from it. Source: opencontainers/image-spec v1.1 (image layout, manifest, config).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from wslgpu.build.pack import check_archive
from wslgpu.build.record import ArtifactRecord
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.host_files import sha256_of_file
from wslgpu.store import entries
from wslgpu.store.folder import Store

TAG = "artifact"
"""The name of the image inside the folder."""
FOLDER = ".wslgpu"
DOCUMENTS = ("bill.json", "provenance.json", "record.json")
DOCUMENT_LIMIT_BYTES = 16 << 20
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Pulled:
    """What an image held, every digest compared.

    :param manifest: digest of the image's manifest
    """

    record: ArtifactRecord
    archive: Path
    bill: bytes
    provenance: bytes
    manifest: str


def write_layout(store: Store, record: ArtifactRecord, folder: Path) -> str:
    """Write an artifact as an image layout; the same artifact gives the same bytes.

    :param folder: is made
    :return: digest of the manifest
    :raises WslgpuError: class integrity: it is corrupted in the store
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    archive = store.open_archive(record)
    _link_or_copy(archive, blobs / record.digest.removeprefix("sha256:"))
    contents = {
        "bill.json": store.read_bill(record),
        "provenance.json": store.read_provenance(record),
        "record.json": entries.canonical(record),
    }
    layers = [
        {"mediaType": _LAYER, "digest": record.digest, "size": record.size_bytes},
        _put(blobs, _LAYER, _documents(contents)),
    ]
    config = {
        "architecture": record.architecture,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _put(blobs, _CONFIG, _json(config)),
        "layers": layers,
        "annotations": {
            "org.opencontainers.image.title": record.name,
            "org.opencontainers.image.version": record.version,
            "org.opencontainers.image.licenses": record.licence,
            "org.opencontainers.image.created": record.created,
        },
    }
    descriptor = _put(blobs, _MANIFEST, _json(manifest))
    index = {
        "schemaVersion": 2,
        "manifests": [{**descriptor, "annotations": {"org.opencontainers.image.ref.name": TAG}}],
    }
    (folder / "index.json").write_bytes(_json(index))
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    return str(descriptor["digest"])


def read_layout(folder: Path, where: str) -> Pulled:
    """Read an image layout that holds one artifact.

    :param where: what to call it in an error
    :raises WslgpuError: class integrity: a digest that is not that of its bytes, or no artifact of ours; class safety:
        an archive that is not fit to be unpacked
    """
    try:
        descriptor = json.loads((folder / "index.json").read_bytes())["manifests"][0]
        manifest = json.loads(_blob(folder, descriptor["digest"], where).read_bytes())
        layers = manifest["layers"]
        if len(layers) != 2 or any(layer["mediaType"] != _LAYER for layer in layers):
            raise _refused("is no artifact of wslgpu's: it has other layers", where)
        archive = _blob(folder, layers[0]["digest"], where)
        documents = _read_documents(_blob(folder, layers[1]["digest"], where), where)
        record = entries.parse(json.loads(documents["record.json"]))
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise _refused(f"is no artifact of wslgpu's ({str(error)[:200] or type(error).__name__})", where) from error
    if record.digest != layers[0]["digest"]:
        raise _refused(f"has the archive {layers[0]['digest']}, and its record speaks of {record.digest}", where)
    for name, digest in (("bill.json", record.bill), ("provenance.json", record.provenance)):
        if f"sha256:{hashlib.sha256(documents[name]).hexdigest()}" != digest:
            raise _refused(f"has another {name} than its record speaks of", where)
    check_archive(archive)
    return Pulled(record, archive, documents["bill.json"], documents["provenance.json"], str(descriptor["digest"]))


def _documents(contents: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo(FOLDER)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, BytesIO(content))
    return buffer.getvalue()


def _read_documents(layer: Path, where: str) -> dict[str, bytes]:
    check_archive(layer)
    found = {}
    with tarfile.open(layer, mode="r:") as tar:
        for name in DOCUMENTS:
            member = tar.getmember(f"{FOLDER}/{name}")
            content = tar.extractfile(member) if member.isreg() and member.size <= DOCUMENT_LIMIT_BYTES else None
            if content is None:
                raise _refused(f"has a {name} that cannot be read", where)
            found[name] = content.read()
    return found


def _blob(folder: Path, digest: Any, where: str) -> Path:
    """A blob of the layout, its bytes compared with its digest."""
    algorithm, _, value = str(digest).partition(":")
    if algorithm != "sha256" or len(value) != 64 or not all(sign in "0123456789abcdef" for sign in value):
        raise _refused(f"names a blob by {str(digest)[:100]!r}", where)
    path = folder / "blobs" / "sha256" / value
    if (found := sha256_of_file(path)) != value:
        raise _refused(f"has other bytes than it says: {found} in place of {value}", where)
    return path


def _put(blobs: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _refused(what: str, where: str) -> WslgpuError:
    return WslgpuError(what, where, "Nothing was stored. Push it anew from where it was built.", ErrorClass.INTEGRITY)
