"""containerd: package, mirrors, proxy, configuration, service."""

from pyinfra.api import deploy

from wslgpu import registry_hosts, site_access
from wslgpu.errors import DataError
from wslgpu.host_settings import host_settings
from wslgpu.manifest.claims import PROXY_DROP_IN
from wslgpu.operations import base_state, manifest, run_lock
from wslgpu.operations import containerd as containerd_operations
from wslgpu.settings import exit_on_error
from wslgpu.templates import render


@deploy("containerd")
def containerd() -> None:
    """Everything that containerd reads comes before the one operation that restarts it, if any of it changed."""
    settings = host_settings()
    try:
        files = registry_hosts.files(settings.containerd_mirrors)
    except DataError as error:
        exit_on_error(error)
        raise
    default_runtime = settings.container_toolkit_default_runtime

    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="containerd", settings=settings)
    containerd_operations.installed(
        name="Install containerd",
        package=settings.containerd_package,
        version=settings.containerd_version,
        allow_downgrade=settings.allow_downgrade,
        lock_timeout_s=settings.apt_lock_timeout_s,
        download_timeout_s=settings.download_timeout_s,
    )
    containerd_operations.registry_hosts(
        name="Name the registries' mirrors", files=files, default_runtime=default_runtime
    )
    base_state.text_file(
        name="Show containerd the proxy",
        path=PROXY_DROP_IN,
        content=render(PROXY_DROP_IN, environment_file=site_access.PROXY_ENVIRONMENT) if settings.proxy_url else "",
    )
    containerd_operations.configured(
        name="Configure containerd and keep it running",
        systemd_cgroup=settings.containerd_systemd_cgroup,
        default_runtime=default_runtime,
    )
    manifest.recorded(name="Record it in the node's manifest", component="containerd", settings=settings)
