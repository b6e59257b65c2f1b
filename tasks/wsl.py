"""/etc/wsl.conf, and .wslconfig for the Windows side."""

from pyinfra.api import deploy

from wslgpu.host_settings import host_settings
from wslgpu.operations import manifest, run_lock, wsl_files


@deploy("WSL")
def wsl() -> None:
    """Keep our keys in wsl.conf, render .wslconfig, and say what waits for a restart of the distro or of WSL."""
    settings = host_settings()
    run_lock.hold(name="Hold the node's lock")
    manifest.begun(name="Note what is there before it", component="wsl", settings=settings)
    wanted, data_dir, user = settings.wslconfig, settings.data_dir, settings.wslconfig_windows_user
    wsl_files.conf(name="Set our keys in /etc/wsl.conf", wanted=settings.wsl_conf, data_dir=data_dir)
    wsl_files.rendered(name="Render .wslconfig", wanted=wanted, data_dir=data_dir, windows_user=user)
    if settings.wslconfig_write and wanted:
        wsl_files.windows_side(
            name="Set our keys in .wslconfig on the Windows drive", wanted=wanted, data_dir=data_dir, windows_user=user
        )
    wsl_files.report(
        name="Say what is wrong in both files and what waits for a restart",
        wanted=wanted,
        data_dir=data_dir,
        windows_user=user,
    )
    manifest.recorded(name="Record it in the node's manifest", component="wsl", settings=settings)
