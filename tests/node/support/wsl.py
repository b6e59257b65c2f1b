"""The signs of WSL2, and its configuration file, read for checking."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.node.support.node import Node
from wslgpu.wsl_keys import Scalar, render_value

SIGNALS_NEEDED = 2
CLOCK_TOLERANCE_S = 2
"""The kernel gives its boot time in whole seconds, and a file its own."""

_SIGNALS = r"""
grep -qi microsoft /proc/sys/kernel/osrelease && echo kernel-name
[ -c /dev/dxg ] && echo dxg
for f in /proc/sys/fs/binfmt_misc/WSLInterop /proc/sys/fs/binfmt_misc/WSLInterop-late; do
  [ -e "$f" ] && echo interop && break; done
[ -d /run/WSL ] && echo run-wsl
[ -e /init ] && echo init
grep -q 'Microsoft$' /proc/sys/kernel/osrelease && echo wsl1
echo asked
"""


def signals(node: Node) -> list[str]:
    """The signs of WSL2 that are seen; none where the kernel names itself WSL1's.

    Source: microsoft/WSL src/linux/init. WSL1's kernel release ends in ``-Microsoft``, WSL2's holds ``microsoft``
    in lower case. Environment variables are no sign: services and ssh sessions have none of WSL's.
    """
    answer = node.shell(_SIGNALS)
    assert "asked" in answer.words, f"the signs of WSL cannot be looked for: {answer}"
    found = [word for word in answer.words if word != "asked"]
    return [] if "wsl1" in found else found


def numbers(release: str) -> tuple[int, ...]:
    """The leading numbers of a kernel release, for comparing."""
    match = re.match(r"\d+(\.\d+)*", release)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


@dataclass(frozen=True)
class ConfLine:
    """One meaningful line of wsl.conf.

    :param broken: neither section, comment nor ``key = value``
    """

    line: int
    section: str
    key: str
    value: str
    broken: bool = False

    def is_key(self, section: str, key: str) -> bool:
        """WSL compares names without regard to case."""
        return (self.section.lower(), self.key.lower()) == (section.lower(), key.lower())


def parse_conf(text: str) -> list[ConfLine]:
    """The keys of a wsl.conf, in order, and the lines that are none."""
    rows: list[ConfLine] = []
    section = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().lstrip("\ufeff")
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[\s*([^]]+?)\s*\](\s*#.*)?", line):
            section = header[1]
        elif "=" in line and section:
            key, _, value = line.partition("=")
            rows.append(ConfLine(number, section, key.strip(), _plain(value)))
        else:
            rows.append(ConfLine(number, section, "", line, broken=True))
    return rows


def _plain(value: str) -> str:
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    return re.sub(r"\s+#.*$", "", text)


def same_value(found: str, wanted: Scalar) -> bool:
    """Whether a value in the file means the wanted one: WSL takes true, TRUE and 1 alike."""
    if isinstance(wanted, bool):
        return found.lower() in (("true", "1") if wanted else ("false", "0"))
    return found == render_value(wanted)


def started_at(node: Node) -> float:
    """When the distro was started, in seconds since the epoch: its process 1."""
    answer = node.shell("cat /proc/1/stat; getconf CLK_TCK; grep '^btime' /proc/stat")
    stat, ticks, boot = answer.lines
    return int(boot.split()[1]) + int(stat.rsplit(")", 1)[1].split()[19]) / int(ticks)
