"""CUDA images: base, runtime and devel, by digest."""

from pyinfra import host
from pyinfra.api import deploy

from wslgpu.host_settings import host_settings
from wslgpu.operations import manifest, oci_image, run_lock

SLOWEST_BYTES_PER_S = 500_000
"""An image of gigabytes gets longer than download_timeout_s: as long as a line of 4 Mbit/s needs."""
ROLES = ("base", "runtime", "devel")


@deploy("CUDA images")
def cuda_images() -> None:
    """One image for each role that the data name."""
    settings = host_settings()
    images = {image.role: image for image in settings.cuda_images}

    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="cuda_images", settings=settings)
    for role in host.loop(ROLES):  # type: ignore[no-untyped-call]
        image = images.get(role)
        if image is None:
            continue
        oci_image.present(
            name=f"Pull the {role} image by digest",
            repository=image.repository,
            tag=image.tag,
            digest=image.digest,
            namespace=settings.cuda_images_namespace,
            size_bytes=image.size_bytes,
            reserve_bytes=settings.free_disk_reserve_bytes,
            timeout_s=max(settings.download_timeout_s, image.size_bytes // SLOWEST_BYTES_PER_S),
        )
    manifest.recorded(name="Record it in the node's manifest", component="cuda_images", settings=settings)
