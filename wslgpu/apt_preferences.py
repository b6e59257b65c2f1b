"""apt's preferences: which version apt may choose."""

from __future__ import annotations

from collections.abc import Iterable

from wslgpu.templates import render

CONTAINER_TOOLKIT = "/etc/apt/preferences.d/wslgpu-container-toolkit"


def pin_text(packages: Iterable[tuple[str, str]]) -> str:
    """A file for /etc/apt/preferences.d that makes each package's exact version the one that apt chooses.

    1001 is more than an installed version has, so that this version is chosen even where a newer one is installed;
    every other version keeps its priority (apt_preferences(5)).
    """
    return render(CONTAINER_TOOLKIT, packages=list(packages))
