"""What a site chooses about the device plugin and what comes with it."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationInfo, field_validator

from wslgpu.pins import Strict
from wslgpu.workloads.plugin_pins import DevicePlugin, PluginVersionName
from wslgpu.workloads.quantity import Namespace


class PluginSettings(Strict):
    """Part of :class:`wslgpu.settings.Settings`."""

    device_plugins: dict[PluginVersionName, DevicePlugin]
    device_plugin_version: str
    """Row of ``device_plugins``."""
    device_plugin_namespace: Namespace = "nvidia-device-plugin"
    """Kubernetes namespace of the plugin and of GPU Feature Discovery; made with them."""
    device_plugin_health_checks: Literal["auto", "on", "off"] = "auto"
    """auto: off for a version that takes a GPU whose events NVML refuses for a broken one."""

    # after the table, whose rows are there only when they are right
    @field_validator("device_plugin_version")
    @classmethod
    def _has_a_row(cls, value: str, info: ValidationInfo) -> str:
        table = info.data.get("device_plugins")
        if table is not None and value not in table:
            raise ValueError(
                f"{value} is not in the table of device plugins ({', '.join(table)});"
                f" name one of these, or add a row for {value} under device_plugins in site.yml with the keys that"
                " the rows of group_data/device_plugins.yml have"
            )
        return value

    @property
    def device_plugin(self) -> DevicePlugin:
        """What the chosen version of the plugin is and does."""
        return self.device_plugins[self.device_plugin_version]

    @property
    def device_plugin_checks_health(self) -> bool:
        """Whether the plugin is to watch for errors of the GPU."""
        if self.device_plugin_health_checks == "auto":
            return self.device_plugin.refused_events == "skipped"
        return self.device_plugin_health_checks == "on"
