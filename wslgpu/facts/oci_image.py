"""The images that containerd holds, in one round trip."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class ImageState:
    """One name in containerd's image store.

    :param digest: what the name points at
    :param whole: all its content for this architecture is there, and unpacked
    """

    digest: str
    whole: bool


def parse_images(lines: list[str]) -> dict[str, ImageState]:
    """Read oci_images.sh's output; keys are names as containerd has them, ``docker.io/nvidia/cuda:13.0.0-...``."""
    images: dict[str, ImageState] = {}
    for line in lines:
        words = line.split()
        if words[:1] == ["image"] and len(words) == 5:
            images[words[1]] = ImageState(words[2], words[3] == "complete" and words[4] == "true")
    return images


class OciImages(ScriptFact[dict[str, ImageState]]):
    """Maps each image name in a containerd namespace to its :class:`ImageState`."""

    script_name = "oci_images"

    @staticmethod
    def default() -> dict[str, ImageState]:
        return {}

    def command(self, namespace: str) -> StringCommand:  # type: ignore[override]
        return super().command(namespace)

    def process(self, output: list[str]) -> dict[str, ImageState]:
        return parse_images(output)
