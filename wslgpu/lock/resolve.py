"""Everything that the settings name, resolved: packages on a machine of each distribution, all else from here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wslgpu import __version__
from wslgpu.apply.digests import resolve_image
from wslgpu.errors import DataError, UsageError, WslgpuError
from wslgpu.lock import apt
from wslgpu.lock.asked import asked, choices, specifications
from wslgpu.lock.inputs import images_of, inputs_of
from wslgpu.lock.known_bad import refuse_known_bad
from wslgpu.lock.model import Download, Lock, LockedArtifact, LockedDistribution, LockedImage
from wslgpu.lock.node import distribution_of, run_there
from wslgpu.pins import UNRESOLVED
from wslgpu.probe.channels import Target
from wslgpu.project import PROJECT_ROOT
from wslgpu.settings import Settings
from wslgpu.workloads.model import NodeTruth
from wslgpu.workloads.render import names as workloads
from wslgpu.workloads.render import render

KEY_DOWNLOAD = "container-toolkit-key"
"""Name of the toolkit's repository key among the downloads; k3s is ``k3s``, a source is ``source-ID``."""
TIMEOUT_S = 600
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Node:
    """A machine on which packages are resolved, and what its distribution is called."""

    target: Target
    distribution: str


def nodes(targets: Sequence[Target], progress: Progress) -> list[Node]:
    """One machine of each distribution among ``targets``, the first by name.

    :raises WslgpuError: one of them cannot be reached
    """
    found: dict[str, Target] = {}
    for target in sorted(targets, key=lambda one: one.name):
        found.setdefault(distribution_of(target), target)
    for distribution, target in sorted(found.items()):
        progress(f"{distribution}: packages are resolved on {target.name}")
    return [Node(target, distribution) for distribution, target in sorted(found.items())]


def resolve(settings: Settings, machines: Sequence[Node], progress: Progress = lambda _: None) -> Lock:
    """The lock for these settings; nothing is written, and no machine is changed.

    :raises WslgpuError: an archive or registry cannot be reached or trusted, a version is gone, or what results is
        known not to go together
    """
    if not machines:
        raise UsageError("there is no machine to resolve packages on", "", "Name an inventory with a host.")
    distributions: dict[str, LockedDistribution] = {}
    downloads: dict[str, Download] = {}
    for machine in machines:
        progress(f"{machine.distribution}: asking its archives")
        distributions[machine.distribution], downloads[KEY_DOWNLOAD] = _packages(settings, machine)
    images = _images(settings, progress)
    settings = with_digests(settings, {name: image.digest for name, image in images.items()})
    lock = Lock(
        tool_version=__version__,
        profile=settings.profile,
        inputs=inputs_of(settings),
        distributions=distributions,
        images=images,
        artifacts=_artifacts(settings),
        downloads={**downloads, **_downloads(settings)},
        python={"requirements.txt": _sha256((PROJECT_ROOT / "requirements.txt").read_bytes())},
        manifests=_manifests(settings, progress),
    )
    refuse_known_bad(lock)
    return lock


def _packages(settings: Settings, machine: Node) -> tuple[LockedDistribution, Download]:
    names = asked(settings, machine.distribution)
    arguments: tuple[str | int, ...] = (
        settings.container_toolkit_repository_uri,
        settings.container_toolkit_key_url,
        settings.container_toolkit_key_fingerprint,
        settings.download_timeout_s,
        *specifications(settings, names),
    )
    found = apt.parse(run_there(machine.target, "lock_resolve", arguments, TIMEOUT_S))
    if found.distribution != machine.distribution:
        raise UsageError(f"is {found.distribution} by now, not {machine.distribution}", machine.target.name)
    return apt.locked(found, names), apt.key_download(found, settings.container_toolkit_key_url)


def _images(settings: Settings, progress: Progress) -> dict[str, LockedImage]:
    found = {}
    for name, (pin, users) in sorted(images_of(settings).items()):
        digest = pin.digest
        if digest == UNRESOLVED:
            progress(f"asking the registry for {name}")
            digest = resolve_image(pin, settings)
        found[name] = LockedImage(digest=digest, used_by=list(users))
    return found


def with_digests(settings: Settings, digests: dict[str, str]) -> Settings:
    """The settings with these digests (``repository:tag`` -> ``sha256:...``) in the place of unresolved ones."""
    data = settings.as_data()

    def fill(row: dict[str, Any]) -> None:
        name = f"{row['repository']}:{row['tag']}"
        if row["digest"] == UNRESOLVED and name in digests:
            row["digest"] = digests[name]

    for row in data["cuda_images"]:
        fill(row)
    fill(data["device_plugins"][settings.device_plugin_version])
    fill(data["vllm_versions"][settings.vllm_version]["image"])
    return Settings.model_validate(data)


def _artifacts(settings: Settings) -> dict[str, LockedArtifact]:
    found = {}
    for choice in choices(settings):
        record = choice.record
        if record is not None:
            found[choice.artifact] = LockedArtifact(build=record.build, key=record.key, digest=record.digest)
    return found


def _downloads(settings: Settings) -> dict[str, Download]:
    """k3s where nodes get it, and the sources of the chosen builds."""
    found = {}
    if settings.kubernetes_role == "k3s":
        pin = settings.k3s
        found["k3s"] = Download(url=pin.url, sha256=pin.sha256, size_bytes=pin.size_bytes)
    for build in (settings.mesa_dozen_build, settings.ffmpeg_build):
        for name in settings.builds[build].sources.values():
            source = settings.build_sources[name]
            if source.sha256 == UNRESOLVED:
                continue
            url = source.urls[0] if source.urls else ""
            if not url and source.debian:
                url = f"debian:{source.debian.release}/{source.debian.package}/{source.file}"
            if not url and source.python:
                url = f"python:{source.python.package}/{source.file}"
            found[f"source-{name}"] = Download(url=url, sha256=source.sha256, size_bytes=source.size_bytes)
    return found


def _manifests(settings: Settings, progress: Progress) -> dict[str, str]:
    """Of the workloads that these settings allow: sha256 over names and texts of what is rendered for Kubernetes."""
    found = {}
    for name in workloads():
        try:
            files = render(name, settings, NodeTruth()).files
        except (DataError, UsageError) as error:
            progress(f"workload {name} is not in the lock: {error.what}")
            continue
        except WslgpuError as error:
            raise WslgpuError(error.what, f"workload {name}", error.next_step, error.error_class) from error
        found[name] = _sha256("".join(f"{path}\0{text}\0" for path, text in sorted(files.items())).encode())
    return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
