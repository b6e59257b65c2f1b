"""Asking a running containerd over its socket: frames, fields, and servers that answer wrongly."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wslgpu.kubernetes.node import cri_status
from wslgpu.kubernetes.node.cri_status import ask, fields, frame, info, summary, varint

CONFIG = {
    "containerd": {
        "defaultRuntimeName": "runc",
        "runtimes": {
            "nvidia": {"runtimeType": "io.containerd.runc.v2", "options": {"BinaryName": "/usr/bin/x"}},
            "runc": {"runtimeType": "io.containerd.runc.v2", "options": {}},
        },
    },
    "enableCDI": True,
}
"""In the words of containerd 1.7.24's answer, as a lab node gave it, cut to what is read."""


def field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + length(value) + value


def length(value: bytes) -> bytes:
    size, out = len(value), b""
    while size > 0x7F:
        out, size = out + bytes([size & 0x7F | 0x80]), size >> 7
    return out + bytes([size])


def response(config: Any) -> bytes:
    """A StatusResponse: conditions, and the map ``info``."""
    entry = field(1, b"config") + field(2, json.dumps(config).encode())
    return field(1, b"") + field(2, field(1, b"golang") + field(2, b'"go1.24"')) + field(2, entry)


def as_frames(message: bytes, piece: int = 1 << 14) -> bytes:
    body = b"\0" + struct.pack(">I", len(message)) + message
    data = b"".join(frame(0, 0, 1, body[at : at + piece]) for at in range(0, len(body), piece))
    settings, ping, headers = frame(4, 0, 0, b""), frame(6, 0, 0, b"12345678"), frame(1, 4, 1, b"\x88")
    return settings + headers + ping + data + frame(1, 5, 1, b"")


@contextmanager
def serving(folder: Path, reply: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a little, answers with ``reply`` and closes; gives its path and what it was sent."""
    path = str(folder / "containerd.sock")
    seen: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                seen.append(connection.recv(1 << 16))
                connection.sendall(reply)
                connection.shutdown(socket.SHUT_WR)
                while more := connection.recv(1 << 16):
                    seen.append(more)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path, seen
        thread.join(10)


def test_the_configuration_comes_back_whole(tmp_path: Path) -> None:
    large = {**CONFIG, "padding": "x" * 200_000}
    with serving(tmp_path, as_frames(response(large))) as (path, seen):
        assert info(ask(path)) == large
    sent = b"".join(seen)
    assert sent.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"/runtime.v1.RuntimeService/Status" in sent
    assert frame(6, 1, 0, b"12345678") in sent, "a ping is answered"
    assert frame(4, 1, 0, b"") in sent, "settings are acknowledged"


def test_what_matters_of_it() -> None:
    assert summary(CONFIG) == {"handlers": {"nvidia": "/usr/bin/x", "runc": ""}, "default": "runc", "cdi": True}
    assert summary({}) == {"handlers": {}, "default": "", "cdi": None}
    assert summary({"containerd": {"runtimes": {"runc": None}}})["handlers"] == {"runc": ""}


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        frame(4, 0, 0, b"") + frame(1, 5, 1, b"\x88"),
        frame(7, 0, 0, b"12345678"),
        frame(3, 0, 1, b"1234"),
        frame(0, 1, 1, b"\1\0\0\0\1x"),
        frame(0, 1, 1, b"\0\0\0\0\x09x"),
    ],
)
def test_a_server_that_answers_otherwise_is_a_reason(tmp_path: Path, reply: bytes) -> None:
    with serving(tmp_path, reply) as (path, _), pytest.raises((ValueError, OSError)):
        ask(path)


@pytest.mark.parametrize("message", [b"\x12", b"\x12\x7f", b"\x13", b"\xff" * 12, field(2, field(1, b"other"))])
def test_a_message_that_is_none(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        info(message)


def test_numbers_and_fields() -> None:
    assert varint(b"\xac\x02", 0) == (300, 2)
    assert fields(b"\x08\x01" + field(2, b"a") + b"\x1d\0\0\0\0" + b"\x21" + b"\0" * 8) == [(2, b"a")]


def test_on_a_machine_without_containerd_it_says_so(tmp_path: Path) -> None:
    program = Path(cri_status.__file__).read_text().replace("/run/", f"{tmp_path}/")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-"], input=program, capture_output=True, text=True, timeout=30, check=True
    )
    assert "no containerd socket" in json.loads(done.stdout)["reason"]
