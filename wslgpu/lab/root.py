"""Root filesystems that nodes are copied from: made once by mmdebstrap, kept under a key of their inputs.

Archives move, so one that is older than a week is made anew; nodes copied from it are not affected. How they are kept:
:mod:`wslgpu.debian_root`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wslgpu.debian_root import Shelf, custom_cas
from wslgpu.debian_root import remove as remove
from wslgpu.errors import ErrorClass
from wslgpu.lab.errors import LabError
from wslgpu.lab.places import cache_root
from wslgpu.lab.shell import run

RECIPE = 1  # raise it when install() changes what it makes
MAX_AGE_S = 7 * 24 * 3600
BASES = ("trixie", "bookworm")

SYSTEM = ("systemd", "systemd-sysv", "dbus", "openssh-server", "ca-certificates")
KINDS = {
    # a distro as WSL users have it, with the ssh server that a node is reached by; python3 and not -minimal: a
    # probe needs ctypes
    "node": (*SYSTEM, "python3", "sudo", "iproute2", "curl", "gnupg", "procps", "kmod"),
    # what a newcomer has before `make demo`
    "fresh": (*SYSTEM, "git", "make"),
    # what a golden image is made from: neither the lab's user nor its settings
    "image": (
        *(*SYSTEM, "libpam-systemd", "python3", "sudo", "iproute2", "curl", "gnupg", "procps", "kmod"),
        *("less", "nano", "bash-completion"),
    ),
}
CLOUD_INIT_BASES = ("trixie",)
"""Bases whose cloud-init knows WSL's data source: 25.1 does, and Debian 12's 22.4 does not."""
CONTROL_PLANE = ("containernetworking-plugins", "etcd-server", "iptables", "kubernetes-client")
"""What the control plane of a lab's cluster has from Debian besides; the CNI plugins and kubelet call iptables."""

SSHD = """\
# wslgpu lab. VERBOSE: one 'Starting session' line for each command, so that tests can count them
LogLevel VERBOSE
PermitRootLogin prohibit-password
PasswordAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
MaxSessions 100
MaxStartups 100:30:200
UseDNS no
"""


@dataclass(frozen=True)
class RootSpec:
    """Everything that decides what is in a root filesystem."""

    base: str
    kind: str = "node"
    control_plane: bool = False

    @property
    def packages(self) -> tuple[str, ...]:
        own = ("cloud-init",) if self.kind == "image" and self.base in CLOUD_INIT_BASES else ()
        return (*KINDS[self.kind], *own, *(CONTROL_PLANE if self.control_plane else ()))

    def key(self) -> str:
        cas = [hashlib.sha256(path.read_bytes()).hexdigest() for path in custom_cas()]
        inputs = {"recipe": RECIPE, "base": self.base, "packages": self.packages, "sshd": SSHD, "cas": cas}
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def prefix(self) -> str:
        """Names of directories that hold this root begin so; what follows is when it was made."""
        control_plane = "-kubernetes" if self.control_plane else ""
        return f"{self.base}-{self.kind}{control_plane}-{self.key()}."


def _shelf(spec: RootSpec) -> Shelf:
    return Shelf(cache_root() / "roots", spec.prefix, MAX_AGE_S)


def newest(spec: RootSpec, now: float | None = None) -> Path | None:
    """The youngest whole root of ``spec``, if there is one that is not too old."""
    return _shelf(spec).newest(now)


def ensure(spec: RootSpec, progress: Callable[[str], None]) -> Path:
    """The cached root of ``spec``, made if it is not there; at most one process makes it."""
    if spec.base not in BASES:
        raise LabError(
            what=f"{spec.base!r} is no base that the lab can make",
            where="--base",
            next_step=f"one of {', '.join(BASES)}",
            error_class=ErrorClass.USAGE,
        )

    def make(new: Path) -> None:
        what = f"{spec.kind}, with etcd and kubectl" if spec.control_plane else spec.kind
        progress(f"making a Debian {spec.base} root ({what}) with mmdebstrap: half a minute, once a week")
        _make(spec, new)

    return _shelf(spec).ensure(make, in_use=_has_nodes)


def _has_nodes(place: Path) -> bool:
    """Whether a node stands on a root; only a mount tells."""
    return f"{place}/" in Path("/proc/self/mounts").read_text()


def _make(spec: RootSpec, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    options = ["--variant=apt", f"--include={','.join(spec.packages)}", "--format=directory"]
    run(["mmdebstrap", *options, spec.base, new], timeout_s=900, env={"SOURCE_DATE_EPOCH": "1760000000"})
    install(spec, new)


def install(spec: RootSpec, root: Path) -> None:
    """What all nodes of this root share, whatever their persona."""
    if spec.kind != "image":
        (root / "etc/ssh/sshd_config.d").mkdir(parents=True, exist_ok=True)
        (root / "etc/ssh/sshd_config.d/00-lab.conf").write_text(SSHD)
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    cas = custom_cas()
    if cas:
        target = root / "usr/local/share/ca-certificates"
        target.mkdir(parents=True, exist_ok=True)
        for path in cas:
            shutil.copyfile(path, target / path.name)
        run(["chroot", root, "update-ca-certificates"])
    if spec.kind != "image":
        run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "lab"])
    if spec.kind == "node":
        sudoers = root / "etc/sudoers.d/lab"
        sudoers.write_text("lab ALL=(ALL) NOPASSWD: ALL\n")
        sudoers.chmod(0o440)
    if (root / "etc/cloud").is_dir():  # it would wait for a data source that no node has
        (root / "etc/cloud/cloud-init.disabled").touch()
    (root / "etc/machine-id").unlink(missing_ok=True)


def copy(source: Path, node: Path) -> None:
    """Give a node its own copy of ``source`` as ``node``/root.

    All but /usr is copied, 1,500 small files, and lies on the host's own file system, as a WSL distro's root is
    ext4: containerd's overlay snapshots under /var could not stand on an overlay, nor could a lab inside the node.
    /usr, 90 % of the files, is an overlay over the cached root, or a copy where the kernel refuses that. A copy of
    all takes 0.3 s, but deleting it up to 6 s where the disk discards.
    """
    target, upper, work = node / "root", node / "upper", node / "work"
    for folder in (target, upper, work):
        folder.mkdir()
    run(["cp", "-a", *(entry for entry in source.iterdir() if entry.name != "usr"), target], timeout_s=120)
    (target / "usr").mkdir()
    layers = f"lowerdir={source / 'usr'},upperdir={upper},workdir={work}"
    if not run(["mount", "-t", "overlay", "wslgpu-lab", "-o", layers, target / "usr"], check=False).ok:
        run(["cp", "-a", f"{source / 'usr'}/.", target / "usr"], timeout_s=120)
