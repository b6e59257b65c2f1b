"""Where a node runs, and whose GPUs it has.

Sources of the signals: microsoft/WSL src/linux/init and canonical/cloud-init DataSourceWSL.py (WSL2's five), WSL's
release notes (WSL1's ``-Microsoft``), linuxkit's kernels for Docker Desktop.
"""

from __future__ import annotations

from typing import Any

from wslgpu.probe.document import View
from wslgpu.verdict.seen import NotSeenError, Seen

SIGNALS_NEEDED = 2
"""A custom kernel may drop the suffix, a container may lack the device: one signal alone says nothing."""


def platform(seen: Seen) -> dict[str, Any]:
    """``derived.platform``.

    :raises NotSeenError: nothing was seen to judge by, or one signal of WSL2 only
    """
    kernel = seen.or_none("system.kernel")
    release = kernel["release"] if kernel else ""
    os_release = seen.or_none("system.os_release")
    signals = seen.or_none("wsl.signals") or {}
    number = len(_names(signals))
    if "linuxkit" in release:
        return _platform("docker-desktop", number, "the kernel is linuxkit's")
    if os_release and "docker desktop" in os_release["pretty_name"].lower():
        return _platform("docker-desktop", number, "the distribution is Docker Desktop's own")
    engine = seen.or_none("docker.engine") if _in_container(seen) else None
    if engine and "docker desktop" in engine["operating_system"].lower():
        return _platform("docker-desktop", number, "the engine behind this container is Docker Desktop's")
    if release.endswith("-Microsoft"):
        return _platform("wsl1", number, "the kernel's name ends as WSL1's does")
    if not signals:
        seen.value("wsl.signals")
    if number >= SIGNALS_NEEDED:
        return _platform("wsl2", number, f"{number} of {len(signals)} signals: {', '.join(_names(signals))}")
    if number:
        raise NotSeenError(f"only one signal of WSL2 is there ({_names(signals)[0]}), and it takes {SIGNALS_NEEDED}")
    if kernel is None:
        seen.value("system.kernel")
    return _platform("linux", 0, "no signal of WSL is there")


def _platform(name: str, signals: int, reason: str) -> dict[str, Any]:
    return {"name": name, "signals": signals, "reason": reason}


def _names(signals: dict[str, bool]) -> list[str]:
    return [name for name, there in signals.items() if there is True]


def _in_container(seen: Seen) -> bool:
    container = seen.or_none("system.container")
    return seen.document.probe.view is View.CONTAINER or bool(container and container["in_container"])


def gpu(seen: Seen) -> dict[str, Any]:
    """``derived.gpu``.

    :raises NotSeenError: none was found, but not every place could be looked at
    """
    stores = [row["vendor"] for row in seen.or_none("wsl.driver_stores") or []]
    pci = seen.or_none("wsl.pci") or {}
    nodes = seen.or_none("gpu.device_nodes") or {}
    libraries = seen.or_none("wsl.lib_files") or {}
    counted = max(0, seen.or_none("nvml.device_count") or 0, seen.or_none("cuda.device_count") or 0)
    nvidia = bool(
        "nvidia" in stores
        or pci.get("nvidia", 0) > 0
        or nodes.get("nvidia")
        # the driver's files for Linux are Windows' own, and NVIDIA alone brings this one
        or "libcuda.so.1" in libraries.get("names", [])
        or counted
    )
    amd = bool("amd" in stores or pci.get("amd", 0) > 0 or nodes.get("kfd"))
    intel = bool("intel" in stores or pci.get("intel_gpu", 0) > 0)
    microsoft = max(0, pci.get("microsoft_gpu", 0))
    if not (nvidia or amd or intel or microsoft):
        for place in ("wsl.driver_stores", "wsl.pci", "gpu.device_nodes"):
            seen.value(place)
    return {
        "any": nvidia or amd or intel or microsoft > 0,
        "nvidia": nvidia,
        "amd": amd,
        "intel": intel,
        "nvidia_count": max(counted, pci.get("nvidia", 0), 1) if nvidia else 0,
        "microsoft_gpus": microsoft,
    }
