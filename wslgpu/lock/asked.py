"""Which packages the tasks ask for by name, and on behalf of which component: what the lock closes over."""

from __future__ import annotations

from wslgpu import package_names
from wslgpu.artifact_choice import ARTIFACTS, Choice, choose
from wslgpu.build import targets
from wslgpu.build.record import Requirements
from wslgpu.settings import Settings
from wslgpu.workloads.vllm_node import PODMAN_PACKAGES


def choices(settings: Settings) -> list[Choice]:
    """The artifacts that nodes get from this machine's store, those that it has.

    :raises DataError: the store cannot be read
    """
    return [choice for name in ARTIFACTS if (choice := choose(settings, name)).record is not None]


def asked(settings: Settings, distribution: str) -> dict[str, tuple[str, ...]]:
    """Package -> the components that ask for it, on a node of ``distribution`` (``debian 13``).

    :raises DataError: an artifact links what the distribution is not known to have
    """
    rows: list[tuple[str, str]] = [("base", name) for name in settings.base_packages]
    rows.append(("containerd", containerd_package(settings)))
    rows += [("container_toolkit", name) for name in package_names.TOOLKIT]
    for choice in choices(settings):
        component = choice.artifact.replace("-", "_")
        if choice.record is not None and choice.record.requirements.sonames:
            wanted = Requirements(sonames=choice.record.requirements.sonames)
            rows += [(component, name) for name in targets.packages_for(wanted, distribution)]
        if component == "mesa_dozen":
            rows += [(component, name) for name in package_names.VULKAN]
    if settings.kubernetes_role == "k3s":
        rows += [("kubernetes", name) for name in package_names.K3S]
    if settings.vllm_install == "quadlet":
        rows += [("vllm", name) for name in PODMAN_PACKAGES]
    found: dict[str, tuple[str, ...]] = {}
    for component, name in rows:
        found[name] = tuple(sorted({component, *found.get(name, ())}))
    return found


def askable(settings: Settings) -> frozenset[str]:
    """Every package that a task may ask for by name, whatever the data choose and the store has."""
    table = targets.known_targets()
    libraries = {library.package for library in table.libraries.values()}
    renamed = {name for target in table.targets.values() for name in target.renamed.values()}
    ours = (
        *package_names.CONTAINERD,
        *package_names.TOOLKIT,
        *package_names.VULKAN,
        *package_names.K3S,
        *PODMAN_PACKAGES,
    )
    return frozenset({*settings.base_packages, containerd_package(settings), *ours, *libraries, *renamed})


def containerd_package(settings: Settings) -> str:
    """The package that a node without containerd gets."""
    return "containerd" if settings.containerd_package == "auto" else settings.containerd_package


def specifications(settings: Settings, names: dict[str, tuple[str, ...]]) -> list[str]:
    """As apt takes them: ``NAME=VERSION`` where the data name one."""
    versions = dict.fromkeys(package_names.TOOLKIT, settings.container_toolkit_version)
    if settings.containerd_version:
        versions[containerd_package(settings)] = settings.containerd_version
    return [f"{name}={versions[name]}" if name in versions else name for name in sorted(names)]
