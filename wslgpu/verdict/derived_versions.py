"""``derived.versions``: which version of what a node has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from wslgpu.report.plain import clean
from wslgpu.verdict.seen import NotSeenError, Seen
from wslgpu.verdict.versions import from_cuda, from_nccl, parse_version

_Source = tuple[str, Callable[[Any], Any]]


def _key(*keys: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    return read


def _itself(value: Any) -> Any:
    return value


def _cuda(value: Any) -> Any:
    return from_cuda(value) if isinstance(value, int) and value >= 1000 else None


_SOURCES: dict[str, tuple[_Source, ...]] = {
    "driver": (("nvml.versions", _key("driver")), ("smi.run", _key("driver_version"))),
    "cuda": (
        ("cuda.driver_version", _cuda),
        ("nvml.versions", lambda value: _cuda(value["cuda"])),
        ("smi.run", _key("cuda_version")),
    ),
    "toolkit": (("toolkit.packages", _key("nvidia-container-toolkit", "version")), ("toolkit.ctk", _key("version"))),
    "wsl": (("wsl.version", _itself),),
    "kernel": (("system.kernel", _key("release")),),
    "containerd": (("containerd.binary", _key("version")),),
    "runc": (("containerd.runc", _key("version")),),
    "docker": (("docker.engine", _key("server_version")), ("docker.client", _key("version"))),
    "plugin": (("k8s.device_plugin", _key("version")),),
    "kubelet": (("k8s.kubelet", _key("version")),),
    "vllm": (("python.packages", _key("vllm")),),
    "torch": (("python.packages", _key("torch")),),
    "nccl": (
        ("nccl.library", lambda value: from_nccl(value["version"]) if value and value["version"] > 0 else None),
        ("python.packages", _key("nvidia-nccl-cu13")),
        ("python.packages", _key("nvidia-nccl-cu12")),
    ),
    "ffmpeg": (("codec.ffmpeg", _key("version")),),
    "mesa": (("opengl.mesa", _key("version")),),
    "ollama": (("apps.ollama", _key("version")),),
    "podman": (("podman.binary", _key("version")),),
}


def versions(seen: Seen) -> dict[str, str | None]:
    """Each as the first source that tells it has it; null where all sources were looked at and it is not there.

    What could not be looked at, or is no version, is left out: nobody can say.
    """
    result: dict[str, str | None] = {}
    for name, sources in _SOURCES.items():
        told = list(_told(seen, sources))
        good = next((text for text in told if isinstance(text, str) and parse_version(text)), None)
        if good is not None:
            result[name] = clean(good, 100)
        elif told and all(text is None for text in told):
            result[name] = None
    return result


_UNSEEN = object()


def _told(seen: Seen, sources: Iterable[_Source]) -> Iterable[Any]:
    for observation_id, read in sources:
        try:
            yield read(seen.value(observation_id))
        except NotSeenError:
            yield _UNSEEN


def sources_of_version(name: str) -> tuple[str, ...]:
    """The observations that tell a version, the first one first; none for an unknown name."""
    return tuple(dict.fromkeys(observation_id for observation_id, _ in _SOURCES.get(name, ())))
