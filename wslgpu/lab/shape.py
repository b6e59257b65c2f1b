"""Gives a node's root its persona: files now, and a unit that does at every boot what WSL does at every boot."""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from wslgpu.lab.errors import LabError
from wslgpu.lab.persona import STORE_HASH, Persona
from wslgpu.lab.root import remove
from wslgpu.lab.shell import run

HERE = "opt/wslgpu-lab"
MARKER = "etc/wslgpu-lab"
UNIT = """\
[Unit]
Description=wslgpu lab: network and shape of this node
DefaultDependencies=no
After=systemd-tmpfiles-setup-dev-early.service systemd-remount-fs.service
Before=systemd-binfmt.service systemd-tmpfiles-setup.service sysinit.target network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /opt/wslgpu-lab/shape.sh

[Install]
WantedBy=sysinit.target
"""
VERSION = (
    "Linux version {release} (root@439a258ad544) (gcc (GCC) 11.2.0, GNU ld (GNU Binutils) 2.37) "
    "#1 SMP PREEMPT_DYNAMIC Thu Jun  5 18:30:46 UTC 2025\n"
)
WSL1_VERSION = (
    "Linux version {release} (Microsoft@Microsoft.com) (gcc version 5.4.0 (GCC) ) "
    "#1-Microsoft Fri Jan 01 08:00:00 PST 2016\n"
)
INTEROP = "enabled\ninterpreter /init\nflags: PF\noffset 0\nmagic 4d5a\n"
WSL_CONF = "[boot]\nsystemd=true\n"


def give(root: Path, persona: Persona, *, lab: str, address: str, gateway: str) -> None:
    """Write persona, network settings and the boot unit into ``root``."""
    here = root / HERE
    here.mkdir(parents=True)
    env = {
        "address": address,
        "gateway": gateway,
        "kernel_release": persona.kernel_release or "",
        "driver": persona.driver or "",
    }
    (here / "node.env").write_text("".join(f"{key}={value}\n" for key, value in env.items()))
    scripts = resources.files("wslgpu.lab")
    (here / "shape.sh").write_text((scripts / "shape.sh").read_text())
    (here / "mount-driver.sh").write_text((scripts / "mount_driver.sh").read_text())
    _enable(root)
    marker = {"lab": lab, "persona": persona.name, "stand_ins": persona.stand_ins, "missing": persona.missing}
    (root / MARKER).write_text(json.dumps(marker, indent=1) + "\n")
    if persona.wsl:
        _wsl(root, persona)
    if persona.driver is not None:
        make_driver(here / "driver", persona.driver, STORE_HASH)
        (root / "etc/ld.so.conf.d").mkdir(exist_ok=True)
        (root / "etc/ld.so.conf.d/ld.wsl.conf").write_text("/usr/lib/wsl/lib\n")
    if persona.linux_driver:
        _install_linux_driver(root)
    if persona.os_release:
        _os_release(root, persona)


def _enable(root: Path) -> None:
    units = root / "etc/systemd/system"
    (units / "wslgpu-lab.service").write_text(UNIT)
    wants = units / "sysinit.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "wslgpu-lab.service").symlink_to("/etc/systemd/system/wslgpu-lab.service")


def _wsl(root: Path, persona: Persona) -> None:
    here = root / HERE
    release = str(persona.kernel_release)
    (here / "version").write_text((WSL1_VERSION if persona.wsl1 else VERSION).format(release=release))
    (here / "osrelease").write_text(f"{release}\n")
    (here / "WSLInterop").write_text(INTEROP)
    if not (root / "etc/wsl.conf").exists():  # an image has its own
        (root / "etc/wsl.conf").write_text(WSL_CONF)
    from wslgpu.lab.stand_ins import windows

    windows.build_windows_tree(root)


def make_driver(target: Path, scenario: str, store_hash: str, driver_version: str | None = None) -> None:
    """Make ``target``/lib and ``target``/drivers anew, whole or not at all; by default with the scenario's version."""
    from wslgpu.lab.stand_ins import driver

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".driver-") as folder:
        new = Path(folder) / "new"
        new.mkdir()
        driver.build_driver_tree(new, scenario=scenario, store_hash=store_hash, driver_version=driver_version)
        new.chmod(0o755)
        remove(target)
        new.rename(target)


def _install_linux_driver(root: Path) -> None:
    """Install a package as Ubuntu's libnvidia-compute-580 would be: its libcuda.so.1 shadows WSL's."""
    name, version = "libnvidia-compute-580", "580.95.05-0lab1"
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        library = tree / "usr/lib/x86_64-linux-gnu/libcuda.so.1"
        library.parent.mkdir(parents=True)
        shutil.copyfile(root / HERE / "driver/lib/libcuda.so.1", library)
        (tree / "DEBIAN").mkdir()
        (tree / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: wslgpu lab <lab@invalid>\n"
            "Description: wslgpu lab stand-in for a Linux NVIDIA driver package\n"
        )
        tree.chmod(0o755)
        deb = root / HERE / f"{name}.deb"
        run(["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", tree, deb])
        run(["chroot", root, "dpkg", "--install", f"/{HERE}/{name}.deb"])
        deb.unlink()


def _os_release(root: Path, persona: Persona) -> None:
    (root / "etc/os-release").unlink(missing_ok=True)
    text = "".join(f'{key}="{value}"\n' for key, value in persona.os_release.items())
    (root / "usr/lib/os-release").write_text(text)
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / "etc/lsb-release").write_text("".join(f'{key}="{value}"\n' for key, value in persona.lsb_release.items()))
    (root / "etc/debian_version").write_text("trixie/sid\n")


def require_driver(scenario: str | None) -> None:
    """Refuse a driver update on a node that has no driver."""
    if scenario is None:
        raise LabError(
            what="this persona has no driver store to replace",
            where="replace_driver_store",
            next_step="use a persona with a GPU",
        )
