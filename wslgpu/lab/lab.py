"""A lab from nothing to nothing: root filesystem, network, keys, servers, nodes; and all of it away again."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from wslgpu.errors import ErrorClass
from wslgpu.host_files import write_atomically
from wslgpu.lab import host, imported, keys, network, persona, root, servers, state, sysctl
from wslgpu.lab.errors import LabError
from wslgpu.lab.faults import Faults
from wslgpu.lab.kubernetes import control_plane, requirements
from wslgpu.lab.kubernetes.cluster import Cluster
from wslgpu.lab.node import Node
from wslgpu.lab.packages import Repository
from wslgpu.lab.shell import run
from wslgpu.lab.state import LabState, NodeState
from wslgpu.lab.traces import remove_traces
from wslgpu.lock.model import LOCK_NAME
from wslgpu.programs import ProcessId

Progress = Callable[[str], None]
MAX_NODES = 50


def silent(_: str) -> None:
    """A progress that says nothing."""


@dataclass(frozen=True)
class LabSpec:
    """What `lab up` is asked for.

    :param owner_pid: a process whose death makes the lab an orphan that a test session may remove; None for a
        person's lab
    :param driver: driver scenario of the nodes in place of the persona's; empty for the persona's
    :param toolkit_debs: folder whose packages the lab's repository serves in place of the stand-ins
    :param servers: package repository and registry; a node without them is up sooner
    :param cgroup: empty: v2 as in WSL, or v1 where Kubernetes asks for it
    :param kubernetes: the node is the control plane of a cluster, which `wslgpu apply` then lets it join
    :param device_plugin: program that the registry's device plugin images hold in place of the stand-in
    :param image: a .wsl file that the nodes are made from, in place of the base
    :param lock: make the lab's lock too, and keep its packages in a repository of the lab's
    """

    name: str = "default"
    nodes: int = 1
    persona: str = "wsl2"
    driver: str = ""
    base: str = "trixie"
    cgroup: str = ""
    kind: str = "node"
    toolkit_debs: Path | None = None
    owner_pid: int | None = None
    servers: bool = True
    kubernetes: bool = False
    device_plugin: Path | None = None
    lock: bool = False
    image: Path | None = None

    @property
    def cgroup_version(self) -> str:
        """The control groups that the nodes get."""
        return self.cgroup or ("v1" if self.kubernetes else "v2")


class Lab:
    """One lab. ``Lab.up(LabSpec(...))`` makes it, ``Lab.load(name)`` finds it, ``down(name)`` removes it."""

    def __init__(self, lab_state: LabState) -> None:
        self.state = lab_state

    @classmethod
    def load(cls, name: str = "default") -> Lab:
        return cls(state.load(name))

    @classmethod
    def up(cls, spec: LabSpec, progress: Progress = silent) -> Lab:
        """Make the lab. When it fails half-way, what was made is taken down again."""
        host.require_root()
        host.require_packages()
        requirements.require(spec.kubernetes, spec.device_plugin, spec.nodes, spec.kind, spec.cgroup_version)
        host.require_cgroup(spec.cgroup_version)
        imported.require(spec.image, kind=spec.kind, kubernetes=spec.kubernetes)
        persona.with_driver(persona.find(spec.persona), spec.driver)
        if not 1 <= spec.nodes <= MAX_NODES:
            raise LabError(
                what=f"{spec.nodes} nodes: between 1 and {MAX_NODES} can be made",
                where="--nodes",
                next_step="ask for fewer",
                error_class=ErrorClass.USAGE,
            )
        with state.lab_lock(spec.name):
            directory = state.directory_of(spec.name)
            if directory.exists():
                raise LabError(
                    what=f"lab {spec.name!r} is already there",
                    where=str(directory),
                    next_step=f"wslgpu lab down --name {spec.name}",
                    error_class=ErrorClass.USAGE,
                )
            try:
                return _up(spec, directory, progress)
            except BaseException:
                with contextlib.suppress(LabError):
                    _down(spec.name, progress)
                raise

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def directory(self) -> Path:
        return self.state.directory

    @property
    def persona(self) -> persona.Persona:
        return persona.with_driver(persona.find(self.state.persona), self.state.driver)

    @property
    def nodes(self) -> list[Node]:
        return [Node(self.state, node, self.persona) for node in self.state.nodes]

    def node(self, name: str = "node1") -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        raise LabError(
            what=f"lab {self.name!r} has no node {name!r}",
            where="node",
            next_step=f"one of {', '.join(node.name for node in self.nodes)}",
            error_class=ErrorClass.USAGE,
        )

    @property
    def kubernetes(self) -> Cluster:
        """The lab's cluster.

        :raises LabError: it has none
        """
        if self.state.kubernetes:
            return Cluster(self.nodes[0])
        raise LabError(
            what=f"lab {self.name!r} has no Kubernetes",
            where="lab",
            next_step="make one that has: wslgpu lab up --kubernetes --name ANOTHER",
            error_class=ErrorClass.USAGE,
        )

    @property
    def site_file(self) -> Path:
        """The data that makes the deploy use this lab's repository and registry."""
        return self.directory / "site.yml"

    @property
    def lock_file(self) -> Path:
        """The lab's lock, which `lab up --lock` makes; deploys to the lab use it where it is there."""
        return self.directory / LOCK_NAME

    @property
    def ssh_config(self) -> Path:
        """An ssh configuration that knows the nodes by name."""
        return self.directory / "ssh_config"

    @property
    def faults(self) -> Faults:
        """Switches for what the lab's HTTP server does wrong."""
        return Faults(self.directory)

    @property
    def repository(self) -> Repository:
        """The package repository, to be spoilt and repaired."""
        return Repository(self.directory)

    @property
    def healthy(self) -> bool:
        """Every node answers and every server lives."""
        if not self.state.complete or not all(process.alive for _, process in self.state.processes):
            return False
        if self.state.kubernetes and not self.kubernetes.answers:
            return False
        return all(not node.boot_failed for node in self.nodes)

    def describe(self) -> dict[str, Any]:
        """The lab as `lab list --json` shows it."""
        return {
            "name": self.name,
            "healthy": self.healthy,
            "complete": self.state.complete,
            "persona": self.state.persona,
            "driver": self.persona.driver,
            "base": self.state.base,
            "cgroup": self.state.cgroup,
            "subnet": self.state.subnet,
            "url": self.state.base_url if self.state.http_port else None,
            "site": str(self.site_file),
            "lock": str(self.lock_file) if self.lock_file.exists() else None,
            "missing": list(self.persona.missing),
            "stand_ins": list(self.persona.stand_ins),
            "kubernetes": self.kubernetes.describe() if self.state.kubernetes else None,
            "nodes": [{"name": node.name, "address": node.address, "running": node.running} for node in self.nodes],
        }


