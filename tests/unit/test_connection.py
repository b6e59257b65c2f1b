"""The socket options reach the connections that paramiko opens."""

from __future__ import annotations

import socket

import paramiko

from wslgpu.connection import LOST_AFTER_S, tune_connections


def test_a_transport_sends_at_once_and_notices_a_dead_peer() -> None:
    tune_connections()
    tune_connections()
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        transport = paramiko.Transport(client)
        try:
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == LOST_AFTER_S * 1000
        finally:
            transport.close()
            client.close()
