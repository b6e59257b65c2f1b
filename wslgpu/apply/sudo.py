"""sudo on this machine: asked for once, before the first step, and kept until the last."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from wslgpu.errors import UsageError

_REFRESH_S = 60.0


@contextmanager
def sudo_kept() -> Iterator[None]:
    """sudo works without a password inside, in this terminal; the password itself never passes through here.

    :raises UsageError: there is no sudo, or it wants a password and there is no terminal to ask on
    """
    if os.geteuid() != 0 and shutil.which("sudo") is None:
        raise UsageError("sudo is not installed", "this machine", "Install it, or run this as root.")
    if os.geteuid() == 0 or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        yield
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "sudo asks for a password and there is no terminal to ask on",
            "this machine",
            "Run it in a terminal, as root, or allow sudo without a password.",
        )
    if subprocess.run(["sudo", "-v"], check=False).returncode != 0:
        raise UsageError("sudo refused", "this machine", "A user who may use sudo is needed.")
    ended = threading.Event()

    def refresh() -> None:
        while not ended.wait(_REFRESH_S):
            subprocess.run(["sudo", "-n", "-v"], capture_output=True, check=False)

    thread = threading.Thread(target=refresh, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
