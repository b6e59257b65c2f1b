"""What a site may ask of a node, and not of an image that many machines are made from: secrets. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wslgpu.errors import DataError
from wslgpu.settings import Settings

_NEXT_STEP = "Build with a site file without it (--site FILE); the machines get theirs by a deploy of their own."


def check(settings: Settings, places: Callable[[str], str]) -> None:
    """Refuse what would give every machine the same secret.

    :param places: where a setting stands
    :raises DataError: all such settings, at the first one's place
    """
    found = list(_secrets(settings))
    if found:
        raise DataError("; ".join(what for _, what in found), places(found[0][0]), _NEXT_STEP)


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.proxy_url and settings.proxy_credentials_file:
        yield "proxy_credentials_file", "proxy_credentials_file would put the proxy's password into the image"
    if settings.vllm_install != "none" and settings.vllm_api_key_file:
        yield "vllm_api_key_file", "vllm_api_key_file would put vLLM's key into the image"
    if settings.kubernetes_role in ("join", "k3s"):
        role = settings.kubernetes_role
        yield "kubernetes_role", f"kubernetes_role: {role} would put a node's or a cluster's keys into the image"


def told(settings: Settings) -> list[str]:
    """What of the site is in the image, and is not for everybody's eyes."""
    named = {
        "proxy_url": settings.proxy_url,
        "ca_file": settings.ca_file,
        "containerd_mirrors": settings.containerd_mirrors,
    }
    return [name for name, value in named.items() if value]
