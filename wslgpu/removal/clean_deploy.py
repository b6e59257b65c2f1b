"""What ``wslgpu clean`` runs on each host."""

from __future__ import annotations

from pyinfra.api import deploy

from wslgpu.host_settings import host_settings
from wslgpu.operations import clean as operations
from wslgpu.operations import run_lock


@deploy("Clean")
def clean(*, dry: bool) -> None:
    """Free what nothing pins any more."""
    settings = host_settings()
    run_lock.hold(name="Hold the node's lock")
    operations.node(name="Free what nothing pins any more", settings=settings, dry=dry)
