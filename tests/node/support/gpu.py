"""The GPU as the node itself sees it."""

from __future__ import annotations

from tests.node.support.checks import unknown
from tests.node.support.node import Answer, Node

DEVICE = "/dev/dxg"
NVIDIA_SMI = "/usr/lib/wsl/lib/nvidia-smi"
"""By its path: services and root have no /usr/lib/wsl/lib on PATH (NVIDIA, CUDA on WSL user guide)."""

QUESTIONS = {
    "list": ("-L",),
    "query": ("--query-gpu=index,name,uuid,driver_version,memory.total", "--format=csv,noheader"),
}
"""What host and container must answer alike: nothing in it changes from one second to the next."""


def require(node: Node) -> None:
    """End the check as unknown where the node has no GPU."""
    if not node.kept("test", "-c", DEVICE).ok:
        unknown(f"no GPU: {DEVICE} is not there")


def ask(node: Node, question: str) -> Answer:
    """Ask the host's nvidia-smi one of :data:`QUESTIONS`."""
    return node.kept(NVIDIA_SMI, *QUESTIONS[question], timeout_s=30)


def is_stand_in(node: Node) -> bool:
    """Whether libcuda says of itself that it is the lab's stand-in."""
    return node.kept("grep", "-qa", "wslgpu_stand_in", "/usr/lib/wsl/lib/libcuda.so.1").ok
