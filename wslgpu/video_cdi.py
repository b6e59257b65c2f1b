"""The CDI device with the driver's video codec libraries, and what keeps it in step with the driver: pure.

Toolkit 1.18 and 1.19 mount nine files on WSL2, and no codec library is among them; 1.20 mounts the whole driver store
(NVIDIA/nvidia-container-toolkit#1864, #1890). The device ``KIND=video`` brings the rest, and is asked for beside
``nvidia.com/gpu=all``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wslgpu import cdi
from wslgpu.node_script import program
from wslgpu.pins import CdiSpecOwner
from wslgpu.templates import render

DEVICE = "video"
SPEC = cdi.VIDEO_PATH
PROGRAM = "/usr/local/lib/wslgpu/refresh-cdi"
SERVICE = "wslgpu-cdi-refresh.service"
PATH_UNIT = "wslgpu-cdi-refresh.path"
UNITS = (PATH_UNIT, SERVICE)
UNIT_FILES = ("/etc/systemd/system/wslgpu-cdi-refresh.path", "/etc/systemd/system/wslgpu-cdi-refresh.service")
_SOURCE = Path(__file__).parent / "operations" / "scripts" / "refresh_cdi.sh"


def owner_word(owner: CdiSpecOwner) -> str:
    """``own`` or ``refresh``: how scripts are told who writes nvidia.com/gpu."""
    return "own" if owner is CdiSpecOwner.WSLGPU else "refresh"


def files(kind: str, owner: CdiSpecOwner) -> tuple[tuple[str, str, str], ...]:
    """What is installed on a node: path, mode and text of each file.

    :param kind: CDI kind of the device
    """
    values = {"program": PROGRAM, "kind": kind, "owner": owner_word(owner)}
    units = ((path, "644", render(path, **values)) for path in UNIT_FILES)
    return ((PROGRAM, "755", program(_SOURCE)), *units)


def claimants(specs: Mapping[str, str], kind: str) -> list[str]:
    """The files, other than ours, that define the same device: no engine can tell which one is meant.

    :param specs: text of each CDI spec of the node, by path
    """
    return [
        path
        for path, text in sorted(specs.items())
        if path != SPEC and (spec := cdi.parse_spec(text)) is not None and spec.kind == kind and DEVICE in spec.devices
    ]
