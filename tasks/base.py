"""What all else needs: the way out of the network, the data directory, the basic packages."""

from pyinfra.api import deploy

from wslgpu import site_access
from wslgpu.errors import DataError
from wslgpu.host_settings import host_settings
from wslgpu.operations import apt, base_state, manifest, run_lock
from wslgpu.settings import exit_on_error

FILES = (site_access.APT_PROXY, site_access.APT_CREDENTIALS, site_access.PROXY_ENVIRONMENT)


@deploy("Base")
def base() -> None:
    """Proxy and certificate authorities first, since the packages may have to come through them."""
    settings = host_settings()
    try:
        credentials = site_access.read_credentials(settings.proxy_credentials_file if settings.proxy_url else "")
        authorities = site_access.read_authorities(settings.ca_file)
    except DataError as error:
        exit_on_error(error)
        raise
    proxy, direct, data_dir = settings.proxy_url, settings.no_proxy, settings.data_dir

    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="base", settings=settings)
    base_state.data_directory(name="Make the data directory", settings=settings)
    base_state.authorities(name="Trust the site's certificate authorities", certificates=authorities, data_dir=data_dir)
    base_state.text_file(
        name="Show apt the proxy",
        path=site_access.APT_PROXY,
        content=site_access.apt_proxy(proxy, direct) if proxy else "",
        watched=FILES,
    )
    base_state.text_file(
        name="Give apt the proxy's credentials",
        path=site_access.APT_CREDENTIALS,
        content=site_access.apt_credentials(proxy, credentials) if credentials else "",
        mode="600",
        watched=FILES,
    )
    base_state.text_file(
        name="Show downloads and services the proxy",
        path=site_access.PROXY_ENVIRONMENT,
        content=site_access.proxy_environment(proxy, credentials, direct) if proxy else "",
        mode="600",
        watched=FILES,
    )
    base_state.pip_way_out(
        name="Show pip the proxy and the certificate authorities",
        proxy=site_access.proxy_with_credentials(proxy, credentials) if proxy else "",
        certificate=site_access.CA_BUNDLE if authorities else "",
        secret=credentials is not None,
        data_dir=data_dir,
    )
    apt.packages(
        name="Install the packages that all else needs",
        names=tuple(settings.base_packages),
        lock_timeout_s=settings.apt_lock_timeout_s,
        download_timeout_s=settings.download_timeout_s,
    )
    manifest.recorded(name="Record it in the node's manifest", component="base", settings=settings)
