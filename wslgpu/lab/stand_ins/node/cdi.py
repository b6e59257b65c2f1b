"""The CDI spec of a WSL2 node: finding the driver's files, writing the spec, reading specs back.

The rules below reproduce the captures of the genuine 1.18.1, 1.19.1 and 1.20.0 byte by byte. What differs
between them follows from the node in all but one case: 1.20.0 takes the whole driver store. 1.18.1's
capture has no major, minor and mode because /dev/dxg was a plain file there, not a device: the genuine
program then names the path alone and leaves the rest to the runtime.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import yaml_text
from .log import Logger

LIB = "/usr/lib/wsl/lib"
STORES = "/usr/lib/wsl/drivers"
DXG = "/dev/dxg"
HOOK = "/usr/bin/nvidia-cdi-hook"
KIND = "nvidia.com/gpu"
SPEC_DIRS = ("/etc/cdi", "/var/run/cdi")

#: Mounted by every version, and the only files up to 1.19.x.
REQUIRED = (
    "libcuda.so.1.1",
    "libcuda_loader.so",
    "libnvidia-ptxjitcompiler.so.1",
    "libnvidia-ml.so.1",
    "libnvidia-ml_loader.so",
    "libdxcore.so",
    "libnvdxgdmal.so.1",
    "nvcubins.bin",
    "nvidia-smi",
)
#: From 1.20.0 on, also whatever the store holds of these.
STORE_PATTERNS = ("*.so*", "*.bin", "*.dll")
MOUNT_OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")

_ADAPTER_MARK = b"wslgpu-stand-in-adapter="


class CdiError(Exception):
    """A spec cannot be made or a device is in none; the text is the genuine program's."""


@dataclass(frozen=True)
class DeviceNumber:
    """What stat says of a device node."""

    major: int
    minor: int
    mode: int


@dataclass(frozen=True)
class Node:
    """Where to look. On a node *root* is /; tests give a folder, and what /dev/dxg would be.

    ``device`` None means: ask the file system. A path that is no device node has no numbers, which is
    what the genuine program makes of a plain file too.
    """

    root: Path = Path("/")
    device: DeviceNumber | None = None

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def dxg(self) -> DeviceNumber | None:
        """The numbers of /dev/dxg, None when it is there without any. Raises FileNotFoundError."""
        info = self.at(DXG).stat()
        if self.device is not None:
            return self.device
        if not stat.S_ISCHR(info.st_mode):
            return None
        return DeviceNumber(os.major(info.st_rdev), os.minor(info.st_rdev), stat.S_IMODE(info.st_mode))


def version_tuple(version: str) -> tuple[int, ...]:
    """``"1.19.1"`` as (1, 19, 1)."""
    return tuple(int(part) for part in version.split("-")[0].split("."))


def has_dxcore(node: Node) -> bool:
    """How the toolkit recognises WSL: libdxcore.so can be found."""
    return node.at(f"{LIB}/libdxcore.so").exists()


def driver_stores(node: Node) -> list[str]:
    """The driver stores of the graphics adapters, in dxcore's order, each once.

    The stand-in libdxcore says them in marked strings. With any other libdxcore, or when the stores that
    it names are gone, every folder under /usr/lib/wsl/drivers counts.
    """
    library = node.at(f"{LIB}/libdxcore.so")
    named = []
    if library.exists():
        for chunk in library.read_bytes().split(_ADAPTER_MARK)[1:]:
            named.append(chunk.split(b"\n", 1)[0].decode())
    named = [store for store in dict.fromkeys(named) if node.at(store).is_dir()]
    if named:
        return named
    folder = node.at(STORES)
    return sorted(f"{STORES}/{entry.name}" for entry in folder.iterdir()) if folder.is_dir() else []


def driver_files(node: Node, version: str, log: Logger) -> list[str]:
    """The files that a container gets, in the spec's order. Raises CdiError when there is no adapter."""
    if not has_dxcore(node):
        raise CdiError("failed to create discoverer for WSL driver: failed to initialize dxcore: dxcore not found")
    stores = driver_stores(node)
    if not stores:
        raise CdiError("failed to create discoverer for WSL driver: no driver store paths found")
    if len(stores) > 1:
        log.warning(f"Found multiple driver store paths: [{' '.join(stores)}]")
    # Integrated and discrete adapter: the one with CUDA is meant.
    store = next((path for path in stores if node.at(f"{path}/libcuda.so.1.1").exists()), stores[0])
    log.info(f"Using WSL driver store paths: [{store}]")
    found = set()
    for name in REQUIRED:
        for folder in (store, LIB):
            if node.at(f"{folder}/{name}").exists():
                found.add(f"{folder}/{name}")
                break
        else:
            log.warning(f"Could not locate {name}: pattern {name} not found")
    if version_tuple(version) >= (1, 20):
        for pattern in STORE_PATTERNS:
            found.update(f"{store}/{path.name}" for path in node.at(store).glob(pattern))
    # The CDI library orders mounts by depth, so that a folder comes before what is in it.
    return sorted(found, key=lambda path: (path.count("/"), path))


