"""What a .wsl file has to be, as a table: each rule with where it comes from, and a function that finds what breaks it.

Pure. Published rules: Microsoft's guide to custom distributions (:data:`GUIDE`) and the validator of its distribution
list (:data:`VALIDATOR`). Own rules are about images that many machines are made from.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from wslgpu.image import rules_files, rules_node, rules_units
from wslgpu.image.contents import Contents

GUIDE = "learn.microsoft.com/windows/wsl/build-custom-distro, 2024-11-19"
VALIDATOR = "github.com/microsoft/WSL distributions/validate-modern.py, 2026-08-07"
OWN = "wslgpu"

Check = Callable[[Contents], Iterator[str]]


class Severity(str, enum.Enum):
    """``error``: WSL, or a machine made from the image, goes wrong; ``warning``: it is advised against."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Rule:
    """One rule.

    :param id: permanent name
    :param summary: what has to be so
    :param source: where it is said, with the date at which that was read
    :param check: yields what breaks it, one sentence without a full stop each
    """

    id: str
    severity: Severity
    summary: str
    source: str
    check: Check


@dataclass(frozen=True)
class Broken:
    """One thing that is wrong in an image."""

    rule: Rule
    what: str


_E, _W = Severity.ERROR, Severity.WARNING
_BOTH = f"{GUIDE}; {VALIDATOR}"

RULES: tuple[Rule, ...] = (
    # the archive
    Rule("archive.name", _W, "the file's name ends with .wsl", GUIDE, rules_files.name),
    Rule("archive.format", _E, "it is a tar archive compressed with gzip or xz", VALIDATOR, rules_files.compression),
    Rule("archive.root", _E, "its top is the file system's top, not a folder that holds it", GUIDE, rules_files.top),
    Rule("archive.members", _E, "no member leads out of it, is a device, or stands twice", OWN, rules_files.members),
    # what WSL reads
    Rule("distribution.file", _E, "/etc/wsl-distribution.conf is there", _BOTH, rules_files.distribution_there),
    Rule(
        "distribution.mode", _W, "/etc/wsl-distribution.conf is root's, mode 0644", _BOTH, rules_files.distribution_mode
    ),
    Rule(
        "distribution.keys", _E, "/etc/wsl-distribution.conf has known keys", VALIDATOR, rules_files.distribution_keys
    ),
    Rule("distribution.name", _E, "oobe.defaultName is set", GUIDE, rules_files.default_name),
    Rule("distribution.uid", _W, "oobe.defaultUid is 1000, and nobody has it", _BOTH, rules_files.default_uid),
    Rule("oobe.command", _E, "oobe.command is a program in the image", VALIDATOR, rules_files.oobe_there),
    Rule("oobe.mode", _W, "oobe.command is root's, mode 0755", VALIDATOR, rules_files.oobe_mode),
    Rule("oobe.place", _W, "oobe.command is below /usr/lib/wsl or /usr/libexec/wsl", VALIDATOR, rules_files.oobe_place),
    Rule("icon.there", _W, "shortcut.icon is set", _BOTH, rules_files.icon_set),
    Rule("icon.file", _E, "shortcut.icon is an icon of at most 1 MiB, root's, 0644", _BOTH, rules_files.icon_file),
    Rule("icon.place", _W, "shortcut.icon is below /usr/lib/wsl or /usr/share/wsl", VALIDATOR, rules_files.icon_place),
    Rule(
        "terminal.file",
        _E,
        "windowsterminal.profileTemplate is JSON of at most 1 MiB",
        _BOTH,
        rules_files.terminal,
    ),
    Rule(
        "terminal.place",
        _W,
        "windowsterminal.profileTemplate is below /usr/lib/wsl",
        VALIDATOR,
        rules_files.terminal_place,
    ),
    Rule("wsl-conf.file", _E, "/etc/wsl.conf is there", GUIDE, rules_files.wsl_conf_there),
    Rule("wsl-conf.mode", _W, "/etc/wsl.conf is root's, mode 0644", _BOTH, rules_files.wsl_conf_mode),
    Rule("wsl-conf.keys", _E, "/etc/wsl.conf has nothing that WSL would skip", OWN, rules_files.wsl_conf_lint),
    Rule("wsl-conf.own", _W, "/etc/wsl.conf sets boot.systemd only", VALIDATOR, rules_files.wsl_conf_own),
    # users and programs
    Rule(
        "passwd.file", _E, "/etc/passwd is root's, and its lines are whole and different", VALIDATOR, rules_node.passwd
    ),
    Rule("passwd.root", _E, "the user with uid 0 is root", _BOTH, rules_node.root_user),
    Rule("shadow.mode", _W, "/etc/shadow is root's, mode 0640, 0600 or 0", VALIDATOR, rules_node.shadow_mode),
    Rule("shadow.hashes", _E, "/etc/shadow holds no password", GUIDE, rules_node.shadow_hashes),
    Rule("init.program", _E, "with systemd, /sbin/init is an x86-64 program", VALIDATOR, rules_node.init_program),
    Rule("shell.program", _E, "/bin/bash and /bin/sh are x86-64 programs", VALIDATOR, rules_node.shells),
    Rule("units.masked", _W, "units that disturb WSL are off or masked", _BOTH, rules_units.discouraged),
    Rule("resolv-conf", _E, "there is no /etc/resolv.conf", GUIDE, rules_node.resolv_conf),
    Rule("kernel", _E, "there is no kernel and no initramfs", GUIDE, rules_node.kernel),
    # an image that many machines are made from
    Rule("machine-id", _E, "/etc/machine-id is empty", OWN, rules_node.machine_id),
    Rule("host-keys", _E, "there is no ssh host key", OWN, rules_node.host_keys),
    Rule(
        "secrets",
        _E,
        "there are no private keys, passwords, authorized keys or histories",
        OWN,
        rules_node.secrets,
    ),
    Rule("traces", _E, "nothing is left of the machine that it was made on", OWN, rules_node.traces),
)


def judge(contents: Contents) -> list[Broken]:
    """Everything that is wrong, errors first, in the table's order."""
    found = [Broken(rule, what) for rule in RULES for what in rule.check(contents)]
    return sorted(found, key=lambda broken: list(Severity).index(broken.rule.severity))
