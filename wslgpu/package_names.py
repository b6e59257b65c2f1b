"""Names of the packages that tasks ask for, whatever the data choose: one place for tasks, preflight and lock."""

from __future__ import annotations

TOOLKIT = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
"""They go together, at one version."""
CONTAINERD = ("containerd", "containerd.io")
"""The distribution's package and Docker's: each takes the other's place, so only one can be installed."""
K3S = ("containernetworking-plugins", "iptables")
"""The pods' network; kube-proxy in k3s writes its rules with iptables."""
VULKAN = ("libvulkan1", "vulkan-tools")
"""The loader, and vulkaninfo, by which people and verification see what it finds."""
