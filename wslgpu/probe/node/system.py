"""The system: kernel, distribution, process 1, memory, limits, root file system."""

from __future__ import annotations

import os

from . import services, smi
from .base import Probe
from .files import find_program, mounted_at, mounts, read_text, read_word

LAB_MARKER = "/etc/wslgpu-lab"


def observe(probe: Probe) -> None:
    services.begin(probe)
    start_wslinfo(probe)
    smi.begin(probe)
    probe.look("system.kernel", _kernel)
    probe.look("system.os_release", lambda: os_release(read_text("/etc/os-release") or ""))
    probe.look("system.pid1", lambda: read_word("/proc/1/comm"))
    probe.look("system.cgroup", _cgroup)
    probe.look("system.memory", lambda: memory(read_text("/proc/meminfo") or ""))
    probe.look("system.cpus", lambda: len(os.sched_getaffinity(0)))
    probe.look("system.uptime", lambda: {"seconds": float(read_word("/proc/uptime").split()[0])})
    probe.look("system.container", _container)
    probe.look("system.dev_shm", _dev_shm)
    probe.look("system.limits", lambda: limits(read_text("/proc/self/limits") or ""))
    probe.look("system.root_filesystem", _root_filesystem)
    probe.look("system.lab", lambda: {"stand_in": os.path.lexists(LAB_MARKER)})


def _kernel() -> dict[str, str]:
    """uname(2) would tell the host's release in a container whose /proc tells another."""
    return {
        "release": read_word("/proc/sys/kernel/osrelease"),
        "version": read_word("/proc/version"),
        "machine": os.uname().machine,
    }


def start_wslinfo(probe: Probe) -> None:
    """Start WSL's own program early: on Windows it asks the service outside."""
    program = find_program("wslinfo")
    if program is not None:
        probe.once("wslinfo version", lambda: probe.start([program, "--wsl-version", "-n"], timeout_s=5.0))
        probe.once("wslinfo mode", lambda: probe.start([program, "--networking-mode", "-n"], timeout_s=5.0))


def os_release(text: str) -> dict[str, str]:
    """ID, VERSION_ID, VERSION_CODENAME and PRETTY_NAME of /etc/os-release; empty where it has none."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, sign, value = line.strip().partition("=")
        if sign and not key.startswith("#"):
            found[key] = value.strip().strip("\"'")
    keys = {"id": "ID", "version_id": "VERSION_ID", "codename": "VERSION_CODENAME", "pretty_name": "PRETTY_NAME"}
    return {name: found.get(key, "") for name, key in keys.items()}


def memory(text: str) -> dict[str, int]:
    """Bytes of /proc/meminfo's MemTotal, MemAvailable and SwapTotal."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        words = line.replace(":", " ").split()
        if len(words) >= 2 and words[1].isdigit():
            found[words[0]] = int(words[1]) * 1024
    keys = {"total_bytes": "MemTotal", "available_bytes": "MemAvailable", "swap_total_bytes": "SwapTotal"}
    return {name: found.get(key, 0) for name, key in keys.items()}


def limits(text: str) -> dict[str, int]:
    """Of /proc/self/limits; -1 is unlimited."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("Max "):
            found[line[:26].strip()] = line[26:].split()
    locked = [*found.get("Max locked memory", []), "0", "0"]
    files = [*found.get("Max open files", []), "0"]
    return {
        "memlock_soft_bytes": _limit(locked[0]),
        "memlock_hard_bytes": _limit(locked[1]),
        "nofile_soft": _limit(files[0]),
    }


def _limit(text: str) -> int:
    return int(text) if text.isdigit() else -1


def _cgroup() -> dict[str, object]:
    """The name is stat -f's: cgroup2fs, or tmpfs for version 1."""
    mount = mounted_at(mounts(), "/sys/fs/cgroup")
    kinds = {"cgroup2": "cgroup2fs", "cgroup": "cgroupfs", "": "none"}
    kind = mount.filesystem if mount else ""
    if kind == "cgroup2":
        controllers = read_word("/sys/fs/cgroup/cgroup.controllers").split()
    else:
        rows = [line.split() for line in (read_text("/proc/cgroups") or "").splitlines()]
        controllers = [row[0] for row in rows if len(row) == 4 and row[3] == "1"]
    return {"filesystem": kinds.get(kind, kind), "controllers": sorted(controllers)}


def _container() -> dict[str, object]:
    """By what container engines leave; WSL is none, though systemd-detect-virt calls it one."""
    kind = read_word("/run/systemd/container")
    if os.path.exists("/run/.containerenv"):
        kind = "podman"
    elif os.path.exists("/.dockerenv"):
        kind = "docker"
    elif "KUBERNETES_SERVICE_HOST" in os.environ or os.path.exists("/run/secrets/kubernetes.io"):
        kind = "kubernetes"
    if not kind:
        environment = read_text("/proc/1/environ") or ""
        words = [word[len("container=") :] for word in environment.split("\0") if word.startswith("container=")]
        kind = words[0] if words else ""
    kind = "" if kind == "wsl" else kind
    return {"in_container": bool(kind), "kind": kind or "none"}


def _dev_shm() -> dict[str, object] | None:
    mount = mounted_at(mounts(), "/dev/shm")  # noqa: S108 - looked at, not written
    if mount is None and not os.path.isdir("/dev/shm"):  # noqa: S108
        return None
    room = os.statvfs("/dev/shm")  # noqa: S108
    return {
        "filesystem": mount.filesystem if mount else "none",
        "size_bytes": room.f_blocks * room.f_frsize,
        "available_bytes": room.f_bavail * room.f_frsize,
    }


def _root_filesystem() -> dict[str, object]:
    mount = mounted_at(mounts(), "/")
    room = os.statvfs("/")
    return {
        "filesystem": mount.filesystem if mount else "unknown",
        "read_only": "ro" in mount.options.split(",") if mount else False,
        "size_bytes": room.f_blocks * room.f_frsize,
        "available_bytes": room.f_bavail * room.f_frsize,
        "inodes_available": room.f_favail,
    }
