"""The NVIDIA Container Toolkit: repository, packages, containerd's nvidia runtime, CDI spec."""

from pyinfra.api import deploy

from wslgpu import apt_preferences, package_names
from wslgpu.host_settings import host_settings
from wslgpu.manifest.claims import KEYRING
from wslgpu.operations import apt, apt_repository, containerd, file_state, manifest, nvidia_ctk, run_lock

PACKAGES = package_names.TOOLKIT


@deploy("NVIDIA Container Toolkit")
def container_toolkit() -> None:
    """The packages' versions go together, and the CDI spec comes last, since it needs them."""
    settings = host_settings()
    versions = tuple((name, settings.container_toolkit_version) for name in PACKAGES)

    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="container_toolkit", settings=settings)
    apt_repository.flat(
        name="Let apt know NVIDIA's repository by its key",
        uri=settings.container_toolkit_repository_uri,
        key_url=settings.container_toolkit_key_url,
        fingerprint=settings.container_toolkit_key_fingerprint,
        keyring=KEYRING,
        sources=apt_repository.TOOLKIT_SOURCES,
        download_timeout_s=settings.download_timeout_s,
    )
    apt.packages(
        name="Install and hold the toolkit's four packages",
        names=PACKAGES,
        versions=versions,
        hold=True,
        allow_downgrade=settings.allow_downgrade,
        lock_timeout_s=settings.apt_lock_timeout_s,
        download_timeout_s=settings.download_timeout_s,
    )
    # after the packages: it would let any apt upgrade downgrade what the line above refuses to
    file_state.put(
        name="Pin the toolkit's version for apt",
        path=apt_preferences.CONTAINER_TOOLKIT,
        content=apt_preferences.pin_text(versions),
    )
    nvidia_ctk.runtime_mode(name="Set the nvidia runtime's mode", mode=settings.container_toolkit_runtime_mode)
    containerd.configured(
        name="Give containerd the nvidia runtime",
        systemd_cgroup=settings.containerd_systemd_cgroup,
        default_runtime=settings.container_toolkit_default_runtime,
        nvidia="required",
    )
    nvidia_ctk.cdi_spec(name="Keep the CDI spec in step with the driver", owner=settings.toolkit.cdi_spec_owner)
    manifest.recorded(name="Record it in the node's manifest", component="container_toolkit", settings=settings)
