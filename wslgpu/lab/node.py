"""One node: a systemd-nspawn container with real systemd and sshd, started, reached, rebooted and killed.

A node's processes are found by its directory on their command lines, never by what a file says their number was:
so they are found after a crash too, and never another's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from wslgpu.errors import ErrorClass
from wslgpu.host_files import write_atomically
from wslgpu.lab import host, root, shape
from wslgpu.lab.errors import LabError
from wslgpu.lab.kubernetes import control_plane
from wslgpu.lab.persona import Persona
from wslgpu.lab.shell import Result, detach, run
from wslgpu.lab.state import LabState, NodeState
from wslgpu.programs import ProcessId

BOOT_TIMEOUT_S = 60.0
CGROUP = "wslgpu-lab"
CONSOLE_TAIL = 15
KILL_TIMEOUT_S = 10.0

# A container that reboots ends nspawn with 133 when it runs without a unit of its own: start it again.
SUPERVISOR = """\
#!/bin/sh
# wslgpu lab: keeps node {name} of lab {lab} running across its own reboots; ends when the node ends
{cgroups}
while :; do
  {environment}{command} </dev/null
  rc=$?
  [ "$rc" = 133 ] || exit "$rc"
done
"""


class Node:
    """A lab node, by what lab.json says of it."""

    def __init__(self, lab: LabState, state: NodeState, persona: Persona) -> None:
        self.lab = lab
        self.state = state
        self.persona = persona

    def __repr__(self) -> str:
        return f"Node({self.lab.name}/{self.name})"

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def address(self) -> str:
        return self.state.address

    @property
    def directory(self) -> Path:
        return self.lab.directory / "nodes" / self.name

    @property
    def root(self) -> Path:
        """The node's file system as the host sees it, mounts inside the node left out."""
        return self.directory / "root"

    @property
    def console_log(self) -> Path:
        return self.directory / "console.log"

    @property
    def interface(self) -> str:
        return self.state.interface

    # making it

    def create(self, source: Path) -> None:
        """Copy ``source`` and give the copy its name, keys, network and persona. Nothing runs yet."""
        self.directory.mkdir(parents=True)
        root.copy(source, self.directory)
        etc = self.root / "etc"
        (etc / "hostname").write_text(f"{self.name}\n")
        (etc / "hosts").write_text(self.hosts_text())
        (etc / "resolv.conf").unlink(missing_ok=True)
        (etc / "resolv.conf").write_text(host.resolv_conf())
        (etc / "machine-id").write_text(f"{secrets.token_hex(16)}\n")
        proxy = host.apt_proxy()
        if proxy:
            (etc / "apt/apt.conf.d/90wslgpu-lab-proxy").write_text(proxy)
        self._install_keys(etc)
        self._quiet(etc)
        if self.lab.kind == "fresh":
            self._networkd(etc)
        shape.give(
            self.root,
            self.persona,
            lab=self.lab.name,
            address=f"{self.address}/24",
            gateway=self.lab.gateway,
        )
        if self.control_plane:
            control_plane.give(self.root, self.lab.directory, node=self.name, address=self.address)

    @property
    def control_plane(self) -> bool:
        """This node is the control plane of the lab's cluster."""
        return self.lab.kubernetes and self.name == self.lab.nodes[0].name

    def hosts_text(self) -> str:
        others = "".join(f"{node.address} {node.name}\n" for node in self.lab.nodes if node.name != self.name)
        own = f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {self.name}\n"
        return own + others + host.extra_hosts()

    def _install_keys(self, etc: Path) -> None:
        for suffix, mode in (("", 0o600), (".pub", 0o644)):
            text = (self.lab.directory / "host_keys" / f"{self.name}{suffix}").read_text()
            write_atomically(etc / f"ssh/ssh_host_ed25519_key{suffix}", text, mode)
        public = (self.lab.directory / "id_ed25519.pub").read_text()
        lab = [("home/lab", 1000)] if (self.root / "home/lab").is_dir() else []  # a root of kind image has no user
        for home, uid in [("root", 0), *lab]:
            folder = self.root / home / ".ssh"
            folder.mkdir(mode=0o700, exist_ok=True)
            write_atomically(folder / "authorized_keys", public, 0o600)
            for path in (folder, folder / "authorized_keys"):
                os.chown(path, uid, uid)

    @staticmethod
    def _quiet(etc: Path) -> None:
        """Leave out what would only disturb: other host keys, and apt's timers, which take dpkg's lock at any time."""
        units = etc / "systemd/system"
        (units / "sshd-keygen.service").symlink_to("/dev/null")
        for timer in ("apt-daily", "apt-daily-upgrade"):
            (units / f"timers.target.wants/{timer}.timer").unlink(missing_ok=True)

    def _networkd(self, etc: Path) -> None:
        """A bare Debian has no `ip`; systemd brings networkd. The file must sort before 80-container-host0."""
        (etc / "systemd/network/10-lab.network").write_text(
            f"[Match]\nName=host0\n[Network]\nAddress={self.address}/24\nGateway={self.lab.gateway}\n"
        )
        wants = etc / "systemd/system/multi-user.target.wants"
        (wants / "systemd-networkd.service").symlink_to("/usr/lib/systemd/system/systemd-networkd.service")

    # running it

    def start(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Boot the node and wait until it answers on ssh."""
        self.launch()
        self.wait(timeout_s)

    def launch(self) -> None:
        """Begin to boot; `wait` waits."""
        if self.processes():
            raise LabError(
                what="the node is already running",
                where=str(self),
                next_step="kill() or reboot() it",
                error_class=ErrorClass.USAGE,
            )
        groups = self._make_cgroups()
        environment, payload = host.nspawn_cgroup_setting(self.lab.cgroup)
        supervisor = SUPERVISOR.format(
            name=self.name,
            lab=self.lab.name,
            cgroups="\n".join(f"echo $$ >{shlex.quote(str(group))}/cgroup.procs 2>/dev/null" for group in groups),
            environment="".join(f"{key}={shlex.quote(value)} " for key, value in environment.items()),
            command=shlex.join([*self._nspawn(), *payload]),
        )
        script = self.directory / "supervise.sh"
        write_atomically(script, supervisor)
        with self.console_log.open("ab") as console:
            detach(["/bin/sh", script], output=console)

    def _nspawn(self) -> list[str]:
        return [
            "systemd-nspawn",
            "--quiet",
            f"--directory={self.root}",
            f"--machine={self.state.machine}",
            f"--hostname={self.name}",
            "--boot",
            "--register=no",
            "--keep-unit",
            f"--network-bridge={self.lab.bridge}",
            # a bind mount over /etc/localtime makes tzdata's postinst fail
            "--timezone=off",
            "--resolv-conf=off",
            "--link-journal=no",
            "--capability=all",
            # with it `date -s` in the node sets the clock of the host
            "--drop-capability=CAP_SYS_TIME",
            "--system-call-filter=@keyring bpf",
            # an old kubelet, what cgroup v1 is for, does not start without; journald then shows the host's messages
            *(["--bind=/dev/kmsg"] if self.lab.cgroup == "v1" and Path("/dev/kmsg").exists() else []),
            *(control_plane.binds(Path(self.lab.programs)) if self.control_plane else []),
        ]

    def _make_cgroups(self) -> list[Path]:
        """A cgroup of its own in every hierarchy: without, two containers started here would share theirs."""
        groups: list[Path] = []
        for mount in host.cgroup_mounts().values():
            group = mount / CGROUP / self.state.machine
            try:
                group.mkdir(parents=True, exist_ok=True)
                for key in ("cpuset.cpus", "cpuset.mems"):
                    if (mount / key).exists() and not (mount / "cgroup.controllers").exists():
                        for place in (group.parent, group):
                            (place / key).write_text((mount / key).read_text())
            except OSError:
                continue  # a hierarchy we may not write: the node stays where its starter is in that one
            groups.append(group)
        return groups

    def wait(self, timeout_s: float = BOOT_TIMEOUT_S, *, but_not: int | None = None) -> None:
        """Wait until sshd answers and logins are open. ``but_not``: a leader of an earlier boot."""
        deadline = time.monotonic() + timeout_s
        grace = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            if time.monotonic() > grace and not self.processes():
                break
            leader = self.leader()
            if leader is not None and leader != but_not and self._answers(leader):
                return
            time.sleep(0.03)
        tail = "\n".join(self.console_log.read_text(errors="replace").splitlines()[-CONSOLE_TAIL:])
        raise LabError(
            what=f"the node does not answer on ssh after {timeout_s:g} s; its console ends with:\n{tail}",
            where=str(self),
            next_step=f"see {self.console_log}; wslgpu lab down --name {self.lab.name}",
            error_class=ErrorClass.TIMEOUT,
            retryable=True,
        )

    def _answers(self, leader: int) -> bool:
        if Path(f"/proc/{leader}/root/run/nologin").exists():
            return False
        try:
            with socket.create_connection((self.address, 22), timeout=1) as connection:
                connection.settimeout(2)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def processes(self) -> list[int]:
        """The supervisor and nspawn processes of this node, supervisor first."""
        marks = {str(self.directory / "supervise.sh").encode(), f"--directory={self.root}".encode()}
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")[:4]
                if marks & set(words):
                    found.append(int(entry.name))
        return sorted(found, key=lambda pid: (not _is_supervisor(pid), pid))

    def leader(self) -> int | None:
        """PID 1 of the node as the host sees it; None while it does not run."""
        for pid in self.processes():
            if _is_supervisor(pid):
                continue
            for child in _children(pid):
                with contextlib.suppress(OSError):
                    status = Path(f"/proc/{child}/status").read_text()
                    if any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.splitlines()):
                        return child
        return None

    @property
    def running(self) -> bool:
        return self.leader() is not None

    @property
    def boot_failed(self) -> bool:
        """True when the node has no PID 1 or does not answer on ssh."""
        leader = self.leader()
        return leader is None or not self._answers(leader)

    def kill(self) -> None:
        """End it as a power cut or `wsl --terminate` does: everything in the node is killed at once."""
        deadline = time.monotonic() + KILL_TIMEOUT_S
        while True:
            # the supervisor first, so that it does not start the node again
            pids = [*self.processes(), *self._members()]
            if not pids:
                return
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise LabError(
                    what="processes of the node survive SIGKILL",
                    where=f"{self}: {pids}",
                    next_step="look for a process in state D; then wslgpu lab down again",
                )
            time.sleep(0.01)

    def _members(self) -> list[int]:
        """Every process in the node's own cgroups: also where nspawn was killed and left the node without a parent."""
        found: set[int] = set()
        for mount in host.cgroup_mounts().values():
            for procs in (mount / CGROUP / self.state.machine).rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found.update(int(word) for word in procs.read_text().split())
        found.discard(0)  # a process of an outer namespace
        return sorted(pid for pid in found if ProcessId.of(pid) is not None)

    def reboot(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """`systemctl reboot` inside, and wait until ssh is back."""
        before = self.leader()
        self.nsenter("systemctl --no-block reboot")
        self.wait(timeout_s, but_not=before)

    def link_down(self) -> None:
        """Cut the node's network at the host's end."""
        run(["ip", "link", "set", self.interface, "down"])

    def link_up(self) -> None:
        run(["ip", "link", "set", self.interface, "up"])

    # reaching it

    def ssh_argv(self, *words: str, user: str = "root", tty: bool = False) -> list[str]:
        """The ssh command line for this node: the lab's key and known_hosts, none of the user's settings."""
        options = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.lab.directory / 'known_hosts'}",
            "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "LogLevel=ERROR",
            "ConnectTimeout=10",
        ]
        flags = [part for option in options for part in ("-o", option)]
        key = str(self.lab.directory / "id_ed25519")
        return ["ssh", "-F", "/dev/null", *flags, *(["-t"] if tty else []), "-i", key, f"{user}@{self.address}", *words]

    def run(self, command: str, *, timeout: float = 60, check: bool = False, user: str = "root") -> Result:
        """Run a shell command over ssh. A status other than 0 is returned, or with ``check`` a LabError."""
        return run(self.ssh_argv(command, user=user), timeout_s=timeout, check=check)

    def nsenter_argv(self, words: Sequence[str]) -> list[str]:
        """The command line that runs ``words`` in all namespaces of the node, from outside."""
        leader = self.leader()
        if leader is None:
            raise LabError(
                what="the node is not running", where=str(self), next_step="start() it", error_class=ErrorClass.USAGE
            )
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
        # env -i: a login there has none of this machine's variables
        clean = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        return ["nsenter", f"--target={leader}", *spaces, *clean, *words]

    def nsenter(
        self, command: str | Sequence[str], *, timeout: float = 60, check: bool = True, stdin: bytes | None = None
    ) -> Result:
        """Run a command in the node from outside; works when its ssh or network does not."""
        words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        return run(self.nsenter_argv(words), timeout_s=timeout, check=check, stdin=stdin)

    def put(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file in the node, parents included, from outside."""
        data = content.encode() if isinstance(content, str) else content
        quoted = shlex.quote(path)
        self.nsenter(f'mkdir -p "$(dirname {quoted})" && cat >{quoted} && chmod {mode:o} {quoted}', stdin=data)

    # Windows' side of it

    def replace_driver_store(self, new_hash: str, driver_version: str) -> None:
        """What a Windows driver update does: the store's folder has another name and other content.

        In WSL the mounts are live. Here they are made again, in the running node too.
        """
        shape.require_driver(self.persona.driver)
        target = self.root / shape.HERE / "driver"
        shape.make_driver(target, str(self.persona.driver), new_hash, driver_version)
        if self.running:
            self.nsenter(f"sh /{shape.HERE}/mount-driver.sh")


def _is_supervisor(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] == b"/bin/sh"
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []
