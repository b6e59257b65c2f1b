"""/etc/wsl.conf, .wslconfig on the Windows drive, and what of them can be seen running, in one round trip."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class Profile:
    """A Windows user's directory that this distro can reach.

    :param content: of its .wslconfig; None where there is none
    :param modified: of that file, an epoch
    """

    directory: str
    content: bytes | None
    modified: int

    @property
    def path(self) -> str:
        """Where .wslconfig is or would be."""
        return f"{self.directory}/.wslconfig"


@dataclass(frozen=True)
class WslFiles:
    """
    :param wsl: at least two signals of WSL are there
    :param conf_kind: of /etc/wsl.conf, in stat's words with hyphens: regular-file, symbolic-link, ...; or none
    :param at_start: what /etc/wsl.conf held when the running distro began, if a run of ours has changed it since
    :param started: when that was, an epoch; ``booted``: when the virtual machine was
    :param cgroup: type of the file system at /sys/fs/cgroup
    :param drives: mount points of Windows drives that hold profiles
    """

    wsl: bool = False
    conf_kind: str = "none"
    conf_mode: str = ""
    conf_owner: str = ""
    conf_modified: int = 0
    conf: bytes | None = None
    at_start: bytes | None = None
    rendered: bytes | None = None
    started: int = 0
    booted: int = 0
    pid1: str = ""
    hostname: str = ""
    cgroup: str = ""
    interop: bool = False
    drives: tuple[str, ...] = ()
    profiles: tuple[Profile, ...] = ()


def parse_wsl_files(lines: list[str]) -> WslFiles:
    """Read wsl_files.sh's output."""
    values = {key: value for key, _, value in (line.partition(" ") for line in lines)}
    kind, mode, owner, modified = (*values.get("conf", "none").split(), "", "", "")[:4]
    rows = [value for key, _, value in (line.partition(" ") for line in lines) if key == "profile"]
    return WslFiles(
        wsl=_number(values.get("signals", "")) >= 2,
        conf_kind=kind,
        conf_mode=mode,
        conf_owner=owner,
        conf_modified=_number(modified),
        conf=_content(values.get("conf-content", "-")),
        at_start=_content(values.get("at-start-content", "-")),
        rendered=_content(values.get("rendered-content", "-")),
        started=_number(values.get("started", "")),
        booted=_number(values.get("booted", "")),
        pid1=values.get("pid1", ""),
        hostname=values.get("hostname", ""),
        cgroup=values.get("cgroup", ""),
        interop=values.get("interop") == "yes",
        drives=tuple(value for key, _, value in (line.partition(" ") for line in lines) if key == "drive"),
        profiles=tuple(
            Profile(directory, _content(content), _number(modified))
            for modified, content, directory in (row.split(" ", 2) for row in rows if row.count(" ") >= 2)
        ),
    )


def _content(text: str) -> bytes | None:
    if text == "-":
        return None
    try:
        return base64.b64decode("" if text == "=" else text, validate=True)
    except binascii.Error:
        return None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


class WslFileStates(ScriptFact[WslFiles]):
    """The node's :class:`WslFiles`."""

    script_name = "wsl_files"

    @staticmethod
    def default() -> WslFiles:
        return WslFiles()

    def command(self, data_dir: str) -> StringCommand:  # type: ignore[override]
        return super().command(data_dir)

    def process(self, output: list[str]) -> WslFiles:
        return parse_wsl_files(output)
