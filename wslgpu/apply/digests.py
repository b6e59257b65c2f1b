"""Digests that the data leaves unresolved: asked of the registry once, then written down in the site file."""

from __future__ import annotations

import sys
from pathlib import Path

from wslgpu.pins import UNRESOLVED, ImagePin
from wslgpu.registry import RegistryError, resolve_digest
from wslgpu.settings import Settings, load, site_file
from wslgpu.site_digests import write_site_digests


def unresolved(settings: Settings) -> list[ImagePin]:
    """The images that have no digest yet."""
    return [image for image in settings.cuda_images if image.digest == UNRESOLVED]


def resolve_missing(site: Path | None, *, write: bool) -> dict[str, str]:
    """Resolve every image whose digest is unresolved: ``repository:tag`` -> ``sha256:...``.

    :raises WslgpuError: a registry cannot be reached or has no such tag (usage, 2: nothing to deploy by)
    """
    path = site or site_file()
    settings = load(site)
    found: dict[str, str] = {}
    for image in unresolved(settings):
        found[image.name] = _resolve(image, settings)
        sys.stderr.write(f"{image.name} is {found[image.name]}\n")
    if found and write:
        write_site_digests(path, found)
        sys.stderr.write(f"Written to {path}: these are used from now on.\n")
    return found


def _resolve(image: ImagePin, settings: Settings) -> str:
    proxies = {"http": settings.proxy_url, "https": settings.proxy_url} if settings.proxy_url else {}
    try:
        return resolve_digest(image.repository, image.tag, proxies=proxies, ca_file=settings.ca_file)
    except RegistryError as error:
        error.what = f"{image.name} has no digest, and the registry could not be asked for it: {error.what}"
        error.next_step += " `wslgpu pins resolve` tries this step alone; or write the digest into site.yml."
        raise
