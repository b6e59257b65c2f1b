"""The keys that WSL's own parsers know, for /etc/wsl.conf and for .wslconfig.

WSL ignores an unknown key in wsl.conf silently and only warns about one in .wslconfig, which is how typos live for
years. Sources: microsoft/WSL ``src/linux/init/WslDistributionConfig.cpp`` (wsl.conf) and
``src/windows/common/WslCoreConfig.h`` (.wslconfig), read 2026-08; learn.microsoft.com/windows/wsl/wsl-config.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

from wslgpu.names import alike

Scalar = bool | int | str


class Kind(enum.Enum):
    """What WSL's parser accepts as a value."""

    BOOLEAN = "true or false"
    INTEGER = "a whole number"
    MEMORY = "a size such as 8GB or 512MB"
    TEXT = "text on one line"
    CGROUPS = "v1 or v2"
    NETWORKING = "none, nat, bridged, mirrored, consomme or virtioproxy"
    MAC_ADDRESS = "a hardware address such as 00:15:5d:12:34:56"


WSL_CONF: Mapping[str, Mapping[str, Kind]] = {
    "automount": {
        "enabled": Kind.BOOLEAN,
        "root": Kind.TEXT,
        "options": Kind.TEXT,
        "mountFsTab": Kind.BOOLEAN,
        "ldconfig": Kind.BOOLEAN,
        "cgroups": Kind.CGROUPS,
    },
    "filesystem": {"umask": Kind.TEXT},
    "interop": {"enabled": Kind.BOOLEAN, "appendWindowsPath": Kind.BOOLEAN},
    "network": {"generateHosts": Kind.BOOLEAN, "generateResolvConf": Kind.BOOLEAN, "hostname": Kind.TEXT},
    "time": {"useWindowsTimezone": Kind.BOOLEAN},
    "fileServer": {
        "enabled": Kind.BOOLEAN,
        "logFile": Kind.TEXT,
        "logLevel": Kind.INTEGER,
        "logTruncate": Kind.BOOLEAN,
    },
    "gpu": {"enabled": Kind.BOOLEAN, "appendLibPath": Kind.BOOLEAN},
    "user": {"default": Kind.TEXT},
    "boot": {
        "command": Kind.TEXT,
        "systemd": Kind.BOOLEAN,
        "initTimeout": Kind.INTEGER,
        "protectBinfmt": Kind.BOOLEAN,
    },
    "general": {"guiApplications": Kind.BOOLEAN},
}

_WSL2_TEXT = (
    "kernel kernelModules swapFile systemDistro debugConsoleLogFile crashDumpFolder "
    "kernelCommandLine vmSwitch loadKernelModules"
).split()
_WSL2_MEMORY = "memory swap defaultVhdSize".split()
_WSL2_INTEGER = (
    "processors kernelDebugPort vmIdleTimeout kernelBootTimeout distributionStartTimeout "
    "mountDeviceTimeout dhcpTimeout maxCrashDumpCount"
).split()
_WSL2_BOOLEAN = (
    "debugConsole earlyBootLogging localhostForwarding nestedVirtualization virtio9p virtiofs virtio "
    "gpuSupport guiApplications telemetry hostFileSystemAccess hardwarePerformanceCounters dhcp ipv6 dnsProxy "
    "safeMode loadDefaultKernelModules isolateDistroCgroup dnsTunneling firewall autoProxy"
).split()

WSLCONFIG: Mapping[str, Mapping[str, Kind]] = {
    "wsl2": {
        **dict.fromkeys(_WSL2_TEXT, Kind.TEXT),
        **dict.fromkeys(_WSL2_MEMORY, Kind.MEMORY),
        **dict.fromkeys(_WSL2_INTEGER, Kind.INTEGER),
        **dict.fromkeys(_WSL2_BOOLEAN, Kind.BOOLEAN),
        "macAddress": Kind.MAC_ADDRESS,
        "networkingMode": Kind.NETWORKING,
    },
    "general": {"distributionInstallPath": Kind.TEXT, "instanceIdleTimeout": Kind.INTEGER},
    "experimental": {
        "autoMemoryReclaim": Kind.TEXT,
        "sparseVhd": Kind.BOOLEAN,
        "bestEffortDnsParsing": Kind.BOOLEAN,
        "dnsTunnelingIpAddress": Kind.TEXT,
        "initialAutoProxyTimeout": Kind.INTEGER,
        "ignoredPorts": Kind.TEXT,
        "hostAddressLoopback": Kind.BOOLEAN,
        "setVersionDebug": Kind.BOOLEAN,
        "swiotlb": Kind.MEMORY,
        "virtioFsAggregateShares": Kind.BOOLEAN,
        # former homes of these four, still read
        "networkingMode": Kind.NETWORKING,
        "dnsTunneling": Kind.BOOLEAN,
        "firewall": Kind.BOOLEAN,
        "autoProxy": Kind.BOOLEAN,
    },
}

_PATTERNS = {
    Kind.BOOLEAN: r"(?i)true|false|1|0",
    Kind.INTEGER: r"(?i)[-+]?(0x[0-9a-f]+|\d+)",
    Kind.MAC_ADDRESS: r"(?i)([0-9a-f]{2}[:-]){5}[0-9a-f]{2}",
    Kind.MEMORY: r"(?i)\d+\s*(B|KB|MB|GB|TB|K|M|G|T)?",
    Kind.TEXT: r"[^\r\n]*",
    Kind.CGROUPS: r"v1|v2",
    Kind.NETWORKING: r"(?i)none|nat|bridged|mirrored|consomme|virtioproxy",
}


def nearest(word: str, known: list[str]) -> str:
    """The known word that a typo most likely meant, or an empty string."""
    return next(iter(alike(word, known, 1)), "")


def find_key(section: str, key: str, table: Mapping[str, Mapping[str, Kind]]) -> tuple[str, str] | None:
    """The canonical ``(section, key)`` for names that WSL would match (it ignores case), or None."""
    for known_section, keys in table.items():
        if known_section.lower() == section.lower():
            for known_key in keys:
                if known_key.lower() == key.lower():
                    return known_section, known_key
    return None


def value_problem(kind: Kind, value: Scalar) -> str:
    """Why WSL would not take a value, or an empty string."""
    text = render_value(value)
    return "" if re.fullmatch(_PATTERNS[kind], text.strip()) else f"must be {kind.value}, not {text!r}"


def render_value(value: Scalar) -> str:
    """A value as it stands in the file."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def mapping_problems(
    mapping: Mapping[str, Mapping[str, Scalar]], table: Mapping[str, Mapping[str, Kind]], file_name: str
) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong in a section -> key -> value mapping, as ``((section, key), message)`` pairs."""
    problems: list[tuple[tuple[str, ...], str]] = []
    for section, keys in mapping.items():
        if section not in table:
            guess = nearest(section, list(table))
            hint = f"; did you mean [{guess}]?" if guess else ""
            problems.append(((section,), f"[{section}] is not a section of {file_name}{hint}"))
            continue
        for key, value in keys.items():
            if key not in table[section]:
                guess = nearest(key, list(table[section]))
                hint = f"; did you mean {guess}?" if guess else ""
                message = f"{key} is not a key of [{section}] in {file_name}{hint}"
                problems.append(((section, key), message))
            elif problem := value_problem(table[section][key], value):
                problems.append(((section, key), f"{key} {problem}"))
    return problems
