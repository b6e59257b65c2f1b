"""Reading files of the node: regular ones only, bounded, never waiting on a pipe or a device."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

LIMIT_BYTES = 256 << 10
NAMES_LIMIT = 2000
WINDOWS_FILESYSTEMS = frozenset(("9p", "drvfs", "virtiofs", "cifs", "v9fs"))


def read_bytes(path: str, limit: int = LIMIT_BYTES, follow: bool = True) -> bytes | None:
    """The beginning of a regular file (also of /proc and /sys); None when it cannot be read or is none."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        parts: list[bytes] = []
        size = 0
        while size < limit:
            part = os.read(descriptor, min(65536, limit - size))
            if not part:
                break
            parts.append(part)
            size += len(part)
        return b"".join(parts)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def read_text(path: str, limit: int = LIMIT_BYTES, follow: bool = True) -> str | None:
    """As :func:`read_bytes`, as text; what is not UTF-8 becomes a replacement character."""
    data = read_bytes(path, limit, follow)
    return None if data is None else data.decode("utf-8", "replace")


def read_word(path: str) -> str:
    """A file of one short line, without its end; empty when it cannot be read."""
    return (read_text(path, 4096) or "").strip()


def names(folder: str, limit: int = NAMES_LIMIT) -> list[str] | None:
    """The names in a folder, sorted; None when it cannot be listed."""
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                found.append(entry.name)
                if len(found) >= limit:
                    break
    except OSError:
        return None
    return sorted(found)


def find_program(name: str, path: str | None = None) -> str | None:
    """Where a program is, as ``command -v`` tells it; Windows drives are left out, because they answer slowly."""
    for folder in (os.environ.get("PATH", "") if path is None else path).split(":"):
        if not folder.startswith("/") or folder.startswith("/mnt/"):
            continue
        candidate = folder.rstrip("/") + "/" + name
        try:
            mode = os.stat(candidate).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and os.access(candidate, os.X_OK):
            return candidate
    return None


def trusted_folders(path: str, table: list[Mount], uid: int) -> list[str]:
    """Folders of a PATH from which programs are started: absolute, and on no Windows drive.

    :param uid: whose probe it is; root starts nothing from a folder that another user could have put it into
    """
    found: list[str] = []
    for folder in path.split(":"):
        if not folder.startswith("/") or folder.startswith("/mnt/") or folder in found:
            continue
        mount = mount_of(table, folder)
        if mount is not None and is_windows(mount):
            continue
        if uid == 0 and not _only_root_writes(folder):
            continue
        found.append(folder)
    return found


def _only_root_writes(folder: str) -> bool:
    """Root's, and not everybody's; a group's is left, as Debian's /usr/local/bin may be staff's."""
    try:
        found = os.stat(folder)
    except OSError:
        return False
    # in a user namespace the owner may have no number there
    return found.st_uid in (0, 65534) and not found.st_mode & stat.S_IWOTH


class Mount(NamedTuple):
    """One line of /proc/self/mountinfo."""

    point: str
    filesystem: str
    source: str
    options: str
    super_options: str

    @property
    def all_options(self) -> str:
        """Options of the mount and of its file system, each once, as /proc/mounts tells them."""
        words = [word for word in self.options.split(",") if word not in ("ro", "rw")]
        more = [word for word in self.super_options.split(",") if word and word not in ("ro", "rw", *words)]
        read_only = "ro" in self.options.split(",") or "ro" in self.super_options.split(",")
        return ",".join(["ro" if read_only else "rw", *words, *more])


def parse_mountinfo(text: str) -> list[Mount]:
    """All mounts, in order; a line that is none is left out."""
    mounts: list[Mount] = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        first, last = left.split(), right.split(" ")
        if not separator or len(first) < 6 or len(last) < 3:
            continue
        mounts.append(Mount(_octal(first[4]), last[0], _octal(last[1]), first[5], last[2]))
    return mounts


def mounts() -> list[Mount]:
    """This session's mounts."""
    return parse_mountinfo(read_text("/proc/self/mountinfo", 1 << 20) or "")


def mounted_at(table: list[Mount], point: str) -> Mount | None:
    """What is mounted exactly there; the last one, which hides those before it."""
    return next((mount for mount in reversed(table) if mount.point == point), None)


def is_windows(mount: Mount) -> bool:
    """Whether a mount is a Windows drive: WSL's source is ``C:\\`` or ``drvfs``, and by default it is below /mnt."""
    if mount.filesystem not in WINDOWS_FILESYSTEMS:
        return False
    drive = mount.source[:1].isalpha() and mount.source[1:2] == ":"
    return drive or mount.source.startswith("drvfs") or "aname=drvfs" in mount.super_options


def mount_of(table: list[Mount], path: str) -> Mount | None:
    """The mount that a path lies on, by its name."""
    best: Mount | None = None
    for mount in table:
        inside = mount.point == "/" or path == mount.point or path.startswith(mount.point + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _octal(text: str) -> str:
    """Undo the kernel's escapes of space, tab, newline and backslash."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escape, character)
    return text
