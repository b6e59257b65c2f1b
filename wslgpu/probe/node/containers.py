"""containerd, runc, Docker and podman, by what they say of themselves; credentials in their files stay there."""

from __future__ import annotations

import os
from typing import Any

from . import services
from .base import CommandError, NotSeenError, Probe
from .files import find_program, read_text
from .process import Done
from .toml_text import dig, read_toml

_DESKTOP = ("/mnt/wsl/docker-desktop", "/run/desktop", "/Docker/")
_PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
_DUMP_LIMIT = 1 << 20


def observe(probe: Probe) -> None:
    home = os.environ.get("HOME") or os.path.expanduser("~")
    programs = {name: find_program(name) for name in ("containerd", "runc", "docker", "podman")}
    argv = {
        "containerd": ["--version"],
        "runc": ["--version"],
        "docker": ["info", "--format", "{{json .}}"],
        "podman": ["--version"],
    }
    # all of them at once: each is a large program that does little
    running = {name: probe.start([path, *argv[name]], limit=_DUMP_LIMIT) for name, path in programs.items() if path}
    if programs["containerd"]:
        running["dump"] = probe.start([programs["containerd"], "config", "dump"], limit=_DUMP_LIMIT)

    def done(name: str) -> Done:
        found = probe.wait(running[name])
        if found.exit != 0 or found.hang or found.cut:
            raise CommandError(found, name if name != "dump" else "containerd config dump")
        return found

    def binary(name: str) -> dict[str, str] | None:
        path = programs[name]
        return {"path": path, "version": version_word(done(name).out)} if path else None

    probe.look("containerd.binary", lambda: binary("containerd"))
    probe.look("podman.binary", lambda: binary("podman"))
    probe.look("containerd.runc", lambda: {"version": version_word(done("runc").out)} if programs["runc"] else None)
    probe.look("containerd.service", lambda: _service(probe))
    probe.look("containerd.config", lambda: containerd_config(done("dump").out) if programs["containerd"] else None)
    path = programs["docker"]
    info = probe.wait(running["docker"]) if path else None
    probe.look("docker.client", lambda: _docker_client(probe, path, info))
    probe.look("docker.engine", lambda: _docker_engine(info))
    probe.look("docker.config", lambda: _docker_config(home))
    probe.look("docker.model_runner", lambda: _model_runner(probe, path, home))


def version_word(text: str) -> str:
    """The version in the first line of ``containerd github.com/containerd/containerd 1.7.24 COMMIT`` and its like."""
    for word in (text.splitlines() or [""])[0].replace(",", " ").split():
        digits = word[1:] if word.startswith("v") else word
        if digits[:1].isdigit() and "." in digits:
            return digits[:100]
    return ""


def _service(probe: Probe) -> dict[str, bool] | None:
    unit = services.unit(probe, "containerd.service")
    if unit is None:
        return None
    enabled = unit.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "linked")
    return {"active": unit.get("ActiveState") == "active", "enabled": enabled}


def containerd_config(text: str) -> dict[str, object]:
    """Of ``containerd config dump``; version 2 has one CRI plugin, versions 3 and 4 one for runtime and one for images.

    :raises ValueError: it is no TOML
    """
    table = read_toml(text)
    plugins = table.get("plugins") if isinstance(table.get("plugins"), dict) else {}
    old = dig(plugins, "io.containerd.grpc.v1.cri") or {}
    runtime = dig(plugins, "io.containerd.cri.v1.runtime") or old
    images = dig(plugins, "io.containerd.cri.v1.images") or old
    runtimes = dig(runtime, "containerd", "runtimes") or {}
    cdi = dig(runtime, "enable_cdi")
    return {
        "version": table.get("version") if isinstance(table.get("version"), int) else 1,
        "default_runtime": _text(dig(runtime, "containerd", "default_runtime_name")) or "",
        "runtimes": sorted(str(name) for name in runtimes),
        "nvidia_binary": _text(dig(runtimes, "nvidia", "options", "BinaryName")),
        "systemd_cgroup": _flag(dig(runtimes, "runc", "options", "SystemdCgroup")),
        "cdi_enabled": _flag(cdi),
        "cdi_directories": _texts(dig(runtime, "cdi_spec_dirs")),
        "imports": _texts(table.get("imports")),
        "registry_path": _text(dig(images, "registry", "config_path")),
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _docker_info(info: Done) -> dict[str, Any]:
    """The JSON of `docker info`, which it prints without an engine too."""
    import json

    if info.hang:
        raise CommandError(info, "docker info")
    try:
        value = json.loads(info.out)
    except ValueError:
        raise CommandError(info, "docker info") from None
    return value if isinstance(value, dict) else {}


def _docker_client(probe: Probe, path: str | None, info: Done | None) -> dict[str, object] | None:
    if path is None or info is None:
        return None
    real = os.path.realpath(path)
    try:
        version = _text(dig(_docker_info(info), "ClientInfo", "Version"))
    except CommandError:
        version = None
    version = version or version_word(probe.ask([path, "--version"]).replace("Docker version", ""))
    return {"path": path, "version": version, "from_desktop": any(place in real for place in _DESKTOP)}


def _docker_engine(info: Done | None) -> dict[str, object] | None:
    if info is None:
        return None
    table = _docker_info(info)
    errors = "; ".join(_texts(table.get("ServerErrors"))) or info.err.strip()
    if not table.get("ServerVersion"):
        if "permission denied" in errors.lower():
            raise NotSeenError(f"docker: {errors[:300]}")
        return None
    return {
        "server_version": str(table["ServerVersion"]),
        "operating_system": str(table.get("OperatingSystem") or ""),
        "runtimes": sorted(str(name) for name in table.get("Runtimes") or {}),
        "default_runtime": str(table.get("DefaultRuntime") or ""),
        "cdi_directories": _texts(table.get("CDISpecDirs")),
    }


def _docker_config(home: str) -> dict[str, object]:
    """The name of the credentials' store and whether there is a runtime, nothing else of these files."""
    client, daemon = _json(f"{home}/.docker/config.json"), _json("/etc/docker/daemon.json")
    runtimes = daemon.get("runtimes")
    return {
        "credentials_store": _text(client.get("credsStore")),
        "nvidia_runtime": isinstance(runtimes, dict) and "nvidia" in runtimes,
    }


def _json(path: str) -> dict[str, Any]:
    import json

    if not os.path.lexists(path):
        return {}
    text = read_text(path)
    if text is None:
        raise NotSeenError(f"{path} cannot be read")
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        # the message has a position, not the text
        raise NotSeenError(f"{path} is no JSON: {error}") from None
    return value if isinstance(value, dict) else {}


def _model_runner(probe: Probe, docker: str | None, home: str) -> dict[str, object] | None:
    folders = (f"{home}/.docker/cli-plugins", *_PLUGIN_FOLDERS)
    if docker is None or not any(os.path.exists(f"{folder}/docker-model") for folder in folders):
        return None
    done = probe.run([docker, "model", "status", "--json"])
    # it ends with 1 when the runner does not run
    if done.hang or done.exit not in (0, 1):
        raise CommandError(done, "docker model status")
    return model_status(done.out)


def model_status(text: str) -> dict[str, object]:
    """Of ``docker model status --json``: ``{"running": true, "backends": {"llama.cpp": "..."}, ...}``."""
    import json

    try:
        table = json.loads(text)
    except ValueError:
        return {"running": False, "backends": []}
    backends = table.get("backends") if isinstance(table, dict) else None
    running = bool(table.get("running")) if isinstance(table, dict) else False
    return {"running": running, "backends": sorted(backends) if isinstance(backends, dict) else []}
