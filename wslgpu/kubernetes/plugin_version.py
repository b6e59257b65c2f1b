"""What is the device plugin, and in which version: by its digest, where the table has it, else by its tag. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from wslgpu.pins import UNRESOLVED
from wslgpu.settings import Settings

PLUGIN = "k8s-device-plugin"
_OTHERS = ("gpu-feature-discovery", "mps-control-daemon")


def is_plugin(name: str, image: str) -> bool:
    """Whether a DaemonSet of that name is the device plugin: two others run from the same image.

    Source: NVIDIA/k8s-device-plugin (deployments/helm/nvidia-device-plugin/templates: the names of its DaemonSets).
    """
    return PLUGIN in image and not any(other in name for other in _OTHERS)


def known_versions(settings: Settings) -> dict[str, str]:
    """Versions of the table by digest, and by themselves."""
    table = settings.device_plugins
    return {
        **{row.digest: version for version, row in table.items() if row.digest != UNRESOLVED},
        **{version: version for version in table},
    }


def version_of(image: str, known: Mapping[str, str]) -> str:
    """``0.20.0`` for an image reference; empty when neither digest nor tag says it."""
    name, _, digest = image.partition("@")
    if digest in known:
        return known[digest]
    last = name.rpartition("/")[2]
    tag = last.partition(":")[2]
    return tag[1:] if tag.startswith("v") else tag
