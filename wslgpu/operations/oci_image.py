"""Container images by digest, in containerd's own store."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.oci_image import OciImages
from wslgpu.operations import bundle
from wslgpu.operations.script import script
from wslgpu.pins import UNRESOLVED


@operation()
def present(
    repository: str,
    tag: str,
    digest: str,
    *,
    namespace: str,
    size_bytes: int,
    reserve_bytes: int,
    timeout_s: int,
) -> Generator[StringCommand, None, None]:
    """Have an image whole and unpacked, under its digest and under its tag.

    It is asked for by digest only, so that no registry or mirror decides what the tag means; the tag is a name that
    we give it, and is moved when it names another digest.

    With a bundle it comes from there instead, with the same digests compared.

    :param size_bytes: compressed; three times that, and ``reserve_bytes``, must be free before it is fetched
    :param timeout_s: deadline of the whole transfer
    """
    name, reference = f"{repository}:{tag}", f"{repository}@{digest}"
    if digest == UNRESOLVED:
        yield script(
            "fail",
            "usage",
            f"the image {name} has no digest: nobody has compared one with its registry yet",
            "wslgpu pins resolve asks the registry and writes it to site.yml.",
        )
        return
    images = bound.read(OciImages, namespace=namespace)
    settled = [one in images and images[one].digest == digest and images[one].whole for one in (reference, name)]
    if all(settled):
        host.noop(f"{name} is there, whole, as {digest}")
        return
    if (source := bundle.in_force()) is not None:
        yield from bundle.image(source, repository, tag, digest, namespace=namespace, reserve_bytes=reserve_bytes)
        return
    yield script("oci_image", namespace, repository, tag, digest, size_bytes, reserve_bytes, timeout_s)
