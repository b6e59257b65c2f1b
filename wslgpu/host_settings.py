"""The typed settings of the host in context: what a task reads instead of ``host.data``."""

from __future__ import annotations

import os

from pyinfra import host

from wslgpu.errors import DataError
from wslgpu.lock.force import check_host
from wslgpu.settings import Settings, exit_on_error, of_data


def host_settings() -> Settings:
    """The host's settings, checked again since ``--data`` and inventories reach past the files.

    A wrong value ends the process with 2 and one line, before any operation has run.
    """
    try:
        settings = of_data(host.data.dict())  # type: ignore[no-untyped-call]
        check_host(settings)
    except DataError as error:
        exit_on_error(error)
        raise
    return settings


def needs_sudo() -> bool:
    """Whether commands on the host in context need sudo: not where they run as root, and sudo may not even be there."""
    if host.name == "@local":
        return os.geteuid() != 0
    return bool(host.data.get("ssh_user", "") != "root")
