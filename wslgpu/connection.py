"""The control connection: its socket options, and how its end is told."""

from __future__ import annotations

import socket
from typing import Any

from paramiko import SSHClient, SSHException, Transport

LOST_AFTER_S = 30
"""A peer that acknowledges nothing for this long is taken for gone; TCP alone would wait for a quarter of an hour."""

_marker = "_wslgpu_socket_options"


def tune_connections() -> None:
    """Set the options on every ssh connection that paramiko opens from now on. Calling it again changes nothing.

    paramiko leaves Nagle's algorithm on: with the peer's delayed acknowledgement every command then waits about
    40 ms for nothing. And it never finds out that a node was shut down while a command runs there. Where a
    connection ends before a command is sent it raises EOFError, for which pyinfra ends the run on all hosts;
    SSHException fails this one.
    """
    if getattr(Transport, _marker, False):
        return
    original = Transport.__init__

    def initialise(self: Transport, sock: Any, *args: Any, **kwargs: Any) -> None:
        original(self, sock, *args, **kwargs)
        if isinstance(self.sock, socket.socket) and self.sock.family in (socket.AF_INET, socket.AF_INET6):
            tune(self.sock)

    send_command = SSHClient.exec_command

    def exec_command(self: SSHClient, *args: Any, **kwargs: Any) -> Any:
        try:
            return send_command(self, *args, **kwargs)
        except EOFError as error:
            raise SSHException("the connection has ended") from error

    Transport.__init__ = initialise  # type: ignore[method-assign]
    SSHClient.exec_command = exec_command  # type: ignore[method-assign]
    setattr(Transport, _marker, True)


def tune(connection: socket.socket) -> None:
    """Send at once, and notice within LOST_AFTER_S that the peer is gone."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, LOST_AFTER_S // 3)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, LOST_AFTER_S // 6)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_AFTER_S * 1000)
