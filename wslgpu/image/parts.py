"""The files that make a root file system a WSL distro: what WSL reads, its first-run program, units on and off.

Pure: paths and contents. Sources of what has to be there: :mod:`wslgpu.image.rules`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from wslgpu import wsl_files
from wslgpu.image.normalise import remove
from wslgpu.image.rules_units import DISCOURAGED
from wslgpu.wsl_files import WSL_CONF_FILE, Sections

OOBE = "/usr/libexec/wsl/oobe.sh"
"""Not below /usr/lib/wsl, where Windows mounts its driver."""
ICON = "/usr/share/wsl/wslgpu.ico"
HOST_KEYS = "wslgpu-host-keys.service"
ENABLED = {HOST_KEYS: "ssh.service.requires"}
CLOUD_INIT_CONF = "/etc/cloud/cloud.cfg.d/90-wslgpu.cfg"
DISABLED_CLOUD_INIT = "/etc/cloud/cloud-init.disabled"

_DISTRIBUTION = """\
# Made by wslgpu: how WSL installs this distro (wsl --install --from-file FILE).
{note}
[oobe]
command = {oobe}
defaultUid = 1000
defaultName = {name}

[shortcut]
icon = {icon}
"""
_NO_CLOUD_INIT = """\
# The cloud-init of this release has no WSL data source and is left out: .cloud-init folders of Windows are not read.
"""
_HOST_KEYS = """\
# Made by wslgpu: an image has no ssh host keys; each machine made from it makes its own, once.
[Unit]
Description=Make this machine's ssh host keys
Before=ssh.service ssh.socket
# Debian 13's own, at what systemd takes for a first boot: two at once could leave a key with another's public half
After=sshd-keygen.service
ConditionPathIsReadWrite=/etc/ssh
# the one that ssh-keygen -A makes last
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A

[Install]
RequiredBy=ssh.service
"""
_CLOUD_INIT = """\
# Made by wslgpu: user-data comes from the Windows user's .cloud-init folder; WSL has the network and the host name.
datasource_list: [WSL, None]
network:
  config: disabled
preserve_hostname: true
manage_etc_hosts: false
# the disk is WSL's
growpart:
  mode: "off"
resize_rootfs: false
# they are made before, by wslgpu-host-keys.service
ssh_deletekeys: false
ssh_genkeytypes: []
# the user is made by user-data, or by the first run
users: []
"""


@dataclass(frozen=True)
class Part:
    """One file, or with a target one link; root's."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    target: str = ""


def parts(*, name: str, wsl_conf: Sections, cloud_init: bool) -> list[Part]:
    """Everything that is added to the root file system.

    :param name: under which WSL registers the distro
    :param wsl_conf: keys of /etc/wsl.conf by section
    :param cloud_init: the root has a cloud-init with the WSL data source
    """
    distribution = _DISTRIBUTION.format(note="" if cloud_init else _NO_CLOUD_INIT, oobe=OOBE, name=name, icon=ICON)
    oobe = (resources.files("wslgpu.image") / "scripts/oobe.sh").read_bytes()
    found = [
        Part("/etc/wsl-distribution.conf", distribution.encode()),
        Part("/etc/wsl.conf", wsl_files.merge("", wsl_conf, WSL_CONF_FILE).encode()),
        Part(OOBE, oobe, 0o755),
        Part(ICON, icon()),
        Part(f"/etc/systemd/system/{HOST_KEYS}", _HOST_KEYS.encode()),
    ]
    found += [
        Part(f"/etc/systemd/system/{folder}/{unit}", target=f"/etc/systemd/system/{unit}")
        for unit, folder in ENABLED.items()
    ]
    found += [
        Part(f"/etc/systemd/{kind}/{unit}", target="/dev/null") for kind in ("system", "user") for unit in DISCOURAGED
    ]
    if cloud_init:
        found.append(Part(CLOUD_INIT_CONF, _CLOUD_INIT.encode()))
    return found


def add(root: Path, added: list[Part]) -> None:
    """Write them into a root that nothing runs in; what stands at their paths is replaced.

    :raises OSError: no room
    """
    for part in added:
        path = root / part.path.lstrip("/")
        for folder in reversed(path.relative_to(root).parents):
            if not (root / folder).is_dir():
                (root / folder).mkdir()
                (root / folder).chmod(0o755)
        remove(path)
        if part.target:
            path.symlink_to(part.target)
        else:
            path.write_bytes(part.content)
            path.chmod(part.mode)


def icon(side: int = 32) -> bytes:
    """The Start menu's picture, drawn here: a green board with the pins and the die of a chip.

    One picture with 32 bits a pixel, rows from below, then a mask of one bit a pixel. Source: Microsoft, "ICONDIR" and
    BITMAPINFOHEADER, whose height counts picture and mask together.
    """
    pixels = b"".join(_pixel(x, y, side) for y in range(side) for x in range(side))
    mask = bytes((side + 31) // 32 * 4 * side)
    header = struct.pack("<IiiHHIIiiII", 40, side, 2 * side, 1, 32, 0, len(pixels) + len(mask), 0, 0, 0, 0)
    image = header + pixels + mask
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, side, side, 0, 0, 1, 32, len(image), 22) + image


def _pixel(x: int, y: int, side: int) -> bytes:
    """Blue, green, red, opacity."""
    edge = side // 8
    inner = edge * 2
    within = edge <= x < side - edge and edge <= y < side - edge
    if inner <= x < side - inner and inner <= y < side - inner:
        die = side * 3 // 8 <= x < side * 5 // 8 and side * 3 // 8 <= y < side * 5 // 8
        return bytes((0x20, 0xC8, 0x90, 0xFF)) if die else bytes((0x30, 0x30, 0x30, 0xFF))
    if within:
        return bytes((0x10, 0x80, 0x50, 0xFF))
    pin = (x % 4 in (1, 2) and edge <= x < side - edge) or (y % 4 in (1, 2) and edge <= y < side - edge)
    return bytes((0xA0, 0xA0, 0xA0, 0xFF)) if pin else bytes(4)
