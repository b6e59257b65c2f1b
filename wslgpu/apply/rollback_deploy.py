"""What ``wslgpu rollback`` runs on each host."""

from __future__ import annotations

from pyinfra.api import deploy

from wslgpu.host_settings import host_settings
from wslgpu.operations import artifact, manifest, run_lock


@deploy("Rollback")
def rollback(name: str) -> None:
    """Let an artifact's current and previous version change places.

    :param name: of the artifact
    """
    settings, component = host_settings(), name.replace("-", "_")
    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component=component, settings=settings)
    artifact.rolled_back(name=f"Go back to the previous {name}", artifact=name)
    manifest.recorded(name="Record it in the node's manifest", component=component, settings=settings)
