"""Small locks, and what a machine's archives say, for the tests of locks."""

from __future__ import annotations

from typing import Any

from wslgpu.lock.inputs import images_of, inputs_of
from wslgpu.lock.model import Index, Lock, LockedDistribution, LockedImage, LockedPackage
from wslgpu.pins import UNRESOLVED
from wslgpu.settings import Settings

DEBIAN = Index(
    uri="http://archive.invalid/debian/",
    suite="trixie",
    date="2026-03-01T10:00:00Z",
    sha256="1" * 64,
    signed_by=["A" * 40],
    snapshot="https://snapshot.debian.org/archive/debian/20260301T160000Z/",
)
TOOLKIT = Index(uri="http://toolkit.invalid/deb/", suite="/", date="2026-03-02T10:00:00Z", sha256="2" * 64)


def package(version: str, *depends: str, index: int = 0, **fields: Any) -> LockedPackage:
    """A package whose hash follows from nothing but its version."""
    digest = format(sum(version.encode()) % 251, "02x") * 32
    return LockedPackage(
        version=version, sha256=digest, size_bytes=1000, file="./x.deb", index=index, depends=list(depends), **fields
    )


def packages(**versions: str) -> dict[str, LockedPackage]:
    """containerd with runc, the toolkit with its part, curl, and libc of the minimal system."""
    at = {"containerd": "1.7.24", "runc": "1.1.15", "toolkit": "1.20.0-1", "curl": "8.14", "libc6": "2.41", **versions}
    return {
        "containerd": package(at["containerd"], "libc6", "runc", components=["containerd"]),
        "curl": package(at["curl"], "libc6", components=["base"]),
        "libc6": package(at["libc6"], base=True),
        "nvidia-container-toolkit": package(
            at["toolkit"], "nvidia-container-toolkit-base", index=1, components=["container_toolkit"]
        ),
        "nvidia-container-toolkit-base": package(at["toolkit"], "libc6", index=1, components=["container_toolkit"]),
        "runc": package(at["runc"], "libc6"),
    }


def distribution(**versions: str) -> LockedDistribution:
    return LockedDistribution(indexes=[DEBIAN, TOOLKIT], packages=packages(**versions))


def lock(settings: Settings, **versions: str) -> Lock:
    """A lock that these settings agree with."""
    images = {
        name: LockedImage(digest=pin.digest if pin.digest != UNRESOLVED else f"sha256:{'9' * 64}", used_by=list(users))
        for name, (pin, users) in images_of(settings).items()
    }
    return Lock(
        tool_version="0.1.0",
        profile=settings.profile,
        inputs=inputs_of(settings),
        distributions={"debian 13": distribution(**versions)},
        images=images,
    )