def _up(spec: LabSpec, directory: Path, progress: Progress) -> Lab:
    source = root.ensure(root.RootSpec(spec.base, spec.kind), progress)
    content = _content(spec, source, progress) if spec.servers else None
    programs = ""
    if spec.kubernetes:
        from wslgpu.lab.kubernetes import ensure

        programs = str(ensure.program(ensure.KUBERNETES, progress))
        source = root.ensure(root.RootSpec(spec.base, spec.kind, control_plane=True), progress)
    with state.host_lock():
        lab_state = _claim(spec, directory, programs)
        progress(f"network {lab_state.subnet} on bridge {lab_state.bridge}")
        sysctl.raise_limits()
        network.up(lab_state)
    keys.make(lab_state)
    lab = Lab(lab_state)
    with ThreadPoolExecutor(max_workers=4) as pool:
        serving = pool.submit(servers.start, lab_state, content) if content else None
        progress(f"booting {spec.nodes} node{'s' if spec.nodes > 1 else ''} ({spec.persona}, {spec.base})")
        for booted in [pool.submit(_boot, node, source, spec.image) for node in lab.nodes]:
            booted.result()
        lab_state = serving.result() if serving else lab_state
    if spec.kubernetes:
        progress("waiting for the cluster's API server")
        lab.kubernetes.begin()
    lab_state = replace(lab_state, complete=True)
    lab_state.save()
    _write_site(lab_state)
    made = Lab(lab_state)
    if spec.lock:
        from wslgpu.lab import locked

        locked.make(made, progress)
    return made


def _content(spec: LabSpec, source: Path, progress: Progress) -> servers.Content:
    return servers.prepare(
        source, spec.toolkit_debs, progress, kubernetes=spec.kubernetes, device_plugin=spec.device_plugin
    )


def _boot(node: Node, source: Path, image: Path | None) -> None:
    if image is not None:
        imported.boot(node, image)
        return
    node.create(source)
    node.start()


