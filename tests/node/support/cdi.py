"""CDI specs on the node, read as the CDI specification defines them.

Source: cncf-tags/container-device-interface SPEC.md: ``containerEdits`` stand at the top (for every device) and in
each device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from tests.node.support.node import Node
from wslgpu.pins import CdiSpecOwner

KIND = "nvidia.com/gpu"
DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
PLACES = {
    CdiSpecOwner.WSLGPU: "/etc/cdi/nvidia.yaml",
    CdiSpecOwner.REFRESH_UNIT: "/var/run/cdi/nvidia.yaml",
}
STORES = "/usr/lib/wsl/drivers"

FIXED_LIST = (
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
"""What every toolkit version mounts on WSL2 (nvidia-container-toolkit pkg/nvcdi/driver-wsl.go)."""

WHOLE_STORE_PATTERNS = ("*.so*", "*.bin", "*.dll")
"""What the toolkit takes besides from 1.20.0 on."""


@dataclass(frozen=True)
class Spec:
    """One spec file."""

    path: str
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.data.get("kind", ""))

    @property
    def devices(self) -> list[str]:
        return [str(device.get("name", "")) for device in self.data.get("devices") or []]

    @property
    def _edits(self) -> list[dict[str, Any]]:
        each = [device.get("containerEdits") or {} for device in self.data.get("devices") or []]
        return [self.data.get("containerEdits") or {}, *each]

    @property
    def device_nodes(self) -> list[str]:
        return [
            str(node.get("hostPath") or node["path"]) for edit in self._edits for node in edit.get("deviceNodes") or []
        ]

    @property
    def mounts(self) -> dict[str, str]:
        """Host path -> path in the container."""
        return {str(m["hostPath"]): str(m["containerPath"]) for edit in self._edits for m in edit.get("mounts") or []}

    @property
    def hook_programs(self) -> list[str]:
        return sorted({str(hook["path"]) for edit in self._edits for hook in edit.get("hooks") or []})


def parse(path: str, text: str) -> Spec:
    """Read a spec; an AssertionError says what is no spec about it."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AssertionError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    assert isinstance(data, dict), f"{path} is no CDI spec"
    assert {"kind", "cdiVersion"} <= set(data), f"{path} is no CDI spec"
    return Spec(path, data)


def all_specs(node: Node) -> list[Spec]:
    """Every spec on the node, both directories."""
    answer = node.shell('for d; do [ -d "$d" ] && find "$d" -maxdepth 1 -type f -o -type l; done; :', *DIRECTORIES)
    paths = [path for path in answer.lines if path.endswith((".yaml", ".yml", ".json"))]
    return [parse(path, node.read(path)) for path in sorted(paths)]


def gpu_specs(node: Node) -> list[Spec]:
    """The specs that define ``nvidia.com/gpu``."""
    return [spec for spec in all_specs(node) if spec.kind == KIND]


def driver_stores(node: Node) -> list[str]:
    """The driver stores with CUDA in them; normally one."""
    answer = node.run("find", STORES, "-mindepth", "2", "-maxdepth", "2", "-name", "libcuda.so.1.1")
    return sorted(path.rsplit("/", 1)[0] for path in answer.lines)


def wanted_files(node: Node, store: str, *, whole_store: bool) -> list[str]:
    """The files that the spec must mount: those of the fixed list that the node has, or the whole store's too."""
    program = 'store=$1; shift; for f; do for d in "$store" /usr/lib/wsl/lib; do'
    program += ' if [ -e "$d/$f" ]; then echo "$d/$f"; break; fi; done; done'
    files = set(node.shell(program, store, *FIXED_LIST).lines)
    if whole_store:
        for pattern in WHOLE_STORE_PATTERNS:
            files |= set(node.listing(store, pattern))
    return sorted(files)
