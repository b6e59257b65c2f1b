"""The typed settings of the host in context: what a task reads instead of ``host.data``."""

from __future__ import annotations

from pyinfra import host

from wslgpu.errors import DataError
from wslgpu.settings import Settings, exit_on_error, of_data


def host_settings() -> Settings:
    """The host's settings, checked again since ``--data`` and inventories reach past the files.

    A wrong value ends the process with 2 and one line, before any operation has run.
    """
    try:
        return of_data(host.data.dict())  # type: ignore[no-untyped-call]
    except DataError as error:
        exit_on_error(error)
        raise
