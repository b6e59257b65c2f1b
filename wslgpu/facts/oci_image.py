"""The images that containerd holds in a namespace."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api import StringCommand

from wslgpu.facts.script import ScriptFact


@dataclass(frozen=True)
class HeldImages:
    """What containerd answers.

    :param answers: containerd is there and running
    :param digests: image name -> digest of its index or manifest, of images whose content is all there
    """

    answers: bool = False
    digests: dict[str, str] = field(default_factory=dict)

    def holds(self, reference: str, name: str, digest: str) -> bool:
        """Both names of an image, ``repository@digest`` and ``repository:tag``, stand for this digest."""
        return self.digests.get(reference) == digest and self.digests.get(name) == digest


def parse_images(lines: list[str]) -> HeldImages:
    """Read oci_images.sh's output; an image with content missing counts as absent."""
    answers = "containerd yes" in lines
    digests: dict[str, str] = {}
    for line in lines:
        parts = line.split()
        if len(parts) == 4 and parts[0] == "image" and parts[3] == "complete":
            digests[parts[1]] = parts[2]
    return HeldImages(answers, digests)


class OciImages(ScriptFact[HeldImages]):
    """The images of one containerd namespace, as :class:`HeldImages`."""

    script_name = "oci_images"

    @staticmethod
    def default() -> HeldImages:
        return HeldImages()

    def command(self, namespace: str) -> StringCommand:  # type: ignore[override]
        return super().command(namespace)

    def process(self, output: list[str]) -> HeldImages:
        return parse_images(output)
