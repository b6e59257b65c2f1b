"""What is asked of a node's manifest: a component as the data have it, and who writes when."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from wslgpu.lock.asked import askable
from wslgpu.manifest.claims import CLAIMS, settings_of
from wslgpu.settings import Settings


@dataclass(frozen=True)
class Stamp:
    """Who writes, and when.

    :param at: RFC 3339 in UTC
    """

    at: str
    by: str
    tool_version: str


@dataclass(frozen=True)
class Ask:
    """A component as the data asks for it.

    :param settings: sha256
    :param lock: digest of the lock; empty without one
    :param images: references that the component puts into containerd's store
    :param packages: that any component may ask for by name
    """

    component: str
    settings: str
    lock: str
    data_dir: str
    images: tuple[str, ...] = ()
    packages: frozenset[str] = frozenset()


def ask_of(component: str, settings: Settings) -> Ask:
    """:raises KeyError: there is no such component"""
    relevant = json.dumps(settings_of(component, settings), sort_keys=True)
    images: list[str] = []
    if CLAIMS[component].images:
        for image in settings.cuda_images:
            images += [image.name, f"{image.repository}@{image.digest}"]
    return Ask(
        component,
        hashlib.sha256(relevant.encode()).hexdigest(),
        str(getattr(settings, "lock_digest", "")),
        settings.data_dir,
        tuple(images),
        askable(settings),
    )
