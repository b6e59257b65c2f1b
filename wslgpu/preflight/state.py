"""The state that a node is in: packages, clock, file systems, services, other runs."""

from __future__ import annotations

from collections.abc import Iterator

from wslgpu.errors import ErrorClass
from wslgpu.facts.node_shape import NodeShape
from wslgpu.preflight.finding import ControllerClock, Finding, Severity, refuse
from wslgpu.settings import Settings

WINDOWS_FILE_SYSTEMS = ("9p", "drvfs", "virtiofs")
FOREIGN_FILE_SYSTEMS = ("fuse", "fuseblk", "vfat", "exfat", "ntfs", "ntfs3", "cifs", "smb3", "nfs", "nfs4")
VOLATILE_FILE_SYSTEMS = ("tmpfs", "ramfs")


def judge_packages(shape: NodeShape) -> Iterator[Finding]:
    if shape.dpkg_error:
        what = f"dpkg cannot read its database: {' '.join(shape.dpkg_error.split())}"
        step = (
            "If it names a file in /var/lib/dpkg/updates, look at it, move it away (mv FILE /root/), and run"
            " dpkg --configure -a. If it names /var/lib/dpkg/status, put /var/lib/dpkg/status-old in its place."
        )
        yield refuse("dpkg.database", what, step)
    if shape.unfinished:
        names = ", ".join(f"{package} ({state})" for package, state in sorted(shape.unfinished.items()))
        what = f"dpkg was interrupted: {names}; it is finished before anything is installed"
        yield Finding("dpkg.unfinished", Severity.NOTE, what)
    if shape.apt_locks:
        holders = sorted({f"{holder.name} (process {holder.process})" for holder in shape.apt_locks})
        what = f"apt is locked by {', '.join(holders)}"
        if shape.missing or shape.unfinished:
            step = "Wait until it has ended. Never delete the lock file."
            yield refuse("apt.lock", what, step, ErrorClass.TIMEOUT, retryable=True)
        else:
            yield Finding("apt.lock", Severity.NOTE, f"{what}; nothing is to be installed")


def judge_clock(shape: NodeShape, settings: Settings, clock: ControllerClock) -> Iterator[Finding]:
    skew = 0.0
    if shape.clock < clock.before - settings.clock_skew_limit_s:
        skew = shape.clock - clock.before
    elif shape.clock > clock.after + settings.clock_skew_limit_s:
        skew = shape.clock - clock.after
    if skew:
        direction = "behind" if skew < 0 else "ahead of"
        what = (
            f"the clock is {abs(skew):.0f} s {direction} the controller's (limit {settings.clock_skew_limit_s} s):"
            " signatures and certificates would be refused"
        )
        step = "Set it: hwclock --hctosys here, or wsl --shutdown in Windows; and compare the controller's own clock."
        yield refuse("node.clock", what, step, retryable=True)


def judge_file_systems(shape: NodeShape, settings: Settings) -> Iterator[Finding]:
    mount = shape.mount_of(shape.data_dir)
    kind = mount.kind if mount else "unknown"
    name = f"data_dir {settings.data_dir}"
    if kind in WINDOWS_FILE_SYSTEMS:
        what = f"{name} is on a Windows drive ({kind}), which is slow and keeps no Linux permissions"
        step = "Choose a directory on the Linux file system, such as /var/lib/wslgpu."
        yield refuse("data-dir.file-system", what, step, ErrorClass.USAGE)
    elif kind in FOREIGN_FILE_SYSTEMS or kind.startswith("fuse."):
        what = f"{name} is on {kind}, which keeps no Linux permissions or is not this machine's"
        yield refuse("data-dir.file-system", what, "Choose a directory on a Linux file system.", ErrorClass.USAGE)
    elif kind in VOLATILE_FILE_SYSTEMS:
        what = f"{name} is on {kind} and would be empty after every wsl --shutdown"
        yield refuse("data-dir.file-system", what, "Choose a directory on the disk.", ErrorClass.USAGE)
    read_only: dict[str, list[str]] = {}
    for path in ("/", "/etc", "/usr", "/var/lib", shape.data_dir):
        mount = shape.mount_of(path)
        if mount is not None and mount.read_only:
            read_only.setdefault(mount.point, []).append(path)
    for point in read_only:
        what = f"the file system at {point} is read-only"
        step = f"See dmesg for why; then mount -o remount,rw {point}, or wsl --shutdown in Windows."
        yield refuse("file-system.read-only", what, step)


def judge_services(shape: NodeShape) -> Iterator[Finding]:
    if shape.run_lock:
        since, _, owner = shape.run_lock.partition(" ")
        what = f"another run holds this node: {owner}, since {since}"
        yield refuse("node.lock", what, "Wait until it has ended, or end it there.", ErrorClass.TIMEOUT, retryable=True)
    if shape.pid1 == "systemd" and shape.systemd not in ("running", "starting", "initializing"):
        units = ", ".join(shape.failed_units) or "none named"
        what = f"systemd is {shape.systemd or 'not answering'}; failed units: {units}"
        yield Finding("node.units", Severity.DEGRADED, what, "See: systemctl status UNIT.")
    if shape.docker_desktop:
        what = f"Docker Desktop is integrated here ({', '.join(shape.docker_desktop)}); its engine is left alone"
        yield Finding("docker.desktop", Severity.NOTE, what)
