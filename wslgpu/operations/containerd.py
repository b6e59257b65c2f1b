"""containerd: its package, its configuration with NVIDIA's drop-in, and the registries' mirrors."""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu import package_names
from wslgpu.containerd_config import CERTS_D, ConflictError, Wanted, has_cdi, render
from wslgpu.facts import bound
from wslgpu.facts.apt import AptPackages
from wslgpu.facts.containerd import Containerd, ContainerdState
from wslgpu.facts.file_state import FileState, FileStates
from wslgpu.operations import apt
from wslgpu.operations.script import as_stdin, script, sha256_of

PACKAGES = package_names.CONTAINERD


@operation()
def installed(
    package: str,
    version: str,
    *,
    allow_downgrade: bool = False,
    lock_timeout_s: int = 120,
    download_timeout_s: int = 300,
) -> Generator[StringCommand, None, None]:
    """Install containerd from the package that the node has, or the distribution's where it has none.

    :param package: containerd, containerd.io, or auto; the other one of the two is never replaced unasked
    :param version: exact version, held; empty: any
    """
    present = bound.read(AptPackages, names=PACKAGES)
    there = [name for name in PACKAGES if name in present and present[name].status != "config-files"]
    chosen = (there[0] if there else "containerd") if package == "auto" else package
    if other := [name for name in there if name != chosen]:
        yield script(
            "fail",
            "platform",
            f"the node has {other[0]} {present[other[0]].version}, and the data ask for {chosen}",
            f"One is never swapped for the other unasked: set containerd_package to {other[0]}, or remove it yourself.",
        )
        return
    yield from apt.packages._inner(
        names=(chosen,),
        versions=((chosen, version),) if version else (),
        hold=bool(version),
        allow_downgrade=allow_downgrade,
        lock_timeout_s=lock_timeout_s,
        download_timeout_s=download_timeout_s,
        watched=PACKAGES,
    )


@operation()
def configured(
    systemd_cgroup: bool | Literal["auto"],
    *,
    default_runtime: bool,
    nvidia: Literal["refresh", "required"] = "refresh",
) -> Generator[StringCommand, None, None]:
    """Keep config.toml and NVIDIA's drop-in as they should be, the service enabled, and the running one on these files.

    containerd is restarted only if a file changed, or it does not run with them; running containers go on.

    :param systemd_cgroup: auto: systemd's driver on cgroup v2, cgroupfs on v1
    :param default_runtime: nvidia is the runtime of containers that ask for none
    :param nvidia: required: the nvidia runtime has to be there; refresh: where its drop-in is, it is kept in step
        with config.toml, of which it repeats a section
    """
    state = bound.read(Containerd, default_runtime=default_runtime)
    if state.version is None:
        yield script("fail", "platform", "there is no containerd on this node", "Run the containerd task.")
        return
    wanted = Wanted(
        version=state.version,
        systemd_cgroup=state.cgroup_v2 if systemd_cgroup == "auto" else systemd_cgroup,
        restrict_oom_score_adj=not state.sys_resource,
    )
    try:
        text = render(state.config, wanted, debian_packaged=state.debian_packaged)
    except ConflictError as conflict:
        yield script("fail", "platform", str(conflict), "Name the mirrors as containerd_mirrors in site.yml instead.")
        return
    if _settled(state, text, nvidia):
        host.noop("containerd is configured and runs with it")
        return
    arguments = (nvidia, default_runtime, has_cdi(state.version), bool(state.stale))
    yield script("containerd_config", sha256_of(text), *arguments, stdin=as_stdin(text))


def _settled(state: ContainerdState, text: str, nvidia: str) -> bool:
    drop_in = ("same",) if nvidia == "required" else ("same", "missing", "no-toolkit")
    return (
        text == state.config
        and state.drop_in in drop_in
        and state.merged
        and state.enabled
        and state.active
        and not state.stale
        and not state.unfinished
    )


@operation()
def registry_hosts(
    files: tuple[tuple[str, str], ...], *, default_runtime: bool
) -> Generator[StringCommand, None, None]:
    """Keep the files under certs.d that name the registries' mirrors; ours that the data no longer name go.

    containerd reads them at every pull, so it needs no restart. A hosts.toml that somebody else wrote in one's place
    is kept beside it, once.

    :param files: path and content of each
    """
    state = bound.read(Containerd, default_runtime=default_runtime)
    wanted = dict(files)
    present = bound.read(FileStates, paths=tuple(wanted)) if wanted else {}
    surplus = [path for path in state.hosts if path not in wanted]
    differing = [
        path
        for path, content in files
        if present.get(path) != FileState("file", "644", "root:root", sha256_of(content))
    ]
    if not surplus and not differing:
        host.noop(f"{len(wanted)} files in {CERTS_D} are as they should be")
        return
    for path in differing:
        yield script("containerd_hosts", path, sha256_of(wanted[path]), stdin=as_stdin(wanted[path]))
    if surplus:
        yield script("remove_file", *surplus)
