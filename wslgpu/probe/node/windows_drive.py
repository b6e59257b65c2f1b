"""What lies on Windows drives, and which data does. A drive may answer slowly or never: asked in a child."""

from __future__ import annotations

import os
from typing import Any

from .base import Probe
from .child import Emit
from .files import WINDOWS_FILESYSTEMS, Mount, is_windows, mount_of, mounts, names, read_bytes, read_word

TIMEOUT_S = 4.0
_NOT_USERS = frozenset(("all users", "default", "default user", "public", "desktop.ini", "defaultapppool"))
_USERS_LIMIT = 50


def observe(probe: Probe) -> None:
    table = mounts()
    home = os.environ.get("HOME") or os.path.expanduser("~")

    def look(emit: Emit) -> None:
        emit.begin("storage.placement")
        emit("storage.placement", placement(data_paths(home), table))
        emit.begin("wsl.wslconfig")
        drive = drive_root(table)
        if names(f"{drive}/Users") is None and is_wsl():
            emit.unknown("wsl.wslconfig", f"drive C: cannot be read at {drive}")
            return
        emit("wsl.wslconfig", wslconfig(drive))

    probe.in_child(["storage.placement", "wsl.wslconfig"], look, timeout_s=TIMEOUT_S)


def data_paths(home: str) -> list[str]:
    """Where data and models lie, of those that exist."""
    places = ["/var/lib/wslgpu", "/var/lib/containerd", "/var/lib/docker"]
    places += [f"{home}/.cache/huggingface", f"{home}/.ollama", os.environ.get("PWD") or os.getcwd()]
    return [path for path in dict.fromkeys(places) if os.path.exists(path)]


def placement(paths: list[str], table: list[Mount]) -> list[dict[str, object]]:
    """The file system of each, links followed."""
    found: list[dict[str, object]] = []
    for path in paths:
        mount = mount_of(table, os.path.realpath(path))
        filesystem = mount.filesystem if mount else "unknown"
        on_windows = mount is not None and is_windows(mount)
        found.append({"path": path, "filesystem": filesystem, "on_windows": on_windows})
    return found


def drive_root(table: list[Mount]) -> str:
    """Where drive C: is mounted; by [automount] root in wsl.conf it may be elsewhere than /mnt/c."""
    for mount in reversed(table):
        if mount.source.lower().startswith("c:") and mount.filesystem in WINDOWS_FILESYSTEMS:
            return mount.point
    return "/mnt/c"


def is_wsl() -> bool:
    """Whether there are Windows drives to expect."""
    return "microsoft" in read_word("/proc/sys/kernel/osrelease").lower() or os.path.isdir("/run/WSL")


def wslconfig(drive: str) -> dict[str, Any] | None:
    """The newest .wslconfig of the Windows users; None when none has one or the drive is not there.

    A link is followed only on the drive: whoever may write there must not have root's probe tell of root's files.
    """
    inside = os.path.realpath(drive) + "/"
    found: list[tuple[float, str]] = []
    for user in (names(f"{drive}/Users") or [])[:_USERS_LIMIT]:
        path = f"{drive}/Users/{user}/.wslconfig"
        if user.lower() in _NOT_USERS:
            continue
        try:
            target = os.path.realpath(path)
            if target.startswith(inside):
                found.append((os.stat(target).st_mtime, target))
        except OSError:
            continue
    for _, path in sorted(found, reverse=True):
        data = read_bytes(path, 64 << 10, follow=False)
        if data is not None:
            return {"text": decode(data), "users": len(found)}
    if found:
        raise OSError("no .wslconfig can be read")
    return None


def decode(data: bytes) -> str:
    """PowerShell's ``>`` writes UTF-16 with a mark."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "replace")
