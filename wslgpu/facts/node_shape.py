"""What a node is and in which state: all that preflight judges, in one round trip."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    point: str
    kind: str
    source: str
    read_only: bool


@dataclass(frozen=True)
class Room:
    """Free room where a path is or will be. ``inodes`` is 0 on a file system that does not count them."""

    path: str
    device: str
    free_bytes: int
    free_inodes: int
    inodes: int


@dataclass(frozen=True)
class Holder:
    """A process that holds one of apt's locks."""

    process: int
    name: str
    path: str


@dataclass(frozen=True)
class NodeShape:
    """See node_shape.sh for where each value comes from.

    :param complete: the script reached its end; nothing else may be concluded from when it did not
    :param signals: of WSL, the kernel's name among them: ``kernel dxg interop run-wsl init``
    :param stores: directory of each GPU driver in Windows' driver store -> it holds libcuda
    :param linux_cuda: path of a libcuda.so.1 outside /usr/lib/wsl -> the package it belongs to, or ""
    :param unfinished: package -> its state, such as half-configured
    :param missing: packages that the deploy will install
    :param unlisted: those of them that apt's lists do not hold
    :param fetch_bytes: what apt has to fetch for the listed ones; None when it has no lists
    :param lists_epoch: when apt's lists were last fetched; 0 for never
    :param images: digest of each image that containerd holds, by reference
    """

    complete: bool = False
    clock: int = 0
    uid: int = -1
    pid1: str = ""
    kernel: str = ""
    machine: str = ""
    architecture: str = ""
    distribution: str = ""
    signals: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    stores: dict[str, bool] = field(default_factory=dict)
    linux_drivers: tuple[str, ...] = ()
    linux_cuda: dict[str, str] = field(default_factory=dict)
    toolkit_version: str = ""
    dpkg_error: str = ""
    unfinished: dict[str, str] = field(default_factory=dict)
    apt_locks: tuple[Holder, ...] = ()
    missing: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    fetch_bytes: int | None = None
    lists_epoch: int = 0
    data_dir: str = ""
    rooms: tuple[Room, ...] = ()
    run_lock: str = ""
    systemd: str = ""
    failed_units: tuple[str, ...] = ()
    docker_desktop: tuple[str, ...] = ()
    images: dict[str, str] = field(default_factory=dict)

    @property
    def wsl1(self) -> bool:
        """WSL1 calls its kernel ``4.4.0-BUILD-Microsoft``, with a capital M; no WSL2 kernel does."""
        return re.fullmatch(r"\d+\.\d+\.\d+-\d+-Microsoft", self.kernel) is not None

    @property
    def wsl2(self) -> bool:
        """At least two independent signals: a custom kernel may have lost its suffix, and one file proves nothing."""
        return len(self.signals) >= 2 and not self.wsl1

    def mount_of(self, path: str) -> Mount | None:
        """The mount that a path, with its links resolved, is on."""
        best: Mount | None = None
        for mount in self.mounts:
            inside = mount.point == "/" or path == mount.point or path.startswith(mount.point + "/")
            # of two mounts on one point the later covers the earlier
            if inside and (best is None or len(mount.point) >= len(best.point)):
                best = mount
        return best


def parse_mount(line: str) -> Mount | None:
    """One line of mountinfo (proc_pid_mountinfo(5)), or None when it is none."""
    parts = line.split(" ")
    if "-" not in parts[6:]:
        return None
    dash = parts.index("-", 6)
    if len(parts) < dash + 3:
        return None
    options = {*parts[5].split(","), *(parts[dash + 3].split(",") if len(parts) > dash + 3 else ())}
    point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), parts[4])
    return Mount(point, parts[dash + 1], parts[dash + 2], "ro" in options)


def parse_node_shape(lines: Iterable[str]) -> NodeShape:
    """Read node_shape.sh's output; a line that cannot be read is as if it were not there."""
    single: dict[str, str] = {}
    many: dict[str, list[list[str]]] = {}
    for line in lines:
        key, _, value = line.strip().partition(" ")
        single[key] = value
        many.setdefault(key, []).append(value.split(" "))

    def rows(key: str, width: int) -> list[list[str]]:
        return [row for row in many.get(key, []) if len(row) >= width and all(row[:1])]

    mounts = tuple(mount for row in many.get("mount", []) if (mount := parse_mount(" ".join(row))))
    signals = {row[0] for row in rows("signal", 1)}
    if re.search("microsoft", single.get("kernel", ""), re.IGNORECASE):
        signals.add("kernel")
    # WSL's own init lies on the initial ramdisk, bound over /init; a file of that name elsewhere is no signal
    if any(mount.point == "/init" and mount.kind == "rootfs" and mount.read_only for mount in mounts):
        signals.add("init")
    os_release = {row[0]: " ".join(row[1:]).strip("\"'") for row in rows("os", 2)}
    return NodeShape(
        complete="end" in single,
        clock=_number(single.get("clock", "")),
        uid=_number(single.get("uid", ""), -1),
        pid1=single.get("pid1", ""),
        kernel=single.get("kernel", ""),
        machine=single.get("machine", ""),
        architecture=single.get("architecture", ""),
        distribution=f"{os_release.get('ID', '')} {os_release.get('VERSION_ID', '')}".strip(),
        signals=tuple(sorted(signals)),
        mounts=mounts,
        stores={" ".join(row[1:]): row[0] == "cuda" for row in rows("store", 2)},
        linux_drivers=tuple(row[0] for row in rows("linux-driver", 1)),
        linux_cuda={row[0]: row[1] if len(row) > 1 else "" for row in rows("linux-cuda", 1)},
        toolkit_version=next((row[1] for row in rows("toolkit", 2)), ""),
        dpkg_error=single.get("dpkg-error", ""),
        unfinished={row[1]: row[0] for row in rows("unfinished", 2)},
        apt_locks=tuple(
            Holder(_number(row[0]), " ".join(row[1:-1]) or "a process", row[-1]) for row in rows("apt-lock", 2)
        ),
        missing=tuple(row[0] for row in rows("missing", 1)),
        unlisted=tuple(row[0] for row in rows("unlisted", 1)),
        fetch_bytes=_number(single["fetch"]) if "fetch" in single else None,
        lists_epoch=_number(single.get("lists", "")),
        data_dir=single.get("data-dir", ""),
        rooms=tuple(
            Room(" ".join(row[5:]), row[0], _number(row[1]) * _number(row[2]), _number(row[3]), _number(row[4]))
            for row in rows("room", 6)
        ),
        run_lock=single.get("run-lock", ""),
        systemd=single.get("systemd", ""),
        failed_units=tuple(row[0] for row in rows("failed-unit", 1)),
        docker_desktop=tuple(" ".join(row) for row in rows("docker-desktop", 1)),
        images={row[0]: row[1] for row in rows("image", 2)},
    )


def _number(text: str, default: int = 0) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,20}", text) else default


class NodeShapes(ScriptFact[NodeShape]):
    """The node's :class:`NodeShape`."""

    script_name = "node_shape"

    @staticmethod
    def default() -> NodeShape:
        return NodeShape()

    def command(self, data_dir: str, namespace: str, packages: tuple[str, ...]) -> StringCommand:  # type: ignore[override]
        return super().command(data_dir, namespace, *packages)

    def process(self, output: list[str]) -> NodeShape:
        return parse_node_shape(output)
