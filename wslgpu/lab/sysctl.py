"""Kernel settings of the host that labs need, raised by the first lab and put back by the last.

ip_forward lets nodes out. Every systemd takes some 20 inotify instances, all counted against one root user, whose
default of 128 is used up by seven nodes.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from wslgpu.host_files import write_atomically
from wslgpu.lab.places import lab_root

PROC = Path("/proc/sys")
AT_LEAST = {"net/ipv4/ip_forward": 1, "fs/inotify/max_user_instances": 4096}


def _note() -> Path:
    return lab_root() / "sysctl.json"


def raise_limits(proc: Path = PROC) -> None:
    """Raise what is too low, and write down first what it was. The caller holds the host lock.

    In a node of another lab parts of /proc/sys are read-only; the outer lab has raised them there.
    """
    before: dict[str, str] = json.loads(_note().read_text()) if _note().exists() else {}
    low = {
        key: value
        for key, least in AT_LEAST.items()
        if (proc / key).exists() and int(value := (proc / key).read_text()) < least
    }
    if not low:
        return
    write_atomically(_note(), json.dumps({**low, **before}))
    for key in low:
        with contextlib.suppress(OSError):
            (proc / key).write_text(str(AT_LEAST[key]))


def restore(proc: Path = PROC) -> None:
    """Put back what was raised; called when the last lab goes, with the host lock held."""
    note = _note()
    if not note.exists():
        return
    for key, value in json.loads(note.read_text()).items():
        # somebody else may have changed it since: that is theirs
        with contextlib.suppress(OSError):
            if int((proc / key).read_text()) == AT_LEAST[key]:
                (proc / key).write_text(value)
    note.unlink()
