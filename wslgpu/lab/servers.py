"""The two servers of a lab, on the bridge's address: the HTTP server and, behind it, the registry."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wslgpu.errors import ErrorClass
from wslgpu.host_files import locked
from wslgpu.lab import kubernetes_images, packages, registry, root
from wslgpu.lab.errors import LabError
from wslgpu.lab.places import cache_root
from wslgpu.lab.shell import detach
from wslgpu.lab.state import LabState
from wslgpu.programs import ProcessId

TOOLKIT_VERSIONS = ("1.18.1-1", "1.18.2-1", "1.19.0-1", "1.19.1-1", "1.20.0-1")
OTHER_STAND_INS = ("device_plugin", "k3s")
"""Folders of stand_ins that NVIDIA's packages have nothing of: these are not built anew for them."""
PORTS = range(8080, 8180)
START_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Content:
    """What the servers serve: packages, the registry's storage, its program."""

    debs: tuple[Path, ...]
    storage: Path
    program: Path


def prepare(
    source: Path,
    toolkit_debs: Path | None,
    progress: Callable[[str], None],
    *,
    kubernetes: bool = False,
    device_plugin: Path | None = None,
) -> Content:
    """Get everything the servers need; slow the first time, and touches no lab.

    :param kubernetes: the registry has what the pods of a cluster are made from too
    :param device_plugin: program in place of the stand-in device plugin
    """
    debs = _given(toolkit_debs) if toolkit_debs else _stand_ins(progress)
    plugin = _device_plugin(device_plugin, progress) if kubernetes else None
    storage = registry.ensure_content(source, progress, plugin)
    registry.prune(storage)
    return Content(debs, storage, registry.ensure_program(progress))


def _device_plugin(given: Path | None, progress: Callable[[str], None]) -> Path:
    """The program of the registry's device plugin images: the one given, or the stand-in, built when it is new."""
    if given is not None:
        return given
    from wslgpu.lab.kubernetes import ensure

    return ensure.program(ensure.STAND_IN_PLUGIN, progress) / "bin/nvidia-device-plugin"


def _given(folder: Path) -> tuple[Path, ...]:
    debs = tuple(sorted(folder.glob("*.deb")))
    if not debs:
        raise LabError(
            what="there is no .deb file",
            where=str(folder),
            next_step="name the folder that holds the NVIDIA Container Toolkit's packages",
            error_class=ErrorClass.USAGE,
        )
    return debs


def _stand_ins(progress: Callable[[str], None]) -> tuple[Path, ...]:
    """The stand-in packages, built when their sources have changed."""
    from wslgpu.lab.stand_ins import toolkit

    folder = Path(toolkit.__file__).parent
    sources = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.relative_to(folder).parts[0] not in OTHER_STAND_INS
    )
    digest = hashlib.sha256(repr(TOOLKIT_VERSIONS).encode())
    for path in sources:
        digest.update(path.read_bytes())
    place = cache_root() / "debs" / digest.hexdigest()[:16]
    with locked(place.with_name(f".{place.name}.lock")):
        if not place.is_dir():
            progress("building the stand-ins for NVIDIA's packages")
            new = place.with_name(f".{place.name}.new")
            root.remove(new)
            new.mkdir()
            toolkit.build_debs(new, TOOLKIT_VERSIONS)
            new.rename(place)
    return tuple(sorted(place.glob("*.deb")))


def start(lab: LabState, content: Content) -> LabState:
    """Make the repository, start both servers, and return the state that names them."""
    packages.Repository(lab.directory).create(content.debs)
    http_port, registry_port = _free_ports(lab.gateway, 2)
    upstream = f"{lab.gateway}:{registry_port}"
    config = lab.directory / "registry.yml"
    registry.write_config(config, content.storage, upstream)
    project = str(Path(__file__).resolve().parents[2])
    serve = [sys.executable, "-m", "wslgpu.lab.server", f"--directory={lab.directory}"]
    serve += [f"--address={lab.gateway}", f"--port={http_port}", f"--registry={upstream}"]
    with (lab.directory / "servers.log").open("ab") as log:
        detach([content.program, "serve", config], output=log, env={"OTEL_TRACES_EXPORTER": "none"})
        detach(serve, output=log, env={"PYTHONPATH": project})
    for port in (http_port, registry_port):
        _wait_for(lab, port)
    found = replace(lab, http_port=http_port, content=str(content.storage))
    for pid in find(lab.directory):
        identity = ProcessId.of(pid)
        if identity:
            found = found.with_process(_role(pid), identity)
    return found


def find(directory: Path) -> list[int]:
    """The server processes of the lab in ``directory``, by their command lines."""
    marks = {f"--directory={directory}".encode(), f"{directory}/registry.yml".encode()}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if marks & set((entry / "cmdline").read_bytes().split(b"\0")):
                    found.append(int(entry.name))
    return found


def _role(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return "http" if b"wslgpu.lab.server" in words else "registry"


def _free_ports(address: str, count: int) -> list[int]:
    """Ports nobody has on ``address``; something of this machine may listen on all addresses."""
    free: list[int] = []
    for port in PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((address, port))
            free.append(port)
        if len(free) == count:
            return free
    raise LabError(
        what=f"no free port between {PORTS.start} and {PORTS.stop - 1}",
        where=address,
        next_step="see `ss -tlnp` for what listens on all addresses",
    )


def _wait_for(lab: LabState, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((lab.gateway, port), timeout=1):
            return
        time.sleep(0.02)
    log = (lab.directory / "servers.log").read_text(errors="replace")[-1000:]
    raise LabError(
        what=f"the lab's server on port {port} does not answer after {START_TIMEOUT_S:g} s; it said: {log}",
        where=lab.name,
        next_step=f"wslgpu lab down --name {lab.name}",
        error_class=ErrorClass.TIMEOUT,
        retryable=True,
    )


def site_data(lab: LabState) -> dict[str, Any]:
    """What makes the deploy use this lab's servers; nothing for a lab without."""
    if not lab.http_port:
        return {}
    repository = packages.Repository(lab.directory)
    cuda, workloads = registry.images_in(Path(lab.content)), registry.workload_images_in(Path(lab.content))
    names = [*(row["repository"] for row in cuda), *workloads]
    return {
        "container_toolkit_repository_uri": f"{lab.base_url}/{packages.PATH}",
        "container_toolkit_key_url": f"{lab.base_url}/{packages.KEY_PATH}",
        "container_toolkit_key_fingerprint": repository.fingerprint,
        "containerd_mirrors": kubernetes_images.mirrors(names, lab.base_url),
        "cuda_images": cuda,
        **kubernetes_images.tables(workloads),
    }
