"""Mesa's Dozen, Vulkan over Direct3D 12: an artifact of the store, offered to shells that ask for it or to all."""

from pyinfra.api import deploy

from wslgpu import package_names
from wslgpu.artifact_choice import archive_of, choose
from wslgpu.errors import DataError
from wslgpu.host_settings import host_settings
from wslgpu.operations import artifact, manifest, run_lock
from wslgpu.operations import mesa_dozen as mesa_dozen_operations
from wslgpu.settings import exit_on_error

PACKAGES = package_names.VULKAN


@deploy("Mesa Dozen")
def mesa_dozen() -> None:
    """Install what the store has, then offer it; where it is to go, it is no longer offered first."""
    settings = host_settings()
    try:
        choice = choose(settings, "mesa-dozen")
    except DataError as error:
        exit_on_error(error)
        raise
    system = settings.mesa_dozen_offer == "system"

    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="mesa_dozen", settings=settings)
    if choice.install == "absent":
        mesa_dozen_operations.offered(
            name="Offer Dozen to nobody", choice=choice, archive_of=archive_of, system=False, adapter=""
        )
        artifact.absent(name="Take Dozen away", artifact="mesa-dozen")
    else:
        artifact.packages(
            name="Install Vulkan's loader and the libraries that Dozen links",
            choice=choice,
            extra=PACKAGES,
            lock_timeout_s=settings.apt_lock_timeout_s,
            download_timeout_s=settings.download_timeout_s,
        )
        artifact.installed(
            name="Install Dozen from the store",
            choice=choice,
            archive_of=archive_of,
            reserve_bytes=settings.free_disk_reserve_bytes,
        )
        mesa_dozen_operations.offered(
            name="Offer Dozen to Vulkan's loader",
            choice=choice,
            archive_of=archive_of,
            system=system,
            adapter=settings.mesa_dozen_adapter,
        )
    manifest.recorded(name="Record it in the node's manifest", component="mesa_dozen", settings=settings)
