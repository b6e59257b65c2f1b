"""Which of what lies about on a node nothing pins any more. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from wslgpu.facts.clutter import Found
from wslgpu.manifest.model import BEFORE, Manifest

NOTE = re.compile(r"^(?P<size>\d+) bytes: ")
"""How :func:`note` begins, for who adds them up."""
_WHY = {
    "archive": "apt's copy of a package of wslgpu's, which is installed",
    "version": "neither the version in use nor the one before",
    "damaged": "a damaged manifest that was set aside",
    "copy": "a copy of what stood on the node before, which nothing needs any more",
    "temporary": "left by a run that was cut off",
    "bundle": "sent from a bundle, and not used: sent again when it is needed",
    "image": "wslgpu brought it, and the data no longer name it",
}


@dataclass(frozen=True)
class Item:
    """One thing that can go.

    :param kind: as :class:`~wslgpu.facts.clutter.Found` has it
    """

    kind: str
    size_bytes: int
    name: str
    why: str
    digest: str = ""


def unneeded(found: Iterable[Found], manifest: Manifest, images: Collection[str]) -> tuple[Item, ...]:
    """What goes, the largest first.

    :param images: names that the data name now
    """
    components = manifest.components.values()
    packages = {name for one in components for name in one.packages}
    copies = {entry.sha256 for one in components for entry in one.before.values()}
    copies |= {digest for one in components for digest in one.edited.values()}
    ours = {name: image.digest for one in components for name, image in one.images.items()}

    def goes(one: Found) -> bool:
        if one.kind == "archive":
            return one.name.rpartition("/")[2].partition("_")[0] in packages
        if one.kind in ("copy", "damaged") and manifest.unknown_before:
            # which of them somebody needs yet, nothing but they themselves can tell
            return False
        if one.kind == "copy":
            return one.name not in copies
        if one.kind == "image":
            return ours.get(one.name) == one.digest and one.name not in images
        return True

    items: list[Item] = []
    counted: set[str] = set()
    for one in found:
        if goes(one):
            # an image has several names, and its bytes once
            size = 0 if one.digest and one.digest in counted else one.size_bytes
            counted.add(one.digest)
            items.append(Item(one.kind, size, one.name, _WHY[one.kind], one.digest))
    return tuple(sorted(items, key=lambda item: (-item.size_bytes, item.name)))


def note(item: Item) -> str:
    """For people, and for who adds the bytes up."""
    name = f"{BEFORE}/{item.name}" if item.kind == "copy" else item.name
    return f"{item.size_bytes} bytes: {name} ({item.why})"


def without_images(manifest: Manifest, gone: Collection[str]) -> Manifest:
    """The manifest when these images are no longer on the node."""
    components = {
        name: one.model_copy(update={"images": {k: v for k, v in one.images.items() if k not in gone}})
        for name, one in manifest.components.items()
    }
    return manifest.model_copy(update={"components": components, "serial": manifest.serial + 1})
