"""In which order components go, and which of them others need. Values only."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from wslgpu.errors import UsageError

APPLIED = (
    "wsl",
    "base",
    "containerd",
    "container_toolkit",
    "video_cdi",
    "cuda_images",
    "mesa_dozen",
    "ffmpeg",
    "kubernetes",
    "vllm",
)
"""deploy.py's order, preflight left out, since it changes nothing. A test holds the two together."""
ORDER = tuple(reversed(APPLIED))
"""What was applied last goes first."""
NEEDS = {
    "containerd": ("base",),
    "container_toolkit": ("base", "containerd"),
    "video_cdi": ("base", "container_toolkit"),
    "cuda_images": ("base", "containerd"),
    "mesa_dozen": ("base",),
    "ffmpeg": ("base",),
    "kubernetes": ("base", "containerd"),
    "vllm": ("base",),
}
"""What a component cannot work without: its packages, its configuration, its way out of the network, our records."""


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """The components to take away in the order in which they go; no name at all: every one.

    :raises UsageError: a name that no component has
    """
    wanted = tuple(names)
    for name in wanted:
        if name not in APPLIED:
            raise UsageError(f"there is no component {name!r} to remove", "", f"Known: {', '.join(APPLIED)}.")
    return tuple(name for name in ORDER if not wanted or name in wanted)


def needed_by(component: str, staying: Collection[str]) -> tuple[str, ...]:
    """Those of ``staying`` that cannot work without a component, in the order in which they would go."""
    return tuple(name for name in ORDER if name in staying and component in NEEDS.get(name, ()))
