"""Inventories written in YAML: hosts, how to reach them, their groups, and settings of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from wslgpu.errors import DataError
from wslgpu.lock.force import check_host, load_locked
from wslgpu.pins import Strict
from wslgpu.settings import PROJECT_ROOT, Settings
from wslgpu.yaml_source import YamlDocument, load_yaml, validate

FLEET_VARIABLE = "WSLGPU_FLEET"
GROUPS = ("gpu_nodes", "build_nodes", "k8s_nodes", "docker_nodes", "amd_nodes")

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$")]


class FleetHost(Strict):
    """One host.

    :param key_file: private key on the controller
    :param data: settings that hold for this host alone
    """

    address: Annotated[str, Field(pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:_-]*$")]
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]*$")] = "root"
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    key_file: str = ""
    groups: list[Literal["gpu_nodes", "build_nodes", "k8s_nodes", "docker_nodes", "amd_nodes"]] = ["gpu_nodes"]
    data: dict[str, Any] = {}


class Fleet(Strict):
    """A fleet file. ``known_hosts_file`` is where every host's key must stand already."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    known_hosts_file: str = "~/.ssh/known_hosts"
    hosts: Annotated[dict[HostName, FleetHost], Field(min_length=1)]


def fleet_file() -> Path:
    """The fleet file in force: named by WSLGPU_FLEET, else inventory/fleet.yml."""
    return Path(os.environ.get(FLEET_VARIABLE) or PROJECT_ROOT / "inventory" / "fleet.yml")


def load_fleet(path: Path) -> Fleet:
    """Read and check a fleet file, the hosts' own settings and doubled addresses included.

    :raises DataError: anything wrong, by file and line
    """
    if not path.exists():
        raise DataError("does not exist", str(path), "Copy inventory/examples/fleet.yml there, and edit it.")
    document = load_yaml(path)
    fleet = validate(Fleet, document)
    base = load_locked().as_data()
    seen: dict[tuple[str, int], str] = {}
    for name, host in fleet.hosts.items():
        place = (host.address, host.port)
        if place in seen:
            raise DataError(
                f"{name} has the address and port of {seen[place]}",
                document.where(("hosts", name, "address")),
                "One entry per machine.",
            )
        seen[place] = name
        _check_host_data(host, name, document, base)
    return fleet


def _check_host_data(host: FleetHost, name: str, document: YamlDocument, base: dict[str, Any]) -> None:
    at = ("hosts", name, "data")
    lines = {loc[3:]: line for loc, line in document.lines.items() if loc[:3] == at}
    settings = validate(Settings, YamlDocument(document.path, None, lines), {**base, **host.data})
    check_host(settings, lambda key: document.where((*at, key)))


def groups_of(fleet: Fleet) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """The fleet as pyinfra's inventory: group -> [(host, data)]; keys are always checked, never taken on trust."""
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, host in fleet.hosts.items():
        data: dict[str, Any] = {
            "ssh_hostname": host.address,
            "ssh_port": host.port,
            "ssh_user": host.user,
            "ssh_known_hosts_file": str(Path(fleet.known_hosts_file).expanduser()),
            "ssh_strict_host_key_checking": "yes",
            **host.data,
        }
        if host.key_file:
            data["ssh_key"] = str(Path(host.key_file).expanduser())
        for group in host.groups:
            groups.setdefault(group, []).append((name, data))
    return groups


def load_groups_or_exit() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """For inventory/fleet.py: the groups, or one line and an end with 2 before any host is contacted."""
    try:
        return groups_of(load_fleet(fleet_file()))
    except DataError as error:
        sys.stderr.write(f"wslgpu: {error}\n")
        raise SystemExit(error.exit_code) from None


def add_host(path: Path, name: str, address: str, *, user: str, port: int, key_file: str) -> None:
    """Append a host to a fleet file, made if missing; comments stay, and the result is checked before it counts.

    :raises DataError: the name is taken, or the entry would make the file wrong
    """
    text = path.read_text(encoding="utf-8") if path.exists() else "schema: 1\n\nhosts:\n"
    if path.exists() and name in load_fleet(path).hosts:
        raise DataError(f"there is a host {name} already", str(path), "Edit its entry there.")
    rows = [f"  {name}:", f"    address: {address}", f"    user: {user}", f"    port: {port}"]
    if key_file:
        rows.append(f"    key_file: {key_file}")
    new = path.with_name(f".{path.name}.new")
    new.write_text(text.rstrip("\n") + "\n" + "\n".join(rows) + "\n", encoding="utf-8")
    try:
        load_fleet(new)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
