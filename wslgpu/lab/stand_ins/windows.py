"""A stand-in for the Windows side of a WSL2 distro: what can be seen of it from inside.

WSL's /init, wslinfo, wslpath and cmd.exe are shell scripts that answer the few questions that distros ask at boot; each
says of itself what it is. ``MOUNTS`` is for tests that need the Windows drive in the list of mounts as well.

``.wslconfig`` is the source document's own, with its two typos: the section is ``[ws12]`` and the first line
has a hyphen for its equals sign, so that WSL ignores the whole block and stays with NAT and its swap.
"""

from __future__ import annotations

import os
from pathlib import Path

WSLCONFIG_PATH = "mnt/c/Users/lab/.wslconfig"

#: Windows line ends, as an editor there leaves them.
WSLCONFIG = "[ws12]\r\nnetworkingMode-bridged\r\nvmSwitch=WSLBridge\r\ndhcp=false\r\nswap=0\r\n"

WSLCONFIG_TIME_S = 1766505297
"""The source document's date, 2025-12-23."""

PROGRAMS = {
    "init": "init.sh",
    "mnt/c/Windows/System32/cmd.exe": "cmd.sh",
    "usr/bin/wslinfo": "wslinfo.sh",
    "usr/bin/wslpath": "wslpath.sh",
}

MOUNTS = "proc_mounts.py"
"""Run on a node, it lets /proc/mounts show /mnt/c as the 9p mount that WSL has there; see the file."""

_SOURCES = Path(__file__).with_name("windows_side")


def build_windows_tree(dest: Path) -> None:
    """Make under *dest*, the node's root, Windows' drive with a .wslconfig, and the programs that WSL adds."""
    config = dest / WSLCONFIG_PATH
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_bytes(WSLCONFIG.encode())
    # written long before the virtual machine started, so that nothing in it waits for a restart
    os.utime(config, (WSLCONFIG_TIME_S, WSLCONFIG_TIME_S))
    for path, source in PROGRAMS.items():
        program = dest / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_bytes((_SOURCES / source).read_bytes())
        program.chmod(0o755)


def mounts_program() -> str:
    """The text of ``MOUNTS``, for the node's python3."""
    return (_SOURCES / MOUNTS).read_text(encoding="utf-8")
