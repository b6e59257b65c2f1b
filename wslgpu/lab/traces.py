"""What is left of a node on the host when its processes are gone, and how it is taken away."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from wslgpu.lab import host, root
from wslgpu.lab.node import CGROUP
from wslgpu.lab.shell import run


def remove_traces(machine: str) -> None:
    """What nspawn leaves on the host when it is killed: link, cgroups, and its folder for mounts into the container."""
    if Path(f"/sys/class/net/vb-{machine}").exists():
        run(["ip", "link", "delete", f"vb-{machine}"], check=False)  # it may just be going by itself
    for mount in host.cgroup_mounts().values():
        group = mount / CGROUP / machine
        if group.is_dir():
            for folder in sorted(group.rglob("*"), reverse=True):
                if folder.is_dir():
                    _rmdir(folder)
            _rmdir(group)
            with contextlib.suppress(OSError):
                group.parent.rmdir()  # only when no other node has one
    for place in ("propagate", "unix-export"):
        folder = Path("/run/systemd/nspawn") / place / machine
        if folder.is_mount():  # systemd 256 and later put a tmpfs there
            run(["umount", "--lazy", folder])
        root.remove(folder)


def _rmdir(folder: Path) -> None:
    """A cgroup is busy for a moment after its last process is gone."""
    for _ in range(100):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
