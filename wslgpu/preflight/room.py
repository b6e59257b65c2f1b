"""What the deploy has to fetch, and the room it needs."""

from __future__ import annotations

from collections.abc import Iterator

from wslgpu import package_names
from wslgpu.facts.node_shape import NodeShape
from wslgpu.pins import UNRESOLVED, ImagePin
from wslgpu.preflight.finding import Finding, Severity
from wslgpu.settings import Settings

TOOLKIT_PACKAGES = package_names.TOOLKIT
IMAGE_ROOM = 3
"""Bytes on disk for one byte of a pulled image: compressed, unpacked, and room to change."""
PACKAGE_ROOM = 4
"""The same for a package."""
INODES_PER_RUN = 2_000
INODES_PER_IMAGE = 15_000


def missing_images(shape: NodeShape, settings: Settings) -> list[ImagePin]:
    """The images that containerd does not hold; by digest, or by name where no digest is known."""
    held = {*shape.images.values()}
    return [
        image
        for image in settings.cuda_images
        if (image.digest not in held if image.digest != UNRESOLVED else image.name not in shape.images)
    ]


def _toolkit_bytes(shape: NodeShape, settings: Settings) -> int:
    return 0 if shape.toolkit_version == settings.container_toolkit_version else settings.toolkit.size_bytes


def judge_room(shape: NodeShape, settings: Settings, *, gpu: bool) -> Iterator[Finding]:
    images = missing_images(shape, settings) if gpu else []
    toolkit = _toolkit_bytes(shape, settings) if gpu else 0
    packages = shape.fetch_bytes or 0
    demand = {
        "/": (packages + toolkit) * PACKAGE_ROOM,
        "/var/cache/apt": packages + toolkit,
        "/var/lib/containerd": sum(image.size_bytes for image in images) * IMAGE_ROOM,
        "/var/lib": 0,
        shape.data_dir: 0,
    }
    devices: dict[str, list[str]] = {}
    for room in shape.rooms:
        devices.setdefault(room.device, []).append(room.path)
    rooms = {room.path: room for room in shape.rooms}
    for paths in devices.values():
        room = rooms[paths[0]]
        asked = sum(demand.get(path, 0) for path in paths)
        needed = asked + settings.free_disk_reserve_bytes
        severity = Severity.REFUSE if asked else Severity.DEGRADED
        if room.free_bytes < needed:
            what = (
                f"{_size(room.free_bytes)} are free at {room.path}, {_size(needed)} are needed"
                f" ({_size(asked)} for what is installed, {_size(settings.free_disk_reserve_bytes)} in reserve)"
            )
            yield Finding("disk.bytes", severity, what, f"Free space on the file system of {', '.join(paths)}.")
        inodes = INODES_PER_RUN + (INODES_PER_IMAGE * len(images) if "/var/lib/containerd" in paths else 0)
        if room.inodes and room.free_inodes < inodes:
            what = f"{room.free_inodes} inodes are free at {room.path}, {inodes} are needed"
            step = f"Remove files on the file system of {', '.join(paths)}: there are too many, however small."
            yield Finding("disk.inodes", severity, what, step)


def fetch_finding(shape: NodeShape, settings: Settings, *, gpu: bool) -> Finding:
    """What the deploy has to fetch, in words and megabytes."""
    parts: list[tuple[str, int]] = []
    unknown = [name for name in shape.unlisted if name not in TOOLKIT_PACKAGES]
    if shape.missing and shape.fetch_bytes is None:
        unknown = [name for name in shape.missing if name not in TOOLKIT_PACKAGES]
    if shape.fetch_bytes:
        parts.append(("packages", shape.fetch_bytes))
    if gpu:
        if toolkit := _toolkit_bytes(shape, settings):
            parts.append(("NVIDIA Container Toolkit", toolkit))
        parts += [(f"{image.role} image", image.size_bytes) for image in missing_images(shape, settings)]
    if not parts and not unknown:
        return Finding("fetch", Severity.NOTE, "nothing is to be fetched")
    total = sum(size for _, size in parts)
    listed = ", ".join(f"{name} {_size(size)}" for name, size in parts)
    what = f"about {_size(total)} will be fetched" + (f" ({listed})" if listed else "")
    if unknown:
        what += f", and packages whose size apt's lists will tell: {', '.join(unknown)}"
    days = (shape.clock - shape.lists_epoch) // 86_400
    if shape.missing and shape.lists_epoch and days >= 1:
        what += f"; apt's lists are {days} days old and are fetched first"
    return Finding("fetch", Severity.NOTE, what)


def _size(count: int) -> str:
    """Bytes for people: MB and GB are powers of ten."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
