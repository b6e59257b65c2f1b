"""containerd on a node: package, version, configuration, service, in one round trip."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from pyinfra.api import StringCommand

from wslgpu.containerd_config import parse_version
from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class ContainerdState:
    """What containerd.sh found.

    :param packages: installed ones of containerd and containerd.io, with versions
    :param version: (major, minor) of the program; None when there is none
    :param config: text of /etc/containerd/config.toml; None when there is no such file
    :param debian_packaged: the package ships a config.toml
    :param cgroup_v2: by the file system at /sys/fs/cgroup
    :param sys_resource: root has CAP_SYS_RESOURCE
    :param drop_in: 99-nvidia.toml beside what nvidia-ctk would write now: same, differs, missing, no-toolkit
    :param merged: our keys are in force when containerd has merged config.toml with the files of conf.d
    :param stale: a file or unit that changed after the running containerd had started; empty when there is none
    :param unfinished: a change of the configuration was cut off
    :param hosts: hosts.toml files that wslgpu wrote
    """

    packages: dict[str, str]
    version: tuple[int, int] | None
    config: str | None
    debian_packaged: bool
    cgroup_v2: bool
    sys_resource: bool
    drop_in: str
    merged: bool
    enabled: bool
    active: bool
    stale: str
    unfinished: bool
    hosts: tuple[str, ...]


def parse_containerd(lines: list[str]) -> ContainerdState:
    """Read containerd.sh's output."""
    packages: dict[str, str] = {}
    hosts: list[str] = []
    single: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        if key == "package" and " " in value:
            name, _, version = value.partition(" ")
            packages[name] = version
        elif key == "hosts":
            hosts.append(value)
        else:
            single[key] = value
    config = single.get("config")
    return ContainerdState(
        packages=packages,
        version=parse_version(single.get("version", "-")),
        config=None if config is None else base64.b64decode(config.rstrip(".")).decode(errors="replace"),
        debian_packaged=single.get("debian-packaged") == "yes",
        cgroup_v2=single.get("cgroup") == "cgroup2fs",
        sys_resource=single.get("sys-resource") == "1",
        drop_in=single.get("drop-in", "no-toolkit"),
        merged=single.get("merged") == "yes",
        enabled=single.get("enabled") == "enabled",
        active=single.get("active") == "active",
        stale=single.get("stale", ""),
        unfinished="unfinished" in single,
        hosts=tuple(hosts),
    )


class Containerd(ScriptFact[ContainerdState]):
    """The node's :class:`ContainerdState`."""

    script_name = "containerd"

    @staticmethod
    def default() -> ContainerdState:
        return parse_containerd([])

    def command(self, default_runtime: bool) -> StringCommand:  # type: ignore[override]
        """:param default_runtime: as NVIDIA's drop-in should have it"""
        return super().command(default_runtime)

    def process(self, output: list[str]) -> ContainerdState:
        return parse_containerd(output)
