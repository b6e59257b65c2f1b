"""What ``wslgpu support`` reads besides the observations: configuration files and the tails of logs. Pure.

A second part of the same script, run after the probe in the same session. Every piece is cut on the node already.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatch

from wslgpu.report.plain import clean

PIECE_LIMIT_BYTES = 48 << 10
LINES = 200
FILES_LIMIT = 100
NAMES_LIMIT = 500
COMMAND_TIMEOUT_S = 5

FILES = (
    "/etc/wsl.conf",
    "/etc/os-release",
    "/etc/fstab",
    "/etc/containerd/config.toml",
    "/etc/containerd/conf.d/*.toml",
    "/etc/nvidia-container-runtime/config.toml",
    "/etc/cdi/*.yaml",
    "/var/run/cdi/*.yaml",
    "/etc/docker/daemon.json",
    "/etc/ld.so.conf.d/ld.wsl.conf",
    "/etc/nccl.conf",
)
_JOURNAL = f"journalctl -q --no-pager -o short-iso --no-hostname -n {LINES}"
COMMANDS = {
    "journal of containerd": f"{_JOURNAL} -u containerd",
    "journal of docker": f"{_JOURNAL} -u docker",
    "journal of kubelet": f"{_JOURNAL} -u kubelet -u k3s",
    "journal of nvidia-cdi-refresh": f"{_JOURNAL} -u nvidia-cdi-refresh -u wslgpu-cdi-refresh",
    "kernel messages of the GPU driver": f"dmesg | grep -iE 'dxg|nvidia|nvrm' | tail -n {LINES}",
    "failed units": "systemctl --no-pager --plain --no-legend --failed",
}
NAMES = "names"
"""A log that is not kept: host name and users, which are taken out of all others."""

_MARK = re.compile(rb"^=== wslgpu-support ([0-9a-f]{32}) (file|log) ([^\r\n]{1,200}) ===\r?$", re.MULTILINE)

_WHO = "hostname; id -un; cut -d: -f1,3 /etc/passwd | grep -E ':[1-5][0-9]{3,4}$' | cut -d: -f1"

# Nothing here writes, and nothing reads our standard input, which is the script itself.
_SCRIPT = """
wslgpu_support() {{
wslgpu_limit() {{ if command -v timeout >/dev/null 2>&1; then timeout {timeout} "$@"; else "$@"; fi; }}
for wslgpu_file in {files}; do
  [ -f "$wslgpu_file" ] || continue
  printf '\\n=== wslgpu-support {nonce} file %s ===\\n' "$wslgpu_file"
  wslgpu_limit head -c {limit} "$wslgpu_file" </dev/null 2>&1
done
{commands}
printf '\\n=== wslgpu-support {nonce} log end ===\\n'
}}
wslgpu_support
"""
_COMMAND = """\
printf '\\n=== wslgpu-support {nonce} log {name} ===\\n'
wslgpu_limit sh -c "{command}" </dev/null 2>&1 | tail -c {limit}
"""


@dataclass(frozen=True)
class Pieces:
    """What came back.

    :param files: path -> text
    :param logs: name of :data:`COMMANDS` -> text
    :param names: host name and users of the node
    :param whole: the last mark was there
    """

    files: dict[str, str]
    logs: dict[str, str]
    names: tuple[str, ...]
    whole: bool


def script(nonce: str) -> bytes:
    """The part for ``sh``.

    :param nonce: 32 hexadecimal digits that nobody on the node knows beforehand
    """
    commands = "".join(
        _COMMAND.format(nonce=nonce, name=name, command=command, limit=PIECE_LIMIT_BYTES)
        for name, command in {NAMES: _WHO, **COMMANDS}.items()
    )
    text = _SCRIPT.format(
        timeout=COMMAND_TIMEOUT_S, files=" ".join(FILES), nonce=nonce, limit=PIECE_LIMIT_BYTES, commands=commands
    )
    return text.encode("ascii")


def split(stdout: bytes, nonce: str) -> tuple[bytes, Pieces]:
    """Take the pieces off the end of what the session printed: the probe's part, and the pieces."""
    marks = [mark for mark in _MARK.finditer(stdout) if mark.group(1).decode() == nonce]
    if not marks:
        return stdout, Pieces({}, {}, (), whole=False)
    files: dict[str, str] = {}
    logs: dict[str, str] = {}
    whole = False
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        kind, name = mark.group(2).decode(), clean(mark.group(3).decode("utf-8", "replace"), 200)
        if kind == "log" and name == "end":
            whole = True
            break
        if kind == "log":
            wanted = name in (NAMES, *COMMANDS)
        else:
            wanted = len(files) < FILES_LIMIT and any(fnmatch(name, form) for form in FILES)
        if not wanted:
            continue  # the script asked for no such thing: the node made it up
        end = following.start() if following else len(stdout)
        text = _text(stdout[mark.end() : end])
        (files if kind == "file" else logs)[name] = text
    names = tuple(dict.fromkeys(logs.pop(NAMES, "").split()))[:NAMES_LIMIT]
    return stdout[: marks[0].start()], Pieces(files, logs, names, whole)


def _text(raw: bytes) -> str:
    """Lines that can be shown anywhere: what a node wrote into its logs is not to be trusted."""
    lines = raw[:PIECE_LIMIT_BYTES].decode("utf-8", "replace").strip("\r\n").splitlines()
    return "\n".join(clean(line, 1000) for line in lines)
