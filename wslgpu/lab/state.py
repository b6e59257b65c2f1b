"""What is on disk about a lab: lab.json, written atomically, and the locks around it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from wslgpu.errors import ErrorClass
from wslgpu.host_files import locked, write_atomically
from wslgpu.lab.errors import LabError
from wslgpu.lab.places import lab_root
from wslgpu.programs import ProcessId

SCHEMA = 1
NAME_RULE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class NodeState:
    """One node as lab.json has it. ``machine`` is unique on the host; the node calls itself ``name``."""

    name: str
    machine: str
    address: str

    @property
    def interface(self) -> str:
        """The host's end of the node's link, named so by systemd-nspawn --network-bridge."""
        return f"vb-{self.machine}"


@dataclass(frozen=True)
class LabState:
    """One lab as lab.json has it.

    :param content: the registry's storage, in the cache
    :param driver: driver scenario in place of the persona's; empty for the persona's
    :param programs: folder in the cache with the programs of Kubernetes that the first node has; empty: no cluster
    :param device_plugin: file of the device plugin that the registry has in place of the stand-in's; empty for that
    :param image: .wsl file that the nodes were made from; empty for the base
    """

    name: str
    ident: str
    directory: Path
    base: str
    persona: str
    cgroup: str
    kind: str
    bridge: str
    subnet: str
    gateway: str
    nodes: tuple[NodeState, ...]
    owner: ProcessId | None = None
    http_port: int = 0
    content: str = ""
    processes: tuple[tuple[str, ProcessId], ...] = ()
    complete: bool = False
    driver: str = ""
    programs: str = ""
    device_plugin: str = ""
    image: str = ""

    @property
    def kubernetes(self) -> bool:
        """The first node is the control plane of a cluster."""
        return bool(self.programs)

    @property
    def table(self) -> str:
        """The nftables table of this lab."""
        return f"wslgpu_lab_{self.ident}"

    @property
    def base_url(self) -> str:
        """Where nodes find the package repository and the registry."""
        return f"http://{self.gateway}:{self.http_port}"

    def with_process(self, name: str, process: ProcessId) -> LabState:
        others = tuple(entry for entry in self.processes if entry[0] != name)
        return replace(self, processes=(*others, (name, process)))

    def save(self) -> None:
        body = {"schema": SCHEMA, **asdict(self), "directory": str(self.directory)}
        write_atomically(self.directory / "lab.json", json.dumps(body, indent=1) + "\n")


def check_name(name: str) -> str:
    """A lab's name becomes a directory and part of messages; refuse what could leave the directory."""
    if not NAME_RULE.fullmatch(name):
        raise LabError(
            what=f"{name!r} cannot name a lab: small letters, digits and '-', at most 40",
            where="--name",
            next_step="choose a name such as 'default'",
            error_class=ErrorClass.USAGE,
        )
    return name


def directory_of(name: str) -> Path:
    return lab_root() / check_name(name)


def load(name: str) -> LabState:
    """Read a lab's lab.json; LabError when there is no such lab or the file is broken."""
    directory = directory_of(name)
    path = directory / "lab.json"
    try:
        body: dict[str, Any] = json.loads(path.read_text())
        return _state(body, directory)
    except FileNotFoundError:
        what, where = f"there is no lab {name!r}", ""
        next_step = f"Make it: wslgpu lab up --name {name}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        what, where = f"lab.json cannot be read: {error}", str(path)
        next_step = f"wslgpu lab down --name {name}, then up again"
    raise LabError(what=what, where=where, next_step=next_step, error_class=ErrorClass.USAGE)


def _state(body: dict[str, Any], directory: Path) -> LabState:
    if body.pop("schema") != SCHEMA:
        raise ValueError("made by another version of wslgpu")
    owner = body.pop("owner")
    body["directory"] = directory
    body["nodes"] = tuple(NodeState(**node) for node in body["nodes"])
    body["processes"] = tuple((entry[0], ProcessId(**entry[1])) for entry in body["processes"])
    return LabState(**body, owner=ProcessId(**owner) if owner else None)


def names() -> list[str]:
    """Names of all labs with a directory, whole or not."""
    root = lab_root()
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and NAME_RULE.fullmatch(entry.name))


@contextlib.contextmanager
def lab_lock(name: str) -> Iterator[None]:
    """Held while a lab is made or removed; its file goes with the lab."""
    path = lab_root() / f".{check_name(name)}.lock"
    with locked(path):
        try:
            yield
        finally:
            if not directory_of(name).exists():
                path.unlink(missing_ok=True)


def host_lock() -> contextlib.AbstractContextManager[None]:
    """Taken while something of the whole host is read and changed: addresses, ip_forward."""
    return locked(lab_root() / ".host.lock")
