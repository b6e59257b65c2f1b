"""The throw-away machine that an image is made in: the only place where images know of the lab.

It is a lab node of kind ``image`` and persona ``plain-linux``: no stand-in of a driver or of Windows ever comes into
it. What the lab itself gives each node (name, keys, network, one unit) is known by path, and taken out here.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wslgpu.debian_root import custom_cas
from wslgpu.host_files import write_atomically
from wslgpu.image.errors import ImageError
from wslgpu.image.normalise import remove
from wslgpu.lab import Lab, LabSpec, down, shape, state
from wslgpu.lab.errors import LabError
from wslgpu.lab.node import Node
from wslgpu.lab.shell import run
from wslgpu.project import PROJECT_ROOT

PREFIX = "image-"
POWER_OFF_S = 20.0
LAB_FILES = (
    shape.HERE,
    shape.MARKER,
    "etc/systemd/system/wslgpu-lab.service",
    "etc/systemd/system/sysinit.target.wants/wslgpu-lab.service",
    "etc/systemd/system/sshd-keygen.service",  # masked by the lab
    "etc/apt/apt.conf.d/90wslgpu-lab-proxy",
    "etc/cloud/cloud-init.disabled",
)
TIMERS = ("apt-daily", "apt-daily-upgrade")
"""Switched off in lab nodes, since they take dpkg's lock at any time."""


@dataclass(frozen=True)
class Machine:
    """A running Debian that can be provisioned over ssh.

    :param inventory: pyinfra's inventory of this one machine
    :param environment: what that inventory reads
    :param marks: words that give this machine away
    """

    lab: Lab
    inventory: Path
    environment: tuple[tuple[str, str], ...]
    marks: tuple[bytes, ...]

    @property
    def _node(self) -> Node:
        return self.lab.nodes[0]

    @property
    def root(self) -> Path:
        """Its file system, as this machine sees it."""
        return self._node.root

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Settings for this machine alone, above the site's."""
        text = "# the settings of one machine that an image is made in\n"
        write_atomically(self.lab.site_file, text + yaml.safe_dump(dict(settings), sort_keys=True))

    def settle(self) -> None:
        """Make what a service may make a moment sooner or later, so that images have it alike."""
        # containerd's CRI plugin makes it some time after the service counts as started
        self._node.nsenter("install -d -m 755 /etc/cni && install -d -m 700 /etc/cni/net.d")

    def power_off(self) -> None:
        """End it in order; what does not end in time is killed, since nothing that lasts is in its memory."""
        node = self._node
        with contextlib.suppress(LabError):
            node.nsenter("systemctl --no-block poweroff")
        deadline = time.monotonic() + POWER_OFF_S
        while node.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        node.kill()

    def take_lab_out(self) -> None:
        """Remove what the lab, and the machine that hosts it, put into its file system; nothing may run there."""
        root = self.root
        for name in LAB_FILES:
            remove(root / name)
        for timer in TIMERS:
            link = root / f"etc/systemd/system/timers.target.wants/{timer}.timer"
            unit = f"/usr/lib/systemd/system/{timer}.timer"
            if not link.is_symlink() and (root / unit.lstrip("/")).exists():
                link.symlink_to(unit)
        own = [root / "usr/local/share/ca-certificates" / path.name for path in custom_cas()]
        if any(path.exists() for path in own):
            for path in own:
                remove(path)
            run(["chroot", root, "update-ca-certificates", "--fresh"])
        run(["chroot", root, "/sbin/ldconfig"])
        # /root/.ssh, host keys, name, resolv.conf and machine-id go with what no image has: see normalise


@contextlib.contextmanager
def machine(base: str, *, progress: Callable[[str], None]) -> Iterator[Machine]:
    """A fresh machine of a Debian release, gone at the end of the block, and soon after the end of this process.

    :param base: ``trixie``
    :raises LabError: it cannot be made
    """
    sweep()
    name = f"{PREFIX}{os.getpid()}"
    spec = LabSpec(
        name=name,
        persona="plain-linux",
        base=base,
        kind="image",
        servers=False,
        owner_pid=os.getpid(),
    )
    with _reaped(name):
        lab = Lab.up(spec, progress)
        try:
            node = lab.nodes[0]
            yield Machine(
                lab,
                PROJECT_ROOT / "inventory" / "lab.py",
                (("WSLGPU_LAB", name),),
                (b"wslgpu-lab", f"{node.address}/24".encode(), lab.state.ident.encode() + b"-node1"),
            )
        finally:
            take_away(name)


def take_away(name: str) -> None:
    """Remove a machine, whatever state it is in, or nothing."""
    down(name)


@contextlib.contextmanager
def _reaped(name: str) -> Iterator[None]:
    """Have a process of its own session take the machine away if this one is killed: see wslgpu.image.reaper."""
    with subprocess.Popen(
        [sys.executable, "-m", "wslgpu.image.reaper", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=PROJECT_ROOT,
        start_new_session=True,
    ) as reaper:
        yield
        assert reaper.stdin is not None  # noqa: S101  it was asked for
        with contextlib.suppress(BrokenPipeError):
            reaper.stdin.write(b".")
            reaper.stdin.flush()


def sweep() -> None:
    """Remove machines of which builder and reaper have both died."""
    for name in state.names():
        if not name.startswith(PREFIX):
            continue
        with contextlib.suppress(LabError):
            owner = state.load(name).owner
            if owner is not None and not owner.alive:
                down(name)


def require(base: str) -> None:
    """Refuse early what could not work.

    :raises ImageError: the release is none that an image can be made of
    :raises LabError: no root, or programs are missing
    """
    from wslgpu.errors import ErrorClass
    from wslgpu.lab import host, root

    if base not in root.BASES:
        raise ImageError(f"no image can be made of {base}", "--distribution", "", ErrorClass.USAGE)
    host.require_root()
    host.require_packages()


def has_cloud_init(base: str) -> bool:
    """The release's cloud-init knows WSL's data source."""
    from wslgpu.lab import root

    return base in root.CLOUD_INIT_BASES
