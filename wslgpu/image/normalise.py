"""Takes out of a root file system what differs from one build, or one machine, to the next. No program is run.

What is deleted here is made anew by the system itself: logs, caches, seeds, lists. What cannot be deleted, such as
the day of a password's last change, is set to the image's own time.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

GONE = (
    # who the machine was
    "etc/hostname",
    "etc/resolv.conf",
    "etc/.resolv.conf.systemd-resolved.bak",
    "etc/ssh/ssh_host_*",
    "root/.ssh",
    "root/.bash_history",
    "root/.cache",
    "root/.local",
    "root/.wget-hsts",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    # backups that passwd, dpkg and debconf keep of the state before the last change
    "etc/passwd-",
    "etc/group-",
    "etc/shadow-",
    "etc/gshadow-",
    "etc/subuid-",
    "etc/subgid-",
    "var/lib/dpkg/*-old",
    "var/cache/debconf/*-old",
    "var/backups/*",
    # when systemd last looked at /etc and /var: it looks again at the first boot
    "etc/.updated",
    "var/.updated",
    # lists, caches, logs, times of last runs
    "var/lib/apt/lists/*",
    "var/lib/apt/periodic/*",
    "var/cache/apt/*",
    "var/cache/ldconfig/aux-cache",
    "var/cache/man/*",
    "var/lib/systemd/timers/*",
    "var/lib/systemd/timesync/*",
    "var/lib/systemd/coredump/*",
    "var/lib/systemd/catalog/database",
    "var/lib/logrotate/status",
    "var/lib/cloud/*",
    "var/lib/ucf/*.[0-9]",
    # state of containerd, Podman and Docker: databases that are never twice the same, and images that come by digest
    "var/lib/containerd/*",
    "var/lib/containers/*",
    "var/lib/docker/*",
    "var/lib/nerdctl",
    # nothing lives there between two boots
    "dev/*",
    "proc/*",
    "sys/*",
    "run/*",
    "tmp/*",
    "tmp/.[!.]*",
    "var/tmp/*",
    "var/tmp/.[!.]*",
    "mnt/*",
)
FOLDERS = {"var/cache/apt/archives/partial": 0o700, "var/lib/apt/lists/partial": 0o700}
"""apt makes a complaint of it where they are missing; owner _apt."""
HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
DAY_S = 86400


def normalise(root: Path, epoch: int) -> None:
    """Make the tree the same for every build of the same packages and settings.

    :param root: nothing runs in it any more; it may be a mount
    :param epoch: the image's own time, seconds since 1970
    :raises OSError: something cannot be deleted or written
    """
    for pattern in GONE:
        for path in list(root.glob(pattern)):
            if _inside(root, path):
                remove(path)
    for path in list(root.glob("**/__pycache__")):
        remove(path)
    if _inside(root, root / "var/log/x"):
        _empty_logs(root / "var/log")
    owner = _uid_of(root, "_apt")
    for name, mode in FOLDERS.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        _own(folder, mode, owner)
        _own(folder.parent, 0o755, 0)
    _write(root / "etc/machine-id", "", 0o444)
    (root / "var/lib/dbus").mkdir(parents=True, exist_ok=True)
    (root / "var/lib/dbus/machine-id").symlink_to("/etc/machine-id")
    _write(root / "etc/hosts", HOSTS, 0o644)
    set_days(root / "etc/shadow", epoch)
    _settle_manifest(root / "var/lib/wslgpu/manifest.json", epoch)


def _inside(root: Path, path: Path) -> bool:
    """No folder on the way to it is a link: such a link is meant for the image, and from here it leads elsewhere."""
    return not any((root / folder).is_symlink() for folder in path.relative_to(root).parents)


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder with all in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _empty_logs(folder: Path) -> None:
    """Delete every log, and keep the folders that packages made for theirs."""
    if not folder.is_dir():
        return
    remove(folder / "journal")
    for path in list(folder.rglob("*")):
        if not path.is_dir() or path.is_symlink():
            remove(path)


def set_days(shadow: Path, epoch: int) -> None:
    """Set the day of each password's last change: useradd writes today's. Mode and owner stay."""
    if not shadow.exists() or shadow.is_symlink():
        return
    lines = []
    for line in shadow.read_text().splitlines():
        fields = line.split(":")
        if len(fields) == 9 and fields[2]:
            fields[2] = str(epoch // DAY_S)
        lines.append(":".join(fields))
    text = "\n".join(lines) + "\n"
    with shadow.open("r+") as handle:  # in place: nobody else is there, and its owner stays
        handle.write(text)
        handle.truncate()


def _settle_manifest(path: Path, epoch: int) -> None:
    """Who built the image, and where, is said in its provenance and not in every machine made from it."""
    if not path.is_file() or path.is_symlink():
        return
    document = json.loads(path.read_text())
    document["by"] = "image"
    at = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    for row in (document, *document["components"].values()):
        row["at"] = at
    # a number that no other node can have written, and the same for every build
    document["serial"] = 1
    mode = stat.S_IMODE(path.stat().st_mode)
    _write(path, json.dumps(document, indent=1, sort_keys=True) + "\n", mode)


def _write(path: Path, text: str, mode: int) -> None:
    remove(path)
    path.write_text(text)
    _own(path, mode, 0)


def _own(path: Path, mode: int, uid: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, uid, 0)
    path.chmod(mode)


def _uid_of(root: Path, name: str) -> int:
    passwd = root / "etc/passwd"
    for line in passwd.read_text().splitlines() if passwd.exists() else ():
        fields = line.split(":")
        if fields[0] == name and len(fields) == 7:
            return int(fields[2])
    return 0


def newest_change(root: Path) -> int:
    """When the newest of the installed packages was made: the time of its changelog, as its archive has it.

    Unlike the times of files that were written while packages were installed, it is the same on every machine.
    """
    return max((int(path.stat().st_mtime) for path in _changelogs(root)), default=0)


def _changelogs(root: Path) -> Iterable[Path]:
    return (path for path in root.glob("usr/share/doc/*/changelog*.gz") if path.is_file() and not path.is_symlink())
