"""What an operation has to tell people that is no change and no failure.

It goes through pyinfra's log, marked as ours: ``record.wslgpu_note`` holds the plain text and ``record.wslgpu_host``
the host's name, so that a program which keeps pyinfra's own lines quiet can still show these.
"""

from __future__ import annotations

import logging

from pyinfra import host, logger


def tell(text: str, *, warning: bool = False) -> None:
    """Show one line for the host in context, while operations are executed; nothing before that."""
    if host.state.is_executing:
        logger.log(
            logging.WARNING if warning else logging.INFO,
            f"{host.print_prefix}{text}",
            extra={"wslgpu_note": text, "wslgpu_host": host.name},
        )


def tell_planned(text: str) -> None:
    """Show one line for the host in context while operations are only being worked out: for dry runs."""
    if not host.state.is_executing:
        logger.info(f"{host.print_prefix}{text}", extra={"wslgpu_note": text, "wslgpu_host": host.name})


def would_refuse(error_class: str, what: str, next_step: str) -> None:
    """Note, while operations are only being worked out, that this host would be refused: what a dry run ends with.

    :param error_class: as node scripts print it, e.g. ``platform`` or ``network retryable``
    """
    if not host.state.is_executing:
        logger.warning(
            f"{host.print_prefix}stands in the way: {what}",
            extra={"wslgpu_refusal": f"wslgpu [{error_class}]: {what} -- {next_step}", "wslgpu_host": host.name},
        )
