"""FFmpeg with NVENC, NVDEC and CUDA filters: an artifact of the store, at /opt/wslgpu/ffmpeg/current/bin/ffmpeg."""

from pyinfra.api import deploy

from wslgpu.artifact_choice import archive_of, choose
from wslgpu.errors import DataError
from wslgpu.host_settings import host_settings
from wslgpu.operations import artifact, manifest, run_lock
from wslgpu.settings import exit_on_error


@deploy("FFmpeg")
def ffmpeg() -> None:
    """Install what the store has, or take it away; nothing is built here."""
    settings = host_settings()
    try:
        choice = choose(settings, "ffmpeg")
    except DataError as error:
        exit_on_error(error)
        raise

    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="ffmpeg", settings=settings)
    if choice.install == "absent":
        artifact.absent(name="Take FFmpeg away", artifact="ffmpeg")
    else:
        artifact.packages(
            name="Install the libraries that FFmpeg links",
            choice=choice,
            lock_timeout_s=settings.apt_lock_timeout_s,
            download_timeout_s=settings.download_timeout_s,
        )
        artifact.installed(
            name="Install FFmpeg from the store",
            choice=choice,
            archive_of=archive_of,
            reserve_bytes=settings.free_disk_reserve_bytes,
        )
    manifest.recorded(name="Record it in the node's manifest", component="ffmpeg", settings=settings)
