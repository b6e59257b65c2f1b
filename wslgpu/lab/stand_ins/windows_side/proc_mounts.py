"""Stand-in of the wslgpu lab: /proc/mounts shows /mnt/c as WSL mounts a Windows drive, a 9p mount with aname=drvfs.

The lab's kernel has no 9p, and cloud-init looks for such a line. /proc/mounts is a link; the new mount system calls can
put a file over the link itself, which mount(8) cannot. What it shows is fixed from then on; /proc/self/mountinfo, which
mount, findmnt, systemd and containerd read, stays the kernel's own. Gone after a reboot. Needs root.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

# The fields as a WSL 2 distro has them; what cloud-init's ds-identify and DataSourceWSL look for is 9p and aname=drvfs;
DRIVE = (
    "C:\\134 /mnt/c 9p rw,noatime,aname=drvfs;path=C:\\;uid=0;gid=0;symlinkroot=/mnt/,"
    "cache=5,access=client,msize=65536,trans=fd,rfd=5,wfd=5 0 0\n"
)
COPY = Path("/run/wslgpu-lab-mounts")

# x86-64 and all newer ports have these numbers: asm-generic/unistd.h
SYS_OPEN_TREE, SYS_MOVE_MOUNT = 428, 429
AT_FDCWD, OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH = -100, 1, 4


def main() -> None:
    if not Path("/proc/mounts").is_symlink():
        return  # done before, in this boot
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines(keepends=True)
    COPY.write_text("".join(line for line in lines if line.split()[1] != "/mnt/c") + DRIVE, encoding="utf-8")
    libc = ctypes.CDLL(None, use_errno=True)
    tree = _checked(libc.syscall(SYS_OPEN_TREE, AT_FDCWD, bytes(COPY), OPEN_TREE_CLONE))
    _checked(libc.syscall(SYS_MOVE_MOUNT, tree, b"", AT_FDCWD, b"/proc/mounts", MOVE_MOUNT_F_EMPTY_PATH))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "/proc/mounts")
    return result


if __name__ == "__main__":
    main()
