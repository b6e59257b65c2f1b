"""What ``wslgpu remove`` runs on each host."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from wslgpu.host_settings import host_settings
from wslgpu.operations import removal, run_lock
from wslgpu.removal.order import ORDER


@deploy("Remove")
def remove(components: tuple[str, ...], *, force: bool, data: bool, dry: bool) -> None:
    """Take components away, what was applied last first.

    :param components: in the order in which they go
    :param force: what was edited by hand goes too, and is kept beside its place
    :param data: also what others keep in the folders in which the components' programs have their data
    """
    settings = host_settings()
    run_lock.hold(name="Hold the node's lock")
    removal.checked(name="See what must not go", settings=settings, components=components, force=force)
    for name in host.loop(ORDER):  # type: ignore[no-untyped-call]
        if name in components:
            removal.component(
                name=f"Remove {name}",
                component_name=name,
                settings=settings,
                components=components,
                force=force,
                data=data,
                dry=dry,
            )
