"""Whether this machine can build at all: asked before anything is fetched or made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wslgpu.build import root, sandbox
from wslgpu.build.errors import BuildError, nearest_that_exists, size_words
from wslgpu.build.key import ARCHITECTURE
from wslgpu.errors import ErrorClass, UsageError
from wslgpu.probe.node.files import WINDOWS_FILESYSTEMS, Mount, mount_of, mounts
from wslgpu.programs import run

INODES = 60_000
"""Files that a build may have at once: unpacked sources, objects, a clean root."""
ROOT_BYTES = 1_500_000_000
"""What a clean root may need; asked for only where it has still to be made."""


def require_machine(cache: Path) -> None:
    """Root, architecture, programs, and a place to work in that is no Windows drive.

    :raises UsageError: with what to do
    """
    require_architecture()
    require_no_windows_drive(cache, mounts())
    if os.geteuid() != 0:
        step = "Run it with sudo, or install an artifact that somebody else built: wslgpu store pull."
        raise UsageError("building needs root, for the clean root and the sandbox", f"user {os.geteuid()}", step)
    missing = {package for program, package in sandbox.PROGRAMS.items() if shutil.which(program) is None}
    if packages := sorted({*missing, *root.missing_packages()}):
        step = f"apt-get install --yes --no-install-recommends {' '.join(packages)}"
        raise UsageError(f"this machine lacks {', '.join(packages)}", "wslgpu build", step)


def require_architecture() -> None:
    """Only amd64 builds for amd64; nothing is compiled across.

    :raises UsageError: with the architecture that the machine has
    """
    found = run(["dpkg", "--print-architecture"], missing="Debian or Ubuntu is needed").stdout.strip()
    if found != ARCHITECTURE:
        what = f"this machine is {found}, and builds are made for {ARCHITECTURE} on {ARCHITECTURE} only"
        raise UsageError(what, "dpkg --print-architecture", "Build on an amd64 machine.")


def require_no_windows_drive(place: Path, table: list[Mount]) -> None:
    """A Windows drive keeps no owners, modes and links, and is slow with small files.

    :param table: this process's mounts
    :raises UsageError: ``place`` lies on one
    """
    mount = mount_of(table, os.path.realpath(place))
    if mount is None:
        return
    if mount.filesystem in WINDOWS_FILESYSTEMS or mount.filesystem.removeprefix("fuse.") in WINDOWS_FILESYSTEMS:
        what = (
            f"the work folder lies on a Windows drive ({mount.filesystem} at {mount.point}), where nothing can be built"
        )
        step = "It keeps no owners, modes and links. Name a folder inside of the distro: WSLGPU_CACHE_DIR."
        raise UsageError(what, str(place), step)


def require_room(place: Path, needed_bytes: int, what: str) -> None:
    """Bytes and inodes that are free.

    :raises BuildError: too few, with both numbers
    """
    status = os.statvfs(place)
    free = status.f_bavail * status.f_frsize
    if free < needed_bytes:
        problem = f"{size_words(free)} are free, {what} needs {size_words(needed_bytes)}"
        raise BuildError(problem, str(place), "Free space there, or name another place: WSLGPU_CACHE_DIR.")
    if status.f_files and status.f_favail < INODES:
        problem = f"{status.f_favail} inodes are free, {what} needs {INODES}"
        step = "Remove files there: there are too many, however small."
        raise BuildError(problem, str(place), step, ErrorClass.PLATFORM)


def require_writable(place: Path, what: str) -> None:
    """Asked before hours of work, where the answer would come at the end of them.

    :raises BuildError: it cannot be written
    """
    place = nearest_that_exists(place)
    if not (place.is_dir() and os.access(place, os.W_OK)):
        raise BuildError(
            f"{what} cannot be written", str(place), "Mount it writable, or name another: WSLGPU_STORE_DIR."
        )
