"""Digests that the data leaves unresolved: asked of the registry once, then written down in the site file."""

from __future__ import annotations

import sys
from pathlib import Path

from wslgpu.pins import UNRESOLVED
from wslgpu.registry import resolve_digest, write_site_digests
from wslgpu.settings import load, site_file


def resolve_missing(site: Path | None, *, write: bool) -> dict[str, str]:
    """Resolve every image whose digest is unresolved: ``repository:tag`` -> ``sha256:...``.

    :raises WslgpuError: a registry cannot be reached or has no such tag (usage, 2: nothing to deploy by)
    """
    path = site or site_file()
    settings = load(site)
    found: dict[str, str] = {}
    for image in settings.cuda_images:
        if image.digest != UNRESOLVED:
            continue
        found[image.name] = resolve_digest(
            image.repository,
            image.tag,
            base_url=None,
            proxies={"http": settings.proxy_url, "https": settings.proxy_url} if settings.proxy_url else {},
            ca_file=settings.ca_file or None,
            timeout_s=30,
        )
        sys.stderr.write(f"{image.name} is {found[image.name]}\n")
    if found and write:
        write_site_digests(path, found, settings.as_data()["cuda_images"])
        sys.stderr.write(f"Written to {path}: these are used from now on.\n")
    return found
