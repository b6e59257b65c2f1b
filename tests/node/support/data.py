"""The data that a node is held against: what the deploy used, per host."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import pytest

from wslgpu.errors import WslgpuError
from wslgpu.inventory import ResolvedHost, parse_inventory, resolved_hosts
from wslgpu.settings import Settings, load, of_data

_GPU = frozenset({"gpu_nodes"})
_GPU_AND_BUILD = frozenset({"gpu_nodes", "build_nodes"})
COMPONENT_GROUPS = {
    "containerd": _GPU,
    "container_toolkit": _GPU,
    "video_cdi": _GPU,
    "cuda_images": _GPU,
    "cuda_kernel": _GPU,
    "mesa_dozen": _GPU_AND_BUILD,
    "ffmpeg": _GPU_AND_BUILD,
    "kubernetes": _GPU,
    "vllm": _GPU,
    "after_reboot": _GPU,
}
"""Suites whose component only the hosts of some groups are given; the others hold for every host."""


@dataclass(frozen=True)
class NodeData:
    """One host's settings and groups."""

    settings: Settings
    groups: frozenset[str]

    def has(self, component: str) -> bool:
        """Whether the deploy gives this host the component."""
        return component not in COMPONENT_GROUPS or bool(COMPONENT_GROUPS[component] & self.groups)


def data_of(config: pytest.Config, host_name: str) -> NodeData:
    """The data of the host that testinfra calls ``host_name``.

    :raises pytest.UsageError: wrong data, or a host that the inventory does not have
    """
    inventory = config.getoption("--inventory")
    try:
        if inventory is None:
            groups = frozenset(config.getoption("--group") or ["gpu_nodes"])
            return NodeData(_site_settings(), groups)
        row = _find(_hosts(Path(inventory).resolve()), host_name)
        if row is None:
            raise pytest.UsageError(f"{inventory} has no host {host_name}")
        return NodeData(of_data(row.data), frozenset(row.groups))
    except (WslgpuError, OSError) as error:
        raise pytest.UsageError(f"wslgpu: {error}") from error


@functools.cache
def _site_settings() -> Settings:
    return load()


@functools.cache
def _hosts(inventory: Path) -> tuple[ResolvedHost, ...]:
    if inventory.suffix == ".json":
        return tuple(parse_inventory(inventory.read_text(encoding="utf-8")).values())
    return tuple(resolved_hosts(inventory).values())


def _find(hosts: tuple[ResolvedHost, ...], name: str) -> ResolvedHost | None:
    if name in ("local", "localhost"):
        name = "@local"
    by_name = [host for host in hosts if host.name == name]
    by_address = [host for host in hosts if host.address == name]
    return next(iter(by_name or by_address), None)
