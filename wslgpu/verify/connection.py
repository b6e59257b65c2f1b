"""The connections of one verification: a private ssh_config, a shared master per host, and a first question.

testinfra's ssh backend logs in anew for every command unless a ControlPath is given, and it gives none; here it
stands in the ssh_config. Host keys are always checked against the inventory's known_hosts file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wslgpu.errors import UsageError, WslgpuError
from wslgpu.inventory import ResolvedHost

CONNECT_TIMEOUT_S = 10
PROBE_TIMEOUT_S = 30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_PROBE = (
    'id -u; if [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then echo root; else echo no-root; fi;'
    " if [ -e /etc/wslgpu-lab ]; then echo lab; else echo real; fi; echo wslgpu-probe-end"
)


@dataclass(frozen=True)
class Reached:
    """What the first question found.

    :param needs_sudo: the login is not root's, and sudo works without a password
    :param lab: the node carries the lab's marker
    """

    needs_sudo: bool
    lab: bool


@dataclass(frozen=True)
class NotReached:
    """Why a host cannot be judged, and whether a retry may help."""

    reason: str
    retryable: bool


@dataclass(frozen=True)
class Connections:
    """The private directory with ``ssh_config``, ``inventory.json`` and the masters' sockets."""

    directory: Path
    hosts: dict[str, ResolvedHost] = field(default_factory=dict)

    @property
    def ssh_config(self) -> Path:
        return self.directory / "ssh_config"

    @property
    def inventory(self) -> Path:
        return self.directory / "inventory.json"

    def reach(self, host: ResolvedHost) -> Reached | NotReached:
        """Open the connection and ask who we are there."""
        if host.name == "@local":
            command = ["sh", "-c", _PROBE]
        elif host.name.startswith("@"):
            return NotReached(f"verify reaches hosts over ssh and @local, not {host.name}", retryable=False)
        else:
            command = ["ssh", "-F", str(self.ssh_config), host.name, _PROBE]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PROBE_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return NotReached(f"{host.address} did not answer within {PROBE_TIMEOUT_S} s", retryable=True)
        except FileNotFoundError:
            return NotReached("there is no ssh client on this machine; install openssh-client", retryable=False)
        return parse_probe(done.stdout, done.stderr, host.address)

    def close(self, host: ResolvedHost) -> None:
        """End the host's master connection, if there is one."""
        if not host.name.startswith("@"):
            command = ["ssh", "-F", str(self.ssh_config), "-O", "exit", host.name]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)


def parse_probe(output: str, errors: str, address: str) -> Reached | NotReached:
    """Judge the answer to the first question."""
    words = output.split()
    if not words or words[-1] != "wslgpu-probe-end":
        lines = [line.strip() for line in errors.splitlines() if line.strip()]
        if "Host key verification failed." in errors or "IDENTIFICATION HAS CHANGED" in errors:
            return NotReached(
                f"the host key of {address} is not the one in known_hosts; compare it on the host, then put it there",
                retryable=False,
            )
        if "Permission denied" in errors:
            return NotReached(f"{address} refused the login: {lines[-1]}", retryable=False)
        return NotReached(lines[-1] if lines else f"{address} gave no answer", retryable=True)
    uid, rights, kind = words[-4], words[-3], words[-2]
    if rights != "root":
        return NotReached("sudo asks for a password there; allow it without one, or log in as root", retryable=False)
    return Reached(needs_sudo=uid != "0", lab=kind == "lab")


@contextmanager
def connections(hosts: Sequence[ResolvedHost]) -> Iterator[Connections]:
    """Set up for these hosts; at the end the masters are closed and everything is removed.

    :raises UsageError: a host's name cannot stand in an ssh_config
    """
    directory = _private_directory()
    try:
        result = Connections(directory, {host.name: host for host in hosts})
        _write(result.ssh_config, ssh_config(hosts, directory))
        rows = [{"name": host.name, "groups": list(host.groups), "data": host.data} for host in hosts]
        _write(result.inventory, json.dumps(rows))
        try:
            yield result
        finally:
            for host in hosts:
                if any(directory.glob("master-*")):
                    result.close(host)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _private_directory() -> Path:
    """A directory of mode 0700 whose name is short: a socket's path may have 108 bytes, ssh's suffix included."""
    directory = Path(tempfile.mkdtemp(prefix="wslgpu-"))
    if len(str(directory)) > 40:
        directory.rmdir()
        directory = Path(tempfile.mkdtemp(prefix="wslgpu-", dir="/tmp"))
    return directory


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)


def ssh_config(hosts: Sequence[ResolvedHost], directory: Path) -> str:
    """The ssh_config for these hosts.

    :raises UsageError: a name or value that would change the file's meaning
    """
    blocks = [_block(host) for host in hosts if not host.name.startswith("@")]
    common = [
        "Host *",
        "  StrictHostKeyChecking yes",
        "  BatchMode yes",
        "  ControlMaster auto",
        f"  ControlPath {_quoted(directory / 'master-%C', tokens=True)}",
        "  ControlPersist 60",
        f"  ConnectTimeout {CONNECT_TIMEOUT_S}",
        "  ServerAliveInterval 5",
        "  ServerAliveCountMax 3",
    ]
    return "\n".join([*blocks, *common]) + "\n"


def _block(host: ResolvedHost) -> str:
    if not _NAME.fullmatch(host.name):
        raise UsageError(f"{host.name!r} cannot be a host's name", "inventory", "Use letters, digits, '.', '_', '-'.")
    lines = [f"Host {host.name}", f"  HostName {_quoted(host.address)}"]
    for key, option in (("ssh_user", "User"), ("ssh_port", "Port")):
        if value := host.data.get(key):
            lines.append(f"  {option} {_quoted(value)}")
    if key_file := host.data.get("ssh_key"):
        lines += [f"  IdentityFile {_quoted(Path(key_file).expanduser())}", "  IdentitiesOnly yes"]
    if known_hosts := host.data.get("ssh_known_hosts_file"):
        lines += [f"  UserKnownHostsFile {_quoted(Path(known_hosts).expanduser())}", "  GlobalKnownHostsFile none"]
    if config_file := host.data.get("ssh_config_file"):
        lines.append(f"  Include {_quoted(Path(config_file).expanduser())}")
    return "\n".join(lines)


def _quoted(value: object, *, tokens: bool = False) -> str:
    text = str(value)
    if '"' in text or "\n" in text or "\\" in text:
        raise WslgpuError(f"{text!r} cannot stand in an ssh_config", "inventory", "Choose a plain path or name.")
    return f'"{text if tokens else text.replace("%", "%%")}"'
