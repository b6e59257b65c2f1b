"""NVIDIA's Container Toolkit: packages, configuration, CDI specs, refresh unit, containerd's drop-in."""

from __future__ import annotations

import os
from typing import Any

from . import services
from .base import NotSeenError, Probe
from .child import Emit
from .files import find_program, names, read_text
from .packages import packages
from .toml_text import dig, read_toml
from .yaml_text import read_yaml

PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
CONFIG = "/etc/nvidia-container-runtime/config.toml"
DROP_IN = "/etc/containerd/conf.d/99-nvidia.toml"
CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
SPEC_LIMIT_BYTES = 1 << 20
SPECS_LIMIT = 64


def observe(probe: Probe) -> None:
    program = find_program("nvidia-ctk")
    running = probe.start([program, "--version"]) if program else None
    probe.look("toolkit.packages", lambda: _packages(probe))
    probe.look("toolkit.config", _config)
    probe.look("toolkit.refresh_unit", lambda: _refresh_unit(probe))
    probe.look("toolkit.drop_in", _drop_in)
    # a spec names files of the driver store, which are on Windows' side
    probe.in_child(["toolkit.cdi_specs"], _cdi_specs, timeout_s=6.0)
    if program is None or running is None:
        probe.observed("toolkit.ctk", None)
        return
    done = probe.wait(running)
    version = ctk_version(done.out)
    if version:
        probe.observed("toolkit.ctk", {"path": program, "version": version})
    else:
        probe.not_done("toolkit.ctk", done, "nvidia-ctk")


def ctk_version(text: str) -> str:
    """``NVIDIA Container Toolkit CLI version 1.19.1``, and a commit below it."""
    for line in text.splitlines():
        if " version " in line:
            return line.rpartition(" version ")[2].strip()[:100]
    return ""


def _packages(probe: Probe) -> dict[str, dict[str, object]]:
    table = packages(probe)
    if table is None:
        raise NotSeenError("there is no dpkg here")
    return {name: {"version": table[name].version, "held": table[name].held} for name in PACKAGES if name in table}


def _config() -> dict[str, str | None] | None:
    if not os.path.lexists(CONFIG):
        return None
    text = read_text(CONFIG)
    if text is None:
        raise NotSeenError(f"{CONFIG} cannot be read")
    return config(text)


def config(text: str) -> dict[str, str | None]:
    """Mode and CDI kind; a mode that is not given is ``auto``, the runtime's default."""
    table = read_toml(text)
    kind = dig(table, "nvidia-container-runtime", "modes", "cdi", "default-kind")
    mode = dig(table, "nvidia-container-runtime", "mode")
    return {"mode": str(mode or "auto"), "default_kind": None if kind is None else str(kind)}


def _drop_in() -> dict[str, object] | None:
    if not os.path.lexists(DROP_IN):
        return None
    text = read_text(DROP_IN)
    if text is None:
        raise NotSeenError(f"{DROP_IN} cannot be read")
    return drop_in(text)


def drop_in(text: str) -> dict[str, object]:
    """containerd's drop-in: without runtime_type every pod fails (fixed in toolkit 1.20.0)."""
    table = read_toml(text)
    runtimes: dict[str, Any] = {}
    for plugin in ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"):
        runtimes.update(dig(table, "plugins", plugin, "containerd", "runtimes") or {})
    version = table.get("version", 1)
    return {
        "file": DROP_IN,
        "has_runtime_type": bool(dig(runtimes, "nvidia", "runtime_type")),
        "config_version": version if isinstance(version, int) else 0,
    }


def _refresh_unit(probe: Probe) -> dict[str, object] | None:
    """A unit that runs at all on WSL looks for /dev/dxg or WSL's nvidia-smi; before 1.19.1 for nvidia.ko."""
    service = services.unit(probe, "nvidia-cdi-refresh.service")
    path = services.unit(probe, "nvidia-cdi-refresh.path")
    if service is None and path is None:
        return None
    text = read_text((service or {}).get("FragmentPath", "")) or ""
    return {
        "service": service is not None,
        "path_enabled": (path or {}).get("UnitFileState") in ("enabled", "enabled-runtime", "static"),
        "path_active": (path or {}).get("ActiveState") == "active",
        "result": (service or {}).get("Result", ""),
        "accepts_wsl": "/dev/dxg" in text or "/usr/lib/wsl" in text,
    }


def _cdi_specs(emit: Emit) -> None:
    found: list[dict[str, object]] = []
    for folder in CDI_FOLDERS:
        for name in names(folder) or []:
            if name.endswith((".yaml", ".json")) and len(found) < SPECS_LIMIT:
                path = f"{folder}/{name}"
                text = read_text(path, SPEC_LIMIT_BYTES)
                if text is None:
                    emit.unknown("toolkit.cdi_specs", f"{path} cannot be read")
                    return
                found.append(cdi_spec(path, text, os.path.exists))
    emit("toolkit.cdi_specs", found)


def cdi_spec(path: str, text: str, exists: Any) -> dict[str, object]:
    """One spec; a file that cannot be read as one has no kind and no devices.

    :param exists: says whether a path is there
    """
    try:
        spec = _parse(path, text)
    except (ValueError, RecursionError):
        spec = {}
    devices = _tables(spec.get("devices"))
    edits = [*_tables([spec.get("containerEdits")]), *(_edits(device) for device in devices)]
    nodes = _texts(edits, "deviceNodes", "path")
    mounts = _texts(edits, "mounts", "hostPath")
    hooks = [hook for one in edits for hook in _tables(one.get("hooks"))]
    needed = [*_host_nodes(edits), *mounts, *(str(hook.get("path") or "") for hook in hooks)]
    return {
        "file": path,
        "kind": str(spec.get("kind") or ""),
        "cdi_version": str(spec.get("cdiVersion") or ""),
        "devices": [str(device.get("name")) for device in devices],
        "device_nodes": nodes,
        "mounts": mounts,
        "missing": [one for one in dict.fromkeys(needed) if one and not exists(one)],
        "hooks": list(dict.fromkeys(_hook(hook) for hook in hooks)),
    }


def _parse(path: str, text: str) -> dict[str, Any]:
    if path.endswith(".json"):
        import json

        value = json.loads(text)
    else:
        value = read_yaml(text)
    if not isinstance(value, dict):
        return {}
    return value


def _edits(device: dict[str, Any]) -> dict[str, Any]:
    edits = device.get("containerEdits")
    return edits if isinstance(edits, dict) else {}


def _tables(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _texts(edits: list[dict[str, Any]], key: str, part: str) -> list[str]:
    found = [str(row[part]) for one in edits for row in _tables(one.get(key)) if row.get(part)]
    return list(dict.fromkeys(found))


def _host_nodes(edits: list[dict[str, Any]]) -> list[str]:
    rows = [row for one in edits for row in _tables(one.get("deviceNodes"))]
    return [str(row.get("hostPath") or row.get("path") or "") for row in rows]


def _hook(hook: dict[str, Any]) -> str:
    """The name of what NVIDIA's hook does, or of another's program."""
    words = hook.get("args")
    if isinstance(words, list) and len(words) > 1:
        if words[1] == "hook" and len(words) > 2:
            return str(words[2])
        return str(words[1])
    return str(hook.get("path") or "")
