"""The settings that decide versions: what a lock was made for, and what data and lock must agree on. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wslgpu.errors import DataError
from wslgpu.lock.model import Lock
from wslgpu.pins import UNRESOLVED, PinnedImage
from wslgpu.settings import Settings
from wslgpu.yaml_source import YamlDocument

INPUTS = (
    "base_packages",
    "containerd_package",
    "containerd_version",
    "container_toolkit_version",
    "container_toolkit_repository_uri",
    "container_toolkit_key_url",
    "container_toolkit_key_fingerprint",
    "device_plugin_version",
    "vllm_version",
    "vllm_install",
    "kubernetes_role",
    "kubernetes_k3s_version",
    "mesa_dozen_build",
    "mesa_dozen_artifact",
    "mesa_dozen_install",
    "ffmpeg_build",
    "ffmpeg_artifact",
    "ffmpeg_install",
)
"""Settings whose values stand in the lock as they are; images are compared digest by digest beside them."""


@dataclass(frozen=True)
class Disagreement:
    """One value of the data that is not the lock's.

    :param where: ``file:line`` of the data's value
    :param lock_where: ``file:line`` of the lock's
    """

    key: str
    data: str
    lock: str
    where: str
    lock_where: str

    def __str__(self) -> str:
        return f"{self.key} is {self.data} ({self.where}), and {self.lock} in the lock ({self.lock_where})"


def inputs_of(settings: Settings) -> dict[str, Any]:
    """The part of the settings that a lock is made for, as plain values, with the images by name."""
    data = settings.as_data()
    images = [{"role": one.role, "image": one.name} for one in settings.cuda_images]
    return {**{key: data[key] for key in INPUTS}, "cuda_images": images}


def images_of(settings: Settings) -> dict[str, tuple[PinnedImage, tuple[str, ...]]]:
    """Every image that the settings name: ``repository:tag`` -> the pin, and who uses it."""
    rows: list[tuple[PinnedImage, str]] = [(image, "cuda_images") for image in settings.cuda_images]
    rows.append((settings.device_plugin, "device-plugin"))
    rows.append((settings.vllm_versions[settings.vllm_version].image, "vllm"))
    found: dict[str, tuple[PinnedImage, tuple[str, ...]]] = {}
    for pin, user in rows:
        before = found.get(pin.name)
        found[pin.name] = (pin, tuple(sorted({user, *(before[1] if before else ())})))
    return found


Places = Callable[[str], str]
"""``file:line`` of a setting, by its name."""


def disagreements(settings: Settings, places: Places, lock: Lock, document: YamlDocument) -> list[Disagreement]:
    """Every input that data and lock have differently; none where the lock is this data's."""
    found = []

    def differ(key: str, data: Any, locked: Any, *at: str) -> None:
        if data != locked:
            found.append(Disagreement(key, _short(data), _short(locked), places(key.partition(".")[0]), at_lock(at)))

    def at_lock(loc: tuple[str, ...]) -> str:
        return document.where(loc)

    differ("profile", settings.profile, lock.profile, "profile")
    wanted = inputs_of(settings)
    for key in sorted({*wanted, *lock.inputs}):
        differ(key, wanted.get(key), lock.inputs.get(key), "inputs", key)
    for name, (pin, users) in images_of(settings).items():
        if name not in lock.images:
            # a CUDA image stands among the inputs, and was named there
            if "cuda_images" not in users or wanted["cuda_images"] == lock.inputs.get("cuda_images"):
                differ(_IMAGE_SETTING.get(users[0], "cuda_images"), name, "no such image", "images")
        elif pin.digest != UNRESOLVED:
            key = _IMAGE_SETTING.get(users[0], "cuda_images")
            differ(f"{key}.{name}", pin.digest, lock.images[name].digest, "images", name, "digest")
    if settings.kubernetes_role == "k3s" and (row := lock.downloads.get("k3s")) is not None:
        differ("kubernetes_k3s_versions", settings.k3s.sha256, row.sha256, "downloads", "k3s", "sha256")
    return found


_IMAGE_SETTING = {"device-plugin": "device_plugins", "vllm": "vllm_versions"}


def _short(value: Any) -> str:
    text = "not set" if value in (None, "") else str(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


def refuse(found: list[Disagreement], lock_place: str) -> DataError:
    """One error for all of them."""
    several = f"{len(found)} values: " if len(found) > 1 else ""
    return DataError(
        f"the data and the lock disagree in {several}" + "; ".join(map(str, found)),
        lock_place,
        "Take the change back, or lock it: wslgpu lock (wslgpu lock --upgrade shows what would move).",
    )
