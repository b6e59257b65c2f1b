"""A real registry server (Debian's docker-registry) over content that is made once and only read.

The program is unpacked into the cache and not installed, so that nothing of it starts on this machine. The
content is written in the layout of the registry's own filesystem driver, which has been stable since 2015.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wslgpu.errors import ErrorClass
from wslgpu.host_files import locked
from wslgpu.lab import image, kubernetes_images, root, state
from wslgpu.lab.errors import LabError
from wslgpu.lab.places import cache_root
from wslgpu.lab.shell import run
from wslgpu.settings import DEVICE_PLUGINS_FILE, VLLM_FILE

PACKAGE = "docker-registry"
RECIPE = 2
NOTE = "images.json"

CONFIG = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  maintenance: {{readonly: {{enabled: true}}}}
http: {{addr: "{address}"}}
"""


def ensure_program(progress: Callable[[str], None]) -> Path:
    """The docker-registry program: the installed one, or the package's, unpacked into the cache."""
    installed = shutil.which(PACKAGE)
    if installed:
        return Path(installed)
    place = cache_root() / "registry-program"
    program = place / "usr/bin" / PACKAGE
    with locked(place.with_name(".registry-program.lock")):
        if program.exists():
            return program
        progress(f"fetching {PACKAGE}, 5 MB, once")
        new = place.with_name(f".registry-program.new-{os.getpid()}")
        root.remove(new)
        new.mkdir()
        try:
            _fetch(new)
            new.rename(place)
        finally:
            root.remove(new)
    return program


def _fetch(folder: Path) -> None:
    if not run(["apt-get", "download", PACKAGE], cwd=folder, timeout_s=300, check=False).ok:
        run(["apt-get", "update"], timeout_s=300)
        run(["apt-get", "download", PACKAGE], cwd=folder, timeout_s=300)
    debs = list(folder.glob("*.deb"))
    if len(debs) != 1:
        raise LabError(
            what=f"apt-get download left {len(debs)} packages, not one",
            where=PACKAGE,
            next_step=f"apt-get update, or install {PACKAGE}",
            error_class=ErrorClass.NETWORK,
            retryable=True,
        )
    run(["dpkg-deb", "--extract", debs[0], folder])
    debs[0].unlink()


def ensure_content(source: Path, progress: Callable[[str], None], plugin: Path | None = None) -> Path:
    """Storage with all images, made from the node root ``source`` when that or what goes into them is new.

    :param plugin: the program nvidia-device-plugin; with it the registry has what a cluster's pods are made from
    """
    files = (image.__file__, kubernetes_images.__file__, __file__, DEVICE_PLUGINS_FILE, VLLM_FILE)
    recipe = b"".join(Path(file).read_bytes() for file in files)
    programs = kubernetes_images.programs(plugin)
    inputs = f"{RECIPE} {source.name} ".encode() + recipe + programs.pause + programs.vllm + programs.plugin
    key = hashlib.sha256(inputs).hexdigest()[:16]
    place = cache_root() / "registry" / key
    with locked(place.with_name(f".{key}.lock")):
        if place.is_dir():
            return place
        progress("making the registry's images from the root's own files")
        new = place.with_name(f".{key}.new-{os.getpid()}")
        root.remove(new)
        try:
            shared = image.shared_layer(source)
            cuda, workloads = image.build(shared), kubernetes_images.build(shared, programs)
            for entry in (*cuda, *workloads):
                store(new, entry.repository.partition("/")[2], entry)
            (new / NOTE).write_text(json.dumps({"cuda": _note(cuda), "images": _digests(workloads)}, indent=1))
            new.rename(place)
        finally:
            root.remove(new)
    return place


def _note(images: list[image.Image]) -> list[dict[str, Any]]:
    """cuda_images as a site's data has them, of the three roles that the deploy pulls."""
    roles = {tag: role for role, tag in image.ROLES.items()}
    return [
        {
            "role": roles[entry.tag],
            "repository": entry.repository,
            "tag": entry.tag,
            "digest": entry.index.digest,
            "size_bytes": entry.size_bytes,
            **kubernetes_images.SEEN,
        }
        for entry in images
        if roles[entry.tag] != "older"
    ]


def _digests(images: list[image.Image]) -> dict[str, str]:
    return {f"{entry.repository}:{entry.tag}": entry.index.digest for entry in images}


def store(storage: Path, repository: str, entry: image.Image) -> None:
    """Write one image in the layout of docker-registry's filesystem driver."""
    base = storage / "docker/registry/v2"
    own = base / "repositories" / repository
    for blob in (*entry.contents, entry.manifest, entry.index):
        algorithm, digest = blob.digest.split(":")
        data = base / "blobs" / algorithm / digest[:2] / digest / "data"
        data.parent.mkdir(parents=True, exist_ok=True)
        data.write_bytes(blob.data)
    for blob in entry.contents:
        _link(own / "_layers", blob.digest)
    for blob in (entry.manifest, entry.index):
        _link(own / "_manifests/revisions", blob.digest)
    tag = own / "_manifests/tags" / entry.tag
    _link(tag / "index", entry.index.digest)
    (tag / "current").mkdir(parents=True, exist_ok=True)
    (tag / "current/link").write_text(entry.index.digest)


def _link(folder: Path, digest: str) -> None:
    place = folder / digest.replace(":", "/") / "link"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(digest)


def write_config(path: Path, storage: Path, address: str) -> None:
    path.write_text(CONFIG.format(storage=storage, address=address))


def images_in(storage: Path) -> list[dict[str, Any]]:
    """``cuda_images`` for site.yml."""
    found: list[dict[str, Any]] = json.loads((storage / NOTE).read_text())["cuda"]
    return found


def workload_images_in(storage: Path) -> dict[str, str]:
    """``repository:tag`` -> digest, of the images that workloads are made from."""
    found: dict[str, str] = json.loads((storage / NOTE).read_text())["images"]
    return found


def prune(keep: Path, older_than_s: float = 14 * 24 * 3600) -> None:
    """Remove old contents that no lab reads."""
    used = {keep}
    for name in state.names():
        with contextlib.suppress(LabError):
            used.add(Path(state.load(name).content))
    for entry in keep.parent.iterdir():
        if entry.is_dir() and entry not in used and time.time() - entry.stat().st_mtime > older_than_s:
            root.remove(entry)
