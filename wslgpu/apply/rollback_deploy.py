"""What ``wslgpu rollback`` runs on each host."""

from __future__ import annotations

from pyinfra.api import deploy

from wslgpu.operations import artifact, run_lock


@deploy("Rollback")
def rollback(name: str) -> None:
    """Let an artifact's current and previous version change places.

    :param name: of the artifact
    """
    run_lock.hold(name="Hold the node's lock")
    artifact.rolled_back(name=f"Go back to the previous {name}", artifact=name)
