"""What the lab takes from the machine it runs on, and what it asks of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from wslgpu.debian_root import KEYRING
from wslgpu.errors import ErrorClass
from wslgpu.lab.errors import LabError
from wslgpu.lab.shell import run

# program -> Debian package; the same names hold on Ubuntu
PROGRAMS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "gpg": "gnupg",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "dpkg-deb": "dpkg",
    "nsenter": "util-linux",
    "gcc": "gcc",  # the driver's stand-ins are compiled
}


def require_root() -> None:
    if os.geteuid() != 0:
        raise LabError(
            what="making lab nodes needs root: namespaces, a bridge, a firewall table",
            where=f"user {os.geteuid()}",
            next_step="run it with sudo",
            error_class=ErrorClass.USAGE,
        )


def missing_packages() -> list[str]:
    """Debian packages whose programs the lab needs and this machine lacks, sorted."""
    missing = {package for program, package in PROGRAMS.items() if shutil.which(program) is None}
    if not Path("/usr/include/dlfcn.h").exists():
        missing.add("libc6-dev")
    if not KEYRING.exists():
        missing.add("debian-archive-keyring")
    return sorted(missing)


def require_packages() -> None:
    missing = missing_packages()
    if missing:
        raise LabError(
            what=f"this machine lacks {', '.join(missing)}",
            where="lab host",
            next_step=f"apt-get install --yes --no-install-recommends {' '.join(missing)}",
            error_class=ErrorClass.USAGE,
        )


def cgroup_mounts(root: Path = Path("/sys/fs/cgroup")) -> dict[str, Path]:
    """Mounted cgroup hierarchies: 'v2' and the v1 directory names, each with its mount point.

    Pure v2 gives {'v2': /sys/fs/cgroup}; hybrid and v1 hosts give one entry a hierarchy.
    """
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        path = Path(place)
        if not (path == root or path.parent == root):
            continue
        if kind == "cgroup2":
            found["v2"] = path
        elif kind == "cgroup":
            found[path.name] = path
    return found


def require_cgroup(version: str) -> None:
    mounts = cgroup_mounts()
    if (version == "v2" and "v2" not in mounts) or (version == "v1" and not set(mounts) - {"v2"}):
        raise LabError(
            what=f"this machine has no cgroup {version} hierarchy mounted",
            where="/sys/fs/cgroup",
            next_step=f"use --cgroup {'v1' if version == 'v2' else 'v2'}",
            error_class=ErrorClass.PLATFORM,
        )


def nspawn_cgroup_setting(version: str) -> tuple[dict[str, str], list[str]]:
    """Environment and payload arguments that make systemd-nspawn boot with cgroup ``version`` on this host."""
    if set(cgroup_mounts()) == {"v2"}:
        return {}, []
    if version == "v2":
        return {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, []
    return (
        {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "0"},
        # systemd 256 and later refuse v1 without the second
        ["systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"],
    )


def resolv_conf() -> str:
    """A resolv.conf that also works from another network namespace: no loopback-only stub resolver."""
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        if not path.is_file():
            continue
        text = path.read_text()
        servers = [line.split()[1] for line in text.splitlines() if line.startswith("nameserver ")]
        if any(not server.startswith("127.") and server != "::1" for server in servers):
            return text
    raise LabError(
        what="the only name server of this machine is on its loopback, which nodes cannot reach",
        where="/etc/resolv.conf",
        next_step="name a server there that is reachable from the lab's bridge",
        error_class=ErrorClass.NETWORK,
    )


def extra_hosts() -> str:
    """Lines of /etc/hosts that name other machines; a company's archive may be found only there."""
    lines = Path("/etc/hosts").read_text().splitlines()
    return "".join(
        f"{line}\n"
        for line in lines
        if line.strip() and not line.lstrip().startswith(("#", "127.", "::1", "fe00", "ff0"))
    )


def apt_proxy() -> str:
    """The host's apt proxy as an apt.conf text, wherever it was set; empty when there is none."""
    dump = run(["apt-config", "dump"], check=False).stdout
    wanted = ("acquire::http::proxy", "acquire::https::proxy")
    return "".join(f"{line}\n" for line in dump.splitlines() if line.lower().startswith(wanted) and '""' not in line)