def generate(node: Node, version: str, log: Logger) -> dict[str, Any]:
    """The CDI spec of *node* as the toolkit *version* makes it. Raises CdiError."""
    try:
        files = driver_files(node, version, log)
    except CdiError as error:
        raise CdiError(f"failed to generate CDI spec: failed to create edits common for entities: {error}") from None
    try:
        device: dict[str, Any] = {"path": DXG}
        number = node.dxg()
        if number is not None:
            device.update(major=number.major, minor=number.minor, fileMode=number.mode, permissions="rwm")
    except FileNotFoundError:
        log.warning(f"Could not locate {DXG}: {DXG}: not found")
        raise CdiError(
            "failed to write CDI spec to STDOUT: failed to write spec: invalid CDI Spec: "
            'failed add device "all": invalid device, empty device edits'
        ) from None
    hooks = []
    smi = next((path for path in files if path.endswith("/nvidia-smi")), None)
    if smi:
        hooks.append(_hook("create-symlinks", "--link", f"{smi}::/usr/bin/nvidia-smi"))
    folders = sorted({path.rsplit("/", 1)[0] for path in files if ".so" in path})
    hooks.append(_hook("update-ldcache", *(word for folder in folders for word in ("--folder", folder))))
    return {
        "cdiVersion": "0.3.0",
        "kind": KIND,
        "devices": [{"name": "all", "containerEdits": {"deviceNodes": [device]}}],
        "containerEdits": {
            "env": ["NVIDIA_VISIBLE_DEVICES=void"],
            "hooks": hooks,
            "mounts": [{"hostPath": path, "containerPath": path, "options": list(MOUNT_OPTIONS)} for path in files],
        },
    }


def _hook(*arguments: str) -> dict[str, Any]:
    return {
        "hookName": "createContainer",
        "path": HOOK,
        "args": ["nvidia-cdi-hook", *arguments],
        "env": ["NVIDIA_CTK_DEBUG=false"],
    }


def to_yaml(spec: dict[str, Any]) -> str:
    """*spec* in the layout of the genuine program's YAML."""
    lines = ["---"]
    _yaml(lines, spec, 0)
    return "\n".join(lines) + "\n"


def _yaml(lines: list[str], table: dict[str, Any], indent: int, first: str = "") -> None:
    nested = (indent // 4 + 1) * 4  # yaml.v3 indents to the next multiple of four
    for key, value in table.items():
        start = (first or " " * indent) + f"{key}:"
        first = ""
        if isinstance(value, dict):
            lines.append(start)
            _yaml(lines, value, nested)
        elif isinstance(value, list):
            lines.append(start)
            for item in value:
                if isinstance(item, dict):
                    _yaml(lines, item, nested + 2, " " * nested + "- ")
                else:
                    lines.append(" " * nested + f"- {item}")
        else:
            lines.append(f"{start} {value}")


def read_specs(node: Node, spec_dirs: list[str]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Every CDI device by its full name with the edits it stands for, and what could not be read.

    A later folder wins over an earlier one: /var/run/cdi over /etc/cdi.
    """
    devices: dict[str, dict[str, Any]] = {}
    errors: dict[str, str] = {}
    for folder in spec_dirs:
        where = node.at(folder)
        if not where.is_dir():
            continue
        for path in sorted(where.iterdir()):
            if path.suffix not in (".yaml", ".json") or path.name.startswith("."):
                continue
            try:
                text = path.read_text(encoding="utf-8")
                spec = json.loads(text) if path.suffix == ".json" else yaml_text.loads(text)
                for device in spec["devices"]:
                    name = f"{spec['kind']}={device['name']}"
                    devices[name] = merge(device.get("containerEdits") or {}, spec.get("containerEdits") or {})
            except (OSError, ValueError, KeyError, TypeError) as error:
                errors[str(path)] = str(error)
    return devices, errors


def merge(*edits: dict[str, Any]) -> dict[str, Any]:
    """Several containerEdits as one."""
    merged: dict[str, Any] = {"env": [], "deviceNodes": [], "mounts": [], "hooks": []}
    for edit in edits:
        for key, items in merged.items():
            items.extend(edit.get(key) or [])
    return merged
