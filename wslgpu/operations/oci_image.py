"""Images in containerd, by digest, with the tag kept for people."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.oci_image import OciImages
from wslgpu.operations.script import script
from wslgpu.pins import UNRESOLVED, ImagePin

_ASIDE_S = 120
"""What a pull may take besides the transfer: the checks, and the waits that a busy registry asks for."""


@operation()
def pulled(
    image: dict[str, object], namespace: str, registry_url: str, reserve_bytes: int, timeout_s: int
) -> Generator[StringCommand, None, None]:
    """Make containerd hold one image, whole, under its digest and its name.

    :param image: an :class:`~wslgpu.pins.ImagePin` as plain values
    :param registry_url: the mirror or registry that is asked how long to wait when it is busy
    :param reserve_bytes: what must stay free on the disk
    :param timeout_s: deadline of one transfer
    """
    pin = ImagePin.model_validate(image)
    if pin.digest == UNRESOLVED:
        yield script(
            "fail",
            "usage",
            f"the pin of {pin.name} has no digest",
            "Ask the registry for it once with: wslgpu pins resolve",
        )
        return
    held = bound.read(OciImages, namespace=namespace)
    if held.holds(pin.reference, pin.name, pin.digest):
        host.noop(f"{pin.name} is {pin.digest}")
        return
    yield script(
        "oci_image_pull",
        namespace,
        pin.reference,
        pin.name,
        pin.digest,
        pin.size_bytes,
        reserve_bytes,
        timeout_s,
        registry_url,
        timeout_s=4 * timeout_s + _ASIDE_S,
    )
