"""Container images for the lab's registry: small real root filesystems, made from the packages of a node's root.

No download of their own: the files of libc, dash, coreutils and the like are those that dpkg lists in the root.
Each image is an index (as NVIDIA's multi-architecture tags are) with one amd64 manifest, a layer that all
share, and a small one of its own.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.lab.shell import run

REPOSITORY = "nvidia/cuda"
# NVIDIA's images have a shell, coreutils and a linker cache; the toolkit's hook updates that cache
PACKAGES = ("base-files", "libc-bin", "dash", "coreutils", "grep", "mawk", "sed", "findutils")
SKIP = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info", "/usr/share/lintian")
ROLES = {
    "base": "13.0.0-base-ubuntu24.04",
    "runtime": "13.0.0-runtime-ubuntu24.04",
    "devel": "13.0.0-devel-ubuntu24.04",
    "older": "12.6.3-base-ubuntu22.04",
}
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "NVIDIA_VISIBLE_DEVICES=all",
    "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
)
MEDIA = "application/vnd.docker.distribution.manifest"
CREATED = "2025-11-20T00:00:00Z"


@dataclass(frozen=True)
class Blob:
    """Bytes under their digest."""

    data: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "size": len(self.data), "digest": self.digest}


@dataclass(frozen=True)
class Image:
    """One tag: the index it points at, the manifest in it, and all content below."""

    tag: str
    index: Blob
    manifest: Blob
    contents: tuple[Blob, ...]

    @property
    def size_bytes(self) -> int:
        return sum(len(blob.data) for blob in self.contents)


def build(root: Path) -> list[Image]:
    """All images of the lab, from the node root at ``root``."""
    shared_tar = _shared_layer(root)
    shared = Blob(gzip.compress(shared_tar, compresslevel=1, mtime=0))
    return [_image(role, tag, shared, shared_tar) for role, tag in ROLES.items()]


def _image(role: str, tag: str, shared: Blob, shared_tar: bytes) -> Image:
    note = f"wslgpu lab stand-in for {REPOSITORY}:{tag}: Debian files, no CUDA\n"
    own_tar = _tar({"etc/wslgpu-lab-image": note, f"usr/local/cuda/{role}.txt": note})
    own = Blob(gzip.compress(own_tar, compresslevel=1, mtime=0))
    config = Blob(
        _json(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": CREATED,
                "config": {"Env": list(ENVIRONMENT), "Cmd": ["/bin/sh"]},
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [Blob(tar).digest for tar in (shared_tar, own_tar)],
                },
                "history": [{"created": CREATED, "created_by": "wslgpu lab"} for _ in range(2)],
            }
        )
    )
    layer_type = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    manifest = Blob(
        _json(
            {
                "schemaVersion": 2,
                "mediaType": f"{MEDIA}.v2+json",
                "config": config.descriptor("application/vnd.docker.container.image.v1+json"),
                "layers": [shared.descriptor(layer_type), own.descriptor(layer_type)],
            }
        )
    )
    entry = {**manifest.descriptor(f"{MEDIA}.v2+json"), "platform": {"architecture": "amd64", "os": "linux"}}
    index = Blob(_json({"schemaVersion": 2, "mediaType": f"{MEDIA}.list.v2+json", "manifests": [entry]}))
    return Image(tag, index, manifest, (config, shared, own))


def closure(status: str, wanted: Iterable[str]) -> set[str]:
    """Installed packages that ``wanted`` depend on, themselves included; ``status`` is dpkg's status file."""
    depends: dict[str, list[str]] = {}
    for stanza in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if "Package" in fields:
            text = ", ".join(fields[key] for key in ("Pre-Depends", "Depends") if key in fields)
            depends[fields["Package"]] = [
                option.split("(")[0].split(":")[0].strip() for term in text.split(",") for option in term.split("|")
            ]
    found: set[str] = set()
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name in depends and name not in found and not name.startswith(("debconf", "perl")):
            found.add(name)
            todo += depends[name]
    return found


def _shared_layer(root: Path) -> bytes:
    """The files of the packages, with a linker cache that knows them, as a tar with fixed times."""
    names = closure((root / "var/lib/dpkg/status").read_text(), PACKAGES)
    info = root / "var/lib/dpkg/info"
    lists = [path for path in sorted(info.glob("*.list")) if path.stem.split(":")[0] in names]
    paths = {line for path in lists for line in path.read_text().splitlines() if not line.startswith(SKIP)}
    # with merged /usr, packages may list /bin/x; the links themselves belong to no package on Debian 12
    paths |= {"/bin", "/sbin", "/lib", "/lib64", "/etc/passwd", "/etc/group", "/usr/bin/sh", "/usr/bin/awk"}
    paths |= {"/usr/bin/mawk", "/etc/alternatives/awk"}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "root"
        target.mkdir()
        listing = "\0".join(sorted(_real(root, path) for path in paths if path not in ("/", "/."))).encode()
        archive = run_tar(
            ["--create", "--no-recursion", "--ignore-failed-read", "--null", "--files-from=-"], root, listing
        )
        run_tar(["--extract"], target, archive)
        (target / "tmp").mkdir(exist_ok=True)
        (target / "tmp").chmod(0o1777)
        for name in ("proc", "sys", "dev", "run"):
            (target / name).mkdir(exist_ok=True)
        run(["chroot", target, "/sbin/ldconfig"])
        (target / "var/cache/ldconfig/aux-cache").unlink(missing_ok=True)
        return run_tar(
            ["--create", "--sort=name", "--mtime=@1760000000", "--owner=0", "--group=0", "--numeric-owner", "."],
            target,
            b"",
        )


def _real(root: Path, path: str) -> str:
    """``path`` relative to the root, with a merged /bin, /sbin or /lib* resolved: tar must not store it twice."""
    first, _, rest = path.lstrip("/").partition("/")
    if rest and (root / first).is_symlink():
        return f"usr/{first}/{rest}"
    return path.lstrip("/")


def run_tar(options: list[str], folder: Path, data: bytes) -> bytes:
    """GNU tar in ``folder``, from ``data`` to what it writes; binary, which shell.run is not."""

    argv = ["tar", f"--directory={folder}", *options]
    return subprocess.run(argv, input=data, capture_output=True, check=True, timeout=120).stdout


def _tar(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folders = sorted({str(parent) for name in files for parent in Path(name).parents} - {"."})
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 1760000000
            archive.addfile(entry)
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(text.encode()), 0o644, 1760000000
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, indent=3).encode()
