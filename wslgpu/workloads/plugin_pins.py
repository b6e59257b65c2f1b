"""What each version of NVIDIA's device plugin does on WSL2, and the image that it comes in.

``group_data/device_plugins.yml`` is the one table; a site adds and replaces rows in site.yml (``device_plugins``).
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from wslgpu.pins import PinnedImage, Strict, Url
from wslgpu.yaml_source import YamlDocument, load_yaml, validate

PluginVersionName = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+(-[a-z0-9.]+)?$")]


class DevicePlugin(PinnedImage):
    """One version.

    :param advertises: ``per-gpu``: one ``nvidia.com/gpu`` for each GPU, though each pod sees all of them on WSL2;
        ``single-all``: one that stands for all of them
    :param refused_events: what becomes of a GPU for which NVML refuses to register events: ``unhealthy``, so that
        nothing is left to ask for, or ``skipped``
    :param gpu_feature_discovery: ``crashes`` on WSL2, where NVML has no answer for the mode of a GPU, or ``works``
    :param nodefeature_api: whether GPU Feature Discovery needs rights on NodeFeature objects unless told otherwise
    """

    released: datetime.date
    advertises: Literal["per-gpu", "single-all"]
    refused_events: Literal["unhealthy", "skipped"]
    gpu_feature_discovery: Literal["crashes", "works"]
    nodefeature_api: Literal["on-request", "by-default"]
    source: Url


class DevicePlugins(Strict):
    """The whole of device_plugins.yml."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    device_plugins: dict[PluginVersionName, DevicePlugin]


def load_device_plugins(path: Path) -> tuple[DevicePlugins, YamlDocument]:
    """Read device_plugins.yml.

    :raises DataError: anything wrong in it, by file and line
    """
    document = load_yaml(path)
    return validate(DevicePlugins, document), document


def as_data(plugins: DevicePlugins) -> dict[str, Any]:
    """The table as settings have it."""
    return {"device_plugins": plugins.model_dump(mode="json")["device_plugins"]}
