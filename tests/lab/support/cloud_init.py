"""The genuine cloud-init on a lab node, with what its WSL data source looks for.

Stand-ins: wslpath, cmd.exe and /init as every WSL node of the lab has them; /proc/mounts (see
wslgpu/lab/stand_ins/windows_side/proc_mounts.py); and the word "wsl" for the kind of container, which systemd passes to
generators, and which is systemd-nspawn here. All else is the package: generator, ds-identify, data source, modules.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from wslgpu.lab import Node
from wslgpu.lab.stand_ins import windows

PROFILE = "/mnt/c/Users/lab"
FOLDER = f"{PROFILE}/.cloud-init"
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends cloud-init"
GENERATORS = "/run/systemd/generator"
BOOT = f"""
rm -rf /run/cloud-init && mkdir -p {GENERATORS} {GENERATORS}.early {GENERATORS}.late
SYSTEMD_VIRTUALIZATION=container:wsl /usr/lib/systemd/system-generators/cloud-init-generator \\
    {GENERATORS} {GENERATORS}.early {GENERATORS}.late 2>/dev/null
test -e /run/cloud-init/enabled && systemctl start --no-block cloud-init.target
"""


@dataclass(frozen=True)
class Status:
    """What cloud-init says of itself once it has ended.

    :param code: exit code of `cloud-init status`
    :param document: its JSON
    """

    code: int
    document: dict[str, Any]

    @property
    def status(self) -> str:
        return str(self.document["status"])


def install(node: Node) -> None:
    """Debian's package, and the list of mounts at hand."""
    node.nsenter(f"apt-get -q update && {INSTALL}", timeout=180)
    node.put("/opt/wslgpu-lab/proc_mounts.py", windows.mounts_program())


def begin(node: Node) -> bool:
    """What happens at a distro's start: the generator finds out whether there is something to do. Whether it did."""
    node.nsenter("python3 /opt/wslgpu-lab/proc_mounts.py")
    return node.nsenter(BOOT, check=False).ok


def wait(node: Node, timeout_s: float = 600) -> Status:
    """Until cloud-init has ended."""
    done = node.nsenter("cloud-init status --wait --format json", timeout=timeout_s, check=False)
    return Status(done.rc, json.loads(done.stdout))


def restart(node: Node) -> None:
    """`wsl --terminate` and a new start, up to where cloud-init begins."""
    node.kill()
    node.start()


def forget(node: Node) -> None:
    """`cloud-init clean`, which a changed file of user-data needs to be read."""
    node.nsenter("cloud-init clean --logs")
