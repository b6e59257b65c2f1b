"""What ``vulkaninfo --summary`` says when Vulkan's loader is given Dozen alone. Pure.

The words are those of the loader (KhronosGroup/Vulkan-Loader), of vulkaninfo, and of Mesa's src/microsoft/vulkan.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

State = Literal["device", "no-adapter", "libraries-missing", "driver-missing", "no-loader", "crash", "hang", "unclear"]
TIMED_OUT = 124
"""Of timeout(1)."""
SIGNALLED = 128
DRIVER_ID = "DRIVER_ID_MESA_DOZEN"
"""23 in VkDriverId."""
CONFORMANCE = "0.0.0.0"  # noqa: S104 - no address

MEANS: dict[State, str] = {
    "device": "Dozen shows a device",
    "no-adapter": "the driver loads and finds no adapter",
    "libraries-missing": "libraries of /usr/lib/wsl/lib are missing",
    "driver-missing": "the driver is missing",
    "no-loader": "Vulkan's loader or vulkaninfo is missing",
    "crash": "the driver crashes",
    "hang": "the driver hangs",
    "unclear": "vulkaninfo says nothing that is known here",
}


@dataclass(frozen=True)
class Device:
    """One device of ``vulkaninfo --summary``."""

    name: str
    driver_id: str
    conformance: str
    driver_info: str = ""


@dataclass(frozen=True)
class Answer:
    """
    :param detail: the line that decided it
    """

    state: State
    detail: str = ""
    devices: tuple[Device, ...] = field(default=())

    @property
    def means(self) -> str:
        return MEANS[self.state]


_DECIDING: tuple[tuple[State, str], ...] = (
    ("no-loader", r"libvulkan\.so\.1: cannot open shared object|vulkaninfo.{0,20}(not found|No such file)"),
    ("libraries-missing", r"lib(d3d12|d3d12core|dxcore)\.so[^\n]*(cannot open|not found|No such file|Failed|failed)"),
    ("libraries-missing", r"[Ff]ailed to (load|open|retrieve)[^\n]*(d3d12|dxcore)"),
    ("driver-missing", r"[Ff]ailed (to open|loading library|to find)[^\n]*(\.json|libvulkan_dzn\.so)"),
    ("driver-missing", r"libvulkan_dzn\.so: cannot open shared object"),
    ("driver-missing", r"from ICD [^\n]*libvulkan_dzn\.so failed"),
    # of the loader's front: it has no driver to ask; its back end says the same when those that it asked had nothing
    ("driver-missing", r"\bvkCreateInstance: Found no drivers"),
    # -3 is VK_ERROR_INITIALIZATION_FAILED: the loader has the driver, and the driver has nothing to show
    ("no-adapter", r"Received return code -\d+ from call to vkCreateInstance[^\n]*libvulkan_dzn"),
    # the same in the words of older loaders, such as Debian 12's: they were given one driver, and it is ours
    ("no-adapter", r"Failed to CreateInstance in ICD 0\b"),
    ("no-adapter", r"(Failed to detect any valid GPUs|[Cc]ould not enumerate physical devices|no physical device)"),
)


def judge(text: str, exit_code: int) -> Answer:
    """Tell the cases apart.

    :param text: standard output and standard error of vulkaninfo under ``timeout``
    :param exit_code: of a shell's kind: 128 and more for a signal
    """
    if exit_code == TIMED_OUT:
        return Answer("hang", "it did not end in time")
    if exit_code < 0 or exit_code >= SIGNALLED:
        number = -exit_code if exit_code < 0 else exit_code - SIGNALLED
        return Answer("crash", f"ended by signal {number}")
    found = devices(text)
    if exit_code == 0 and found:
        return Answer("device", found[0].name, found)
    for state, pattern in _DECIDING:
        for line in text.splitlines():
            if re.search(pattern, line):
                return Answer(state, line.strip()[:300])
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing said")
    return Answer("unclear", last[:300])


def devices(text: str) -> tuple[Device, ...]:
    """Lines ``key = value`` below ``GPU0:``."""
    found: list[dict[str, str]] = []
    for line in text.splitlines():
        if re.fullmatch(r"GPU\d+:", line.strip()):
            found.append({})
        elif found and (match := re.match(r"\s*(\w+)\s*=\s*(.*?)\s*$", line)):
            found[-1][match[1]] = match[2]
    return tuple(
        Device(
            name=one.get("deviceName", ""),
            driver_id=one.get("driverID", ""),
            conformance=one.get("conformanceVersion", ""),
            driver_info=one.get("driverInfo", ""),
        )
        for one in found
    )


def fits(pattern: str, version: str) -> bool:
    """Whether a version is one that a pattern of ``mesa_dozen_known_crashes`` names.

    :param pattern: ``610.88``, ``610.*`` or ``*``: a star stands for any digits and dots; ``610`` names ``610.88`` too
    """
    text = re.escape(pattern).replace(r"\*", r"[\d.]*")
    return re.fullmatch(rf"{text}(\.[\d.]*)?", version) is not None
