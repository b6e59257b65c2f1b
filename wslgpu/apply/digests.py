"""Digests that the data leaves unresolved: asked of the registry once, then written down in the site file."""

from __future__ import annotations

import sys
from pathlib import Path

from wslgpu.pins import UNRESOLVED, ImagePin, PinnedImage
from wslgpu.registry import RegistryError, resolve_digest
from wslgpu.settings import Settings, load, site_file
from wslgpu.site_digests import write_row_digest, write_site_digests


def unresolved(settings: Settings) -> list[ImagePin]:
    """The images for nodes that have no digest yet."""
    return [image for image in settings.cuda_images if image.digest == UNRESOLVED]


def unresolved_rows(settings: Settings) -> dict[tuple[str, ...], PinnedImage]:
    """The images of workloads that have no digest yet, by their place in the settings; of versions in force only."""
    plugin, vllm = settings.device_plugin_version, settings.vllm_version
    rows: dict[tuple[str, ...], PinnedImage] = {
        ("device_plugins", plugin): settings.device_plugin,
        ("vllm_versions", vllm, "image"): settings.vllm_versions[vllm].image,
    }
    return {place: image for place, image in rows.items() if image.digest == UNRESOLVED}


def resolve_missing(site: Path | None, *, write: bool, workloads: bool = False) -> dict[str, str]:
    """Resolve every image whose digest is unresolved: ``repository:tag`` -> ``sha256:...``.

    :param workloads: also those that only rendered workloads name
    :raises WslgpuError: a registry cannot be reached or has no such tag (usage, 2: nothing to deploy by)
    """
    path = site or site_file()
    settings = load(site)
    found: dict[str, str] = {}
    for image in unresolved(settings):
        found[image.name] = resolve_image(image, settings)
    rows = unresolved_rows(settings) if workloads else {}
    digests = {place: resolve_image(image, settings) for place, image in rows.items()}
    if found and write:
        write_site_digests(path, found)
    if write:
        for place, digest in digests.items():
            write_row_digest(path, place, digest)
    if (found or digests) and write:
        sys.stderr.write(f"Written to {path}: these are used from now on.\n")
    return {**found, **{image.name: digests[place] for place, image in rows.items()}}


def resolve_image(image: PinnedImage, settings: Settings) -> str:
    """The digest that the image's own registry gives for its tag now.

    :raises RegistryError: it cannot be asked, or has no such tag
    """
    proxies = {"http": settings.proxy_url, "https": settings.proxy_url} if settings.proxy_url else {}
    try:
        digest = resolve_digest(image.repository, image.tag, proxies=proxies, ca_file=settings.ca_file)
    except RegistryError as error:
        error.what = f"{image.name} has no digest, and the registry could not be asked for it: {error.what}"
        error.next_step += " `wslgpu pins resolve` tries this step alone; or write the digest into site.yml."
        raise
    sys.stderr.write(f"{image.name} is {digest}\n")
    return digest
