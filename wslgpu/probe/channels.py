"""Where a node is, and the command line that starts ``sh`` there with our standard input and output. Pure."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from pathlib import Path

from wslgpu.errors import UsageError
from wslgpu.probe.document import View

CONNECT_TIMEOUT_S = 10
FORMS = "local, HOST, ssh://[USER@]HOST[:PORT], wsl://DISTRO, docker://CONTAINER, kubectl://NAMESPACE/POD[/CONTAINER]"

_HOST = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}"
_USER = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"
_ALIAS = re.compile(rf"(?:(?P<user>{_USER})@)?(?P<host>{_HOST})")
_SSH = re.compile(
    rf"(?:(?P<user>{_USER})@)?(?:(?P<host>{_HOST})|\[(?P<address>[0-9A-Fa-f:.]{{2,45}})\])(?::(?P<port>[0-9]{{1,5}}))?/?"
)
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_POD = re.compile(rf"{_LABEL}(\.{_LABEL})*")


class Kind(str, enum.Enum):
    """The channel: what is started here so that the program runs there."""

    LOCAL = "local"
    SSH = "ssh"
    WSL = "wsl"
    DOCKER = "docker"
    KUBECTL = "kubectl"


@dataclass(frozen=True)
class Target:
    """One place where the probe is to run.

    :param name: as reports name it: what the user typed, or the inventory's host name
    :param place: host, distribution, container, or ``namespace/pod[/container]``
    :param ssh_config: the file for ``ssh -F``; None for the user's own
    """

    name: str
    kind: Kind
    place: str = ""
    user: str = ""
    port: int = 0
    ssh_config: Path | None = None

    @property
    def view(self) -> View:
        """What the program sees from there."""
        return View.CONTAINER if self.kind in (Kind.DOCKER, Kind.KUBECTL) else View.NODE

    @property
    def client(self) -> str:
        """The program on this machine that the channel needs."""
        return {Kind.LOCAL: "sh", Kind.WSL: "wsl.exe"}.get(self.kind, self.kind.value)

    def argv(self) -> list[str]:
        """The command line on this machine; it reads a script on standard input."""
        if self.kind is Kind.SSH:
            return self._ssh()
        if self.kind is Kind.WSL:
            return [self.client, "--distribution", self.place, "--exec", "sh", "-s"]
        if self.kind is Kind.DOCKER:
            return [self.client, "exec", "--interactive", self.place, "sh", "-s"]
        if self.kind is Kind.KUBECTL:
            namespace, pod, *container = self.place.split("/")
            chosen = [f"--container={container[0]}"] if container else []
            return [self.client, "exec", "--stdin", f"--namespace={namespace}", pod, *chosen, "--", "sh", "-s"]
        return [self.client, "-s"]

    def _ssh(self) -> list[str]:
        # what stands on the command line wins over the user's ssh_config; a shared connection that is there is used,
        # but none is left behind
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": CONNECT_TIMEOUT_S,
            "ConnectionAttempts": 1,
            "ControlMaster": "no",
            "ServerAliveInterval": 5,
            "ServerAliveCountMax": 3,
            "RequestTTY": "no",
            "ForwardAgent": "no",
            "ForwardX11": "no",
            "ClearAllForwardings": "yes",
            "PermitLocalCommand": "no",
            "UpdateHostKeys": "no",
            "Tunnel": "no",
        }
        words = [self.client, *(["-F", str(self.ssh_config)] if self.ssh_config else [])]
        words += [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
        words += ["-l", self.user] if self.user else []
        words += ["-p", str(self.port)] if self.port else []
        return [*words, "--", self.place, "sh -s"]


LOCAL = Target("local", Kind.LOCAL)


def parse_target(text: str) -> Target:
    """Read a target as it is written on the command line: one of :data:`FORMS`.

    :raises UsageError: another form, or a name that could be an option or a shell's word
    """
    if text == "local":
        return LOCAL
    scheme, separator, rest = text.partition("://")
    if not separator:
        return _ssh_target(text, _ALIAS.fullmatch(text))
    if scheme == "ssh":
        return _ssh_target(text, _SSH.fullmatch(rest))
    if scheme == "wsl" and _DISTRIBUTION.fullmatch(rest):
        return Target(text, Kind.WSL, rest)
    if scheme == "docker" and _CONTAINER.fullmatch(rest):
        return Target(text, Kind.DOCKER, rest)
    if scheme == "kubectl" and _is_pod(rest.split("/")):
        return Target(text, Kind.KUBECTL, rest)
    raise _refused(text)


def in_inventory(name: str, ssh_config: Path) -> Target:
    """A host of an inventory, by the ssh_config that was written for it; ``@local`` is this machine.

    :raises UsageError: a connector that is neither ssh nor ``@local``
    """
    if name == "@local":
        return replace(LOCAL, name=name)
    if not _ALIAS.fullmatch(name) or "@" in name:
        raise UsageError(f"{name!r} is not reached over ssh", "inventory", f"Name it as one of {FORMS}.")
    return Target(name, Kind.SSH, name, ssh_config=ssh_config)


def _ssh_target(text: str, found: re.Match[str] | None) -> Target:
    if found is None:
        raise _refused(text)
    parts = found.groupdict()
    port = int(parts.get("port") or 0)
    if port > 65535 or (parts.get("port") and port == 0):
        raise UsageError(f"{text!r} has no usable port", "TARGET", "A port is 1 to 65535.")
    return Target(text, Kind.SSH, parts["host"] or parts["address"], parts["user"] or "", port)


def _is_pod(words: list[str]) -> bool:
    if len(words) not in (2, 3) or not _NAMESPACE.fullmatch(words[0]) or not _POD.fullmatch(words[1]):
        return False
    return len(words) == 2 or _NAMESPACE.fullmatch(words[2]) is not None


def _refused(text: str) -> UsageError:
    return UsageError(f"{text[:100]!r} is no target", "TARGET", f"One of: {FORMS}.")
