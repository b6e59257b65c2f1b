"""Container images for the lab's registry: small real root filesystems, made from the packages of a node's root.

No download of their own: the files of libc, dash, coreutils and the like are those that dpkg lists in the root.
Each image is an index (as NVIDIA's multi-architecture tags are) with one amd64 manifest, a layer that all
share, and a small one of its own.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from wslgpu.lab.shell import run

REPOSITORY = "nvidia/cuda"
REGISTRY = "docker.io"
# NVIDIA's images have a shell, coreutils and a linker cache; the toolkit's hook updates that cache
# the last three are what the lab's FFmpeg links, and in NVIDIA's images too
PACKAGES = tuple("base-files libc-bin dash coreutils grep mawk sed findutils libgcc-s1 libstdc++6 zlib1g".split())
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
class Layer:
    """One layer, as a tar archive."""

    tar: bytes

    @functools.cached_property
    def blob(self) -> Blob:
        """The layer as it lies in a registry."""
        return Blob(gzip.compress(self.tar, compresslevel=1, mtime=0))


@dataclass(frozen=True)
class Image:
    """One tag: the index it points at, the manifest in it, and all content below.

    :param repository: with its registry, ``docker.io/nvidia/cuda``
    """

    repository: str
    tag: str
    index: Blob
    manifest: Blob
    contents: tuple[Blob, ...]

    @property
    def size_bytes(self) -> int:
        return sum(len(blob.data) for blob in self.contents)


def build(shared: Layer) -> list[Image]:
    """The CUDA images, upon the layer that all images of a lab share."""
    return [_cuda(role, tag, shared) for role, tag in ROLES.items()]


def _cuda(role: str, tag: str, shared: Layer) -> Image:
    note = f"wslgpu lab stand-in for {REPOSITORY}:{tag}: Debian files, no CUDA\n".encode()
    own = layer({"etc/wslgpu-lab-image": note, f"usr/local/cuda/{role}.txt": note})
    config = {"Env": list(ENVIRONMENT), "Cmd": ["/bin/sh"]}
    return assemble(f"{REGISTRY}/{REPOSITORY}", tag, (shared, own), config)


def assemble(repository: str, tag: str, layers: Sequence[Layer], config: Mapping[str, Any]) -> Image:
    """An image of these layers, lowest first.

    :param config: the part of the image's configuration that says how it is run (``Env``, ``Entrypoint``, …)
    """
    body = Blob(
        _json(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": CREATED,
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [Blob(entry.tar).digest for entry in layers]},
                "history": [{"created": CREATED, "created_by": "wslgpu lab"} for _ in layers],
            }
        )
    )
    layer_type = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    manifest = Blob(
        _json(
            {
                "schemaVersion": 2,
                "mediaType": f"{MEDIA}.v2+json",
                "config": body.descriptor("application/vnd.docker.container.image.v1+json"),
                "layers": [entry.blob.descriptor(layer_type) for entry in layers],
            }
        )
    )
    entry = {**manifest.descriptor(f"{MEDIA}.v2+json"), "platform": {"architecture": "amd64", "os": "linux"}}
    index = Blob(_json({"schemaVersion": 2, "mediaType": f"{MEDIA}.list.v2+json", "manifests": [entry]}))
    return Image(repository, tag, index, manifest, (body, *(entry.blob for entry in layers)))


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


def shared_layer(root: Path) -> Layer:
    """The files of the packages in the node root at ``root``, with a linker cache that knows them; times are fixed."""
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
        fixed = ["--create", "--sort=name", "--mtime=@1760000000", "--owner=0", "--group=0", "--numeric-owner", "."]
        return Layer(run_tar(fixed, target, b""))


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


def layer(files: Mapping[str, bytes], programs: Mapping[str, bytes] = MappingProxyType({})) -> Layer:
    """A layer of files, and of programs that may be run; names are relative to the image's root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folders = sorted({str(parent) for name in (*files, *programs) for parent in Path(name).parents} - {"."})
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 1760000000
            archive.addfile(entry)
        for mode, members in ((0o644, files), (0o755, programs)):
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.mtime = len(data), mode, 1760000000
                archive.addfile(entry, io.BytesIO(data))
    return Layer(buffer.getvalue())


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, indent=3).encode()