def _claim(spec: LabSpec, directory: Path, programs: str) -> LabState:
    """Choose names and a network nobody uses, and write them down before anything is made with them."""
    subnet = network.pick_subnet(network.networks_in_use() + _claimed())
    hosts = [str(address) for address in list(subnet.hosts())[: MAX_NODES + 10]]
    ident = _ident(spec.name)
    nodes = tuple(
        NodeState(name=f"node{number}", machine=f"{ident}-node{number}", address=hosts[9 + number])
        for number in range(1, spec.nodes + 1)
    )
    lab_state = LabState(
        name=spec.name,
        ident=ident,
        directory=directory,
        base=spec.base,
        persona=spec.persona,
        driver=spec.driver,
        cgroup=spec.cgroup_version,
        kind=spec.kind,
        bridge=f"wl-{ident}",
        subnet=str(subnet),
        gateway=hosts[0],
        nodes=nodes,
        programs=programs,
        device_plugin=str(spec.device_plugin.resolve()) if spec.device_plugin else "",
        image=str(spec.image.resolve()) if spec.image else "",
        owner=ProcessId.of(spec.owner_pid) if spec.owner_pid else None,
    )
    directory.mkdir(parents=True, mode=0o755)
    lab_state.save()
    return lab_state


def _ident(name: str) -> str:
    """Five hex digits for names of at most 15 characters (vb-12345-node99), from the lab's whole place.

    Determined by the place, so that `down` knows bridge and table even when lab.json was never written.
    """
    return hashlib.sha256(str(state.directory_of(name)).encode()).hexdigest()[:5]


def _claimed() -> list[ipaddress.IPv4Network]:
    """Networks that other labs have written down and perhaps not made yet."""
    found = []
    for name in state.names():
        with contextlib.suppress(LabError):
            found.append(ipaddress.IPv4Network(state.load(name).subnet))
    return found


def _write_site(lab_state: LabState) -> None:
    data: dict[str, Any] = {
        "wsl_required": persona.find(lab_state.persona).wsl_required,
        **servers.site_data(lab_state),
    }
    if lab_state.kubernetes:
        data |= control_plane.site_data(lab_state.directory)
    text = f"# wslgpu lab {lab_state.name}: what this lab's nodes are provisioned from\n"
    write_atomically(lab_state.directory / "site.yml", text + yaml.safe_dump(data, sort_keys=False))


def down(name: str, progress: Progress = silent) -> bool:
    """Remove a lab and everything of it, whatever state it is in. False when there was nothing."""
    host.require_root()
    with state.lab_lock(name):
        return _down(name, progress)


def _down(name: str, progress: Progress) -> bool:
    directory = state.directory_of(name)
    existed = directory.exists()
    if existed:
        progress(f"stopping lab {name!r}")
        _kill_nodes(name, directory)
        _kill_servers(directory)
    ident = _ident(name)
    with state.host_lock():
        network.down(f"wl-{ident}", f"wslgpu_lab_{ident}")
        for machine in _machines(ident):
            remove_traces(machine)
        _unmount_below(directory)
        if directory.exists():
            shutil.rmtree(directory)
        if not state.names():
            sysctl.restore()
    return existed


def _kill_nodes(name: str, directory: Path) -> None:
    """By directory, not by lab.json, which a crash may have left out or broken."""
    folder = directory / "nodes"
    ident = _ident(name)
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        lab_state = LabState(name, ident, directory, "", "", "", "", "", "", "", ())
        stray = NodeState(entry.name, f"{ident}-{entry.name}", "")
        Node(lab_state, stray, persona.PERSONAS["wsl2"]).kill()


def _kill_servers(directory: Path) -> None:
    for pid in servers.find(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while servers.find(directory) and time.monotonic() < deadline:
        time.sleep(0.01)


def _machines(ident: str) -> set[str]:
    """Machines of this lab of which the host still has something."""
    places = [mount / "wslgpu-lab" for mount in host.cgroup_mounts().values()]
    places += [Path("/run/systemd/nspawn/propagate"), Path("/run/systemd/nspawn/unix-export")]
    found = {entry.name for place in places if place.is_dir() for entry in place.glob(f"{ident}-node*")}
    return found | {link.name[3:] for link in Path("/sys/class/net").glob(f"vb-{ident}-node*")}


def _unmount_below(directory: Path) -> None:
    """The nodes' /usr, and what a test mounted there and must not be deleted through."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{directory}/")), reverse=True):
        if not run(["umount", mount], check=False).ok:
            run(["umount", "--lazy", mount])


def sweep(progress: Progress = silent) -> list[str]:
    """Remove labs whose owner has died: what a killed test session left. Returns their names."""
    gone = []
    for name in state.names():
        with contextlib.suppress(LabError):
            owner = state.load(name).owner
            if owner is not None and not owner.alive and down(name, progress):
                gone.append(name)
    return gone
