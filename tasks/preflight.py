"""Says all that is wrong with a node before anything is changed on it."""

from pyinfra import host
from pyinfra.api import deploy

from wslgpu.host_settings import host_settings
from wslgpu.operations import manifest, run_lock
from wslgpu.operations import preflight as preflight_operations


@deploy("Preflight")
def preflight() -> None:
    """Check the node; hold its lock when nothing stands in the way.

    The check comes before the lock, since another run on the node is one of the things that it reports with the rest.
    """
    settings = host_settings()
    preflight_operations.check(
        name="Check that nothing stands in the way of the deploy",
        settings=settings,
        gpu="gpu_nodes" in host.groups,
    )
    manifest.checked(name="Check that no newer wslgpu has changed the node", settings=settings)
    run_lock.hold(name="Hold the node's lock")
