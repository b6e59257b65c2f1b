"""CUDA's base, runtime and devel images, by digest, through containerd."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from wslgpu.host_settings import host_settings
from wslgpu.operations import oci_image, run_lock
from wslgpu.pins import ImagePin
from wslgpu.settings import Settings

ROLES = ("base", "runtime", "devel")


@deploy("CUDA images")
def cuda_images() -> None:
    """Pull what ``cuda_images`` names; a tag is never resolved on the way."""
    settings = host_settings()
    run_lock.hold(name="Hold the node's lock")
    by_role = {image.role: image for image in settings.cuda_images}
    # the same roles in the same order on every host, so that pyinfra sees the same operations
    for role in host.loop(ROLES):  # type: ignore[no-untyped-call]
        image = by_role.get(role)
        if image is not None:
            oci_image.pulled(
                name=f"Pull the {role} image by digest",
                image=image.model_dump(mode="json"),
                namespace=settings.cuda_images_namespace,
                registry_url=_registry_url(image, settings),
                reserve_bytes=settings.free_disk_reserve_bytes,
                timeout_s=settings.download_timeout_s,
            )


def _registry_url(image: ImagePin, settings: Settings) -> str:
    registry = image.repository.split("/", 1)[0]
    for mirror in settings.containerd_mirrors:
        if mirror.registry in (registry, "_default"):
            return mirror.url
    return "https://registry-1.docker.io" if registry == "docker.io" else f"https://{registry}"
