"""Which version of the device plugin an image is: by its digest, where the table has it, else by its tag. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from wslgpu.pins import UNRESOLVED
from wslgpu.settings import Settings


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
