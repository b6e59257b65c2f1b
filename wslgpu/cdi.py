"""CDI specs: what one says, and whose it is.

Source: cncf-tags/container-device-interface SPEC.md, and NVIDIA's generator (pkg/nvcdi), which on WSL2 makes one
device named ``all``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

KIND = "nvidia.com/gpu"
OUR_PATH = "/etc/cdi/nvidia.yaml"
REFRESH_PATH = "/var/run/cdi/nvidia.yaml"
VIDEO_PATH = "/etc/cdi/wslgpu-video.yaml"
HEADER = "# Made by wslgpu with nvidia-ctk cdi generate; made anew when the driver store or the toolkit changes.\n"


@dataclass(frozen=True)
class CdiSpec:
    """The parts of a spec that matter here.

    :param host_paths: of all mounts and device nodes
    """

    kind: str
    devices: tuple[str, ...]
    host_paths: frozenset[str]


def parse_spec(text: str) -> CdiSpec | None:
    """Read a spec, YAML or JSON; None when it is neither or has another shape."""
    try:
        data = yaml.safe_load(text)
        devices = data.get("devices") or []
        edits = [data.get("containerEdits") or {}, *(device.get("containerEdits") or {} for device in devices)]
        return CdiSpec(
            kind=str(data["kind"]),
            devices=tuple(str(device["name"]) for device in devices),
            host_paths=frozenset(path for edit in edits for path in _paths(edit)),
        )
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return None


def _paths(edit: dict[str, Any]) -> list[str]:
    mounts = [str(mount["hostPath"]) for mount in edit.get("mounts") or []]
    nodes = [str(node.get("hostPath") or node["path"]) for node in edit.get("deviceNodes") or []]
    return mounts + nodes


def is_ours(text: str) -> bool:
    """The file was written by wslgpu."""
    return text.startswith("# Made by wslgpu")
