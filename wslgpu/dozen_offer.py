"""How Dozen is offered to a whole node: a manifest for Vulkan's loader, and the adapter's name for login shells. Pure.

The artifact's own manifest names its library relative to itself, and the loader goes by that without resolving links:
so the system's manifest is a file of its own, with the library's whole path. It leads through ``current``, and so stays
right when the version changes.
"""

from __future__ import annotations

import json
import posixpath

from wslgpu.build.record import PREFIX_ROOT
from wslgpu.templates import render

ARTIFACT = "mesa-dozen"
CURRENT = f"{PREFIX_ROOT}/{ARTIFACT}/current"
OWN_MANIFEST = "share/vulkan/icd.d/dzn_icd.x86_64.json"
"""In the artifact, relative to its prefix."""
MANIFEST = "/etc/vulkan/icd.d/wslgpu_dzn_icd.x86_64.json"
PROFILE = "/etc/profile.d/wslgpu-mesa-dozen.sh"
FILES = (MANIFEST, PROFILE)
OWN_ADAPTER = "NVIDIA"
"""What the artifact's env.sh prefers where nothing is set."""


def manifest_text(own: str) -> str:
    """The system's manifest, from the artifact's own.

    :raises ValueError: the artifact's is no manifest of a driver
    """
    try:
        document = json.loads(own)
        library = posixpath.normpath(posixpath.join(posixpath.dirname(OWN_MANIFEST), document["ICD"]["library_path"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{OWN_MANIFEST} names no library") from error
    document["ICD"]["library_path"] = f"{CURRENT}/{library}"
    return json.dumps(document, indent=4, sort_keys=True) + "\n"


def profile_text(adapter: str, *, graphics: bool = False) -> str:
    """For login shells; nothing where they need to know nothing.

    :param adapter: part of the adapter's name; empty: Mesa is to choose itself
    :param graphics: the artifact has drivers for OpenGL or video, and login shells are to use them
    """
    return render(PROFILE, adapter=adapter, graphics=graphics, current=CURRENT) if adapter or graphics else ""
