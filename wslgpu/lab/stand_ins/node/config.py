"""The toolkit's own configuration, /etc/nvidia-container-runtime/config.toml."""

from __future__ import annotations

from typing import Any

from . import toml_text

PATH = "/etc/nvidia-container-runtime/config.toml"

#: What ``nvidia-ctk config default`` prints. Seen in 1.19.1 and 1.20.0; taken for 1.18.x as well.
DEFAULT = """\
#accept-nvidia-visible-devices-as-volume-mounts = false
#accept-nvidia-visible-devices-envvar-when-unprivileged = true
disable-require = false
supported-driver-capabilities = "compat32,compute,display,graphics,ngx,utility,video"
#swarm-resource = "DOCKER_RESOURCE_GPU"

[nvidia-container-cli]
#debug = "/var/log/nvidia-container-toolkit.log"
environment = []
#ldcache = "/etc/ld.so.cache"
ldconfig = "@/sbin/ldconfig"
load-kmods = true
#no-cgroups = false
#path = "/usr/bin/nvidia-container-cli"
#root = "/run/nvidia/driver"
#user = "root:video"

[nvidia-container-runtime]
#debug = "/var/log/nvidia-container-runtime.log"
log-level = "info"
mode = "auto"
runtimes = ["runc", "crun"]

[nvidia-container-runtime.modes]

[nvidia-container-runtime.modes.cdi]
annotation-prefixes = ["cdi.k8s.io/"]
default-kind = "nvidia.com/gpu"
spec-dirs = ["/etc/cdi", "/var/run/cdi"]

[nvidia-container-runtime.modes.csv]
mount-spec-path = "/etc/nvidia-container-runtime/host-files-for-container.d"

[nvidia-container-runtime.modes.legacy]
cuda-compat-mode = "ldconfig"

[nvidia-container-runtime-hook]
path = "nvidia-container-runtime-hook"
skip-mode-detection = false

[nvidia-ctk]
path = "nvidia-ctk"
"""


class ConfigError(Exception):
    """A setting that cannot be made."""


def set_value(text: str, setting: str) -> str:
    """*text* with one ``KEY=VALUE`` of ``nvidia-ctk config --set`` applied; comments stay where they are.

    KEY is dotted (``nvidia-container-runtime.mode``); a list's VALUE is separated by colons, and the type
    follows the default's. A boolean KEY may stand alone, which means true.
    """
    key, equals, value = setting.partition("=")
    if not key:
        raise ConfigError(f"invalid option format: {setting}")
    *table, name = key.split(".")
    known = _known(key)
    parsed: Any = _parse(key, value if equals else "true", known)
    line = f"{name} = {toml_text.scalar(parsed)}"

    lines = text.splitlines()
    header = f"[{'.'.join(table)}]"
    start = 0
    if table:
        if header not in lines:
            return "\n".join([*lines, "", header, line]) + "\n"
        start = lines.index(header) + 1
    end = next((at for at in range(start, len(lines)) if lines[at].startswith("[")), len(lines))
    for prefix in (f"{name} =", f"#{name} ="):
        for at in range(start, end):
            if lines[at].startswith(prefix):
                lines[at] = line
                return "\n".join(lines) + "\n"
    while end > start and not lines[end - 1].strip():
        end -= 1
    lines.insert(end, line)
    return "\n".join(lines) + "\n"


def _known(key: str) -> Any:
    """The default of *key*, commented defaults included; None for a key that the default lacks."""
    uncommented = "\n".join(line.removeprefix("#") for line in DEFAULT.splitlines())
    found: Any = toml_text.loads(uncommented)
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def _parse(key: str, value: str, known: Any) -> Any:
    if isinstance(known, dict):
        raise ConfigError(f"{key} is a table, not a value")
    if isinstance(known, bool):
        if value.lower() not in ("true", "false", "1", "0"):
            raise ConfigError(f"invalid value for option {key}: {value!r} is no boolean")
        return value.lower() in ("true", "1")
    if isinstance(known, list):
        return value.split(":") if value else []
    return value


def lookup(config: dict[str, Any], key: str) -> Any:
    """The value of dotted *key* in *config*, else its default."""
    found: Any = config
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return _known(key)
        found = found[part]
    return found
