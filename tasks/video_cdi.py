"""A CDI device with the driver's video codec libraries, and a unit that makes specs anew when the driver changes."""

from pyinfra.api import deploy

from wslgpu.host_settings import host_settings
from wslgpu.operations import manifest, run_lock
from wslgpu.operations import video_cdi as video_cdi_operations
from wslgpu.video_cdi import files as files_of


@deploy("Video CDI")
def video_cdi() -> None:
    """After the toolkit, whose spec says what containers get already."""
    settings = host_settings()
    kind, owner = settings.video_cdi_kind, settings.toolkit.cdi_spec_owner

    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="video_cdi", settings=settings)
    if settings.video_cdi_install == "absent":
        video_cdi_operations.absent(name="Take the video device away", kind=kind)
    else:
        files = files_of(kind, owner)
        video_cdi_operations.refreshed(
            name="Make CDI specs anew when the driver changes",
            kind=kind,
            files=files,
            at_first_boot=settings.gpu_at == "first-boot",
        )
        video_cdi_operations.spec(
            name="Keep the video device's CDI spec in step with the driver", kind=kind, owner=owner
        )
    manifest.recorded(name="Record it in the node's manifest", component="video_cdi", settings=settings)
