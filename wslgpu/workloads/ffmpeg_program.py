"""Which FFmpeg a pod runs, out of which image. Pure."""

from __future__ import annotations

from wslgpu.build.record import PREFIX_ROOT
from wslgpu.errors import UsageError
from wslgpu.settings import Settings
from wslgpu.workloads.storage import Storage

FOLDER = f"{PREFIX_ROOT}/ffmpeg"
"""On the node, and in the pod: the links in it are relative."""


def program_storage() -> Storage:
    """The node's artifact as a volume that nobody can write to."""
    return Storage(claim="ffmpeg-program", size="1Gi", access="ReadOnlyMany", host_path=FOLDER)


def program(settings: Settings) -> str:
    """The program's path in the pod, or its name."""
    return f"{FOLDER}/current/bin/ffmpeg" if settings.ffmpeg_pod_program == "artifact" else "ffmpeg"


def image(settings: Settings) -> str:
    """``repository@digest``: the one that the data name, or the CUDA base image, which has libc and zlib.

    :raises UsageError: no image by digest is known
    """
    if settings.ffmpeg_pod_image:
        return settings.ffmpeg_pod_image
    step = "`wslgpu pins resolve` asks the registry; or name an image by digest: ffmpeg_pod_image."
    for one in settings.cuda_images:
        if one.role == "base":
            try:
                return one.reference
            except ValueError as error:
                raise UsageError(f"{error}: images are used by digest only", "cuda_images", step) from error
    raise UsageError("there is no base image in cuda_images, and ffmpeg_pod_image names none", "ffmpeg_pod_image", step)
