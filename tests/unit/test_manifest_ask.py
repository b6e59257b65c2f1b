"""A component as the data ask for it."""

from __future__ import annotations

from tasks import container_toolkit, mesa_dozen
from wslgpu.manifest.ask import ask_of
from wslgpu.operations import containerd, k3s
from wslgpu.settings import load
from wslgpu.workloads.vllm_node import PODMAN_PACKAGES


def test_what_any_task_asks_for_by_name_is_known() -> None:
    names = ask_of("base", load()).packages
    asked = {*mesa_dozen.PACKAGES, *container_toolkit.PACKAGES, *containerd.PACKAGES, *k3s.PACKAGES, *PODMAN_PACKAGES}
    assert names >= asked | set(load().base_packages)
    assert "strace" not in names


def test_each_component_has_its_own_settings_in_its_hash() -> None:
    settings = load()
    other = settings.model_copy(update={"ffmpeg_install": "absent"})
    assert ask_of("ffmpeg", settings).settings != ask_of("ffmpeg", other).settings
    assert ask_of("containerd", settings) == ask_of("containerd", other)
    image = settings.cuda_images[0]
    assert image.name in ask_of("cuda_images", settings).images
    assert (
        ask_of("cuda_images", settings).settings
        != ask_of("cuda_images", settings.model_copy(update={"cuda_images": []})).settings
    )
