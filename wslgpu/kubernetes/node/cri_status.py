"""Asks the running containerd which runtimes it has. Runs on the node under python3's standard library alone.

``crictl info`` shows the same and is not a package of Debian: CRI's Status with ``verbose`` answers with the
configuration that the daemon runs with, which a file that changed since need not be. gRPC is HTTP/2 with one message:
a request is three frames, and of the answer only the data is read.

Sources: kubernetes/cri-api (runtime/v1/api.proto: StatusRequest, StatusResponse), RFC 9113 (frames), RFC 7541 (a
literal header field without indexing), grpc/grpc (doc/PROTOCOL-HTTP2.md).
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from typing import Any

SOCKETS = ("/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock")
PATH = "/runtime.v1.RuntimeService/Status"
LIMIT_BYTES = 4 << 20
TIMEOUT_S = 5.0
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS, _PADDED = 1, 1, 4, 8


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(fields: list[tuple[str, str]]) -> bytes:
    """Header fields as literals without indexing; names and values shorter than 127 bytes."""
    block = b""
    for name, value in fields:
        block += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return block


def request() -> bytes:
    """All that is sent for one call of Status with ``verbose`` (field 1) set."""
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", PATH),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    message = b"\x08\x01"
    window = struct.pack(">HI", 4, LIMIT_BYTES)
    return (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        + frame(_SETTINGS, 0, 0, window)
        + frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", LIMIT_BYTES))
        + frame(_HEADERS, _END_HEADERS, 1, header_block(fields))
        + frame(_DATA, _END_STREAM, 1, b"\0" + struct.pack(">I", len(message)) + message)
    )


def ask(path: str) -> bytes:
    """The StatusResponse that a socket's server gives.

    :raises OSError: nobody listens, or not in time
    :raises ValueError: the answer is none
    """
    deadline = time.monotonic() + TIMEOUT_S
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(path)
        connection.sendall(request())
        data, buffer = b"", b""
        while time.monotonic() < deadline and len(data) <= LIMIT_BYTES:
            while len(buffer) >= 9:
                size = int.from_bytes(buffer[:3], "big")
                if len(buffer) < 9 + size:
                    break
                kind, flags, stream = buffer[3], buffer[4], int.from_bytes(buffer[5:9], "big") & 0x7FFFFFFF
                payload, buffer = buffer[9 : 9 + size], buffer[9 + size :]
                if kind == _DATA and stream == 1:
                    data += payload[1 : len(payload) - payload[0]] if flags & _PADDED else payload
                elif kind == _SETTINGS and not flags & _ACK:
                    connection.sendall(frame(_SETTINGS, _ACK, 0, b""))
                elif kind == _PING and not flags & _ACK:
                    connection.sendall(frame(_PING, _ACK, 0, payload))
                ended = kind in (_DATA, _HEADERS) and stream == 1 and flags & _END_STREAM
                if ended or kind in (_RST_STREAM, _GOAWAY):
                    return message(data)
            more = connection.recv(1 << 16)
            if not more:
                break
            buffer += more
    raise ValueError("it closed the connection, or did not answer in time")


def message(data: bytes) -> bytes:
    """The message behind gRPC's five bytes.

    :raises ValueError: there is none: the call failed
    """
    if len(data) < 5 or data[0] != 0 or len(data) - 5 < int.from_bytes(data[1:5], "big"):
        raise ValueError("it did not answer the call: CRI is disabled in it, or older than containerd 1.6")
    return data[5 : 5 + int.from_bytes(data[1:5], "big")]


def fields(data: bytes) -> list[tuple[int, bytes]]:
    """The length-delimited fields of a protobuf message, by number.

    :raises ValueError: it is none
    """
    found: list[tuple[int, bytes]] = []
    position = 0
    while position < len(data):
        key, position = varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == 2:
            size, position = varint(data, position)
            if position + size > len(data):
                raise ValueError("a field is longer than its message")
            found.append((number, data[position : position + size]))
            position += size
        elif wire == 0:
            _, position = varint(data, position)
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire}")
    return found


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A number and the position after it."""
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a number does not end")


def info(response: bytes) -> dict[str, Any]:
    """``info["config"]`` of a StatusResponse (field 2 is a map of texts), as JSON."""
    for number, entry in fields(response):
        if number == 2:
            pair = dict(fields(entry))
            if pair.get(1) == b"config":
                value = json.loads(pair.get(2, b"{}").decode("utf-8", "replace"))
                return value if isinstance(value, dict) else {}
    raise ValueError("its status holds no configuration")


def summary(config: dict[str, Any]) -> dict[str, Any]:
    """What matters here of the CRI plugin's configuration, in the words of containerd's own JSON (1.6 to 2.x)."""
    engine = config.get("containerd") or {}
    runtimes = engine.get("runtimes") or {}
    handlers = {}
    for name, runtime in runtimes.items():
        options = (runtime or {}).get("options") or {}
        handlers[str(name)] = str(options.get("BinaryName") or "")
    cdi = config.get("enableCDI")
    return {
        "handlers": handlers,
        "default": str(engine.get("defaultRuntimeName") or ""),
        "cdi": cdi if isinstance(cdi, bool) else None,
    }


def main() -> int:
    """Print one JSON object: ``socket`` with the summary, or ``reason``."""
    reasons = []
    for path in SOCKETS:
        if not os.path.lexists(path):
            continue
        try:
            print(json.dumps({"socket": path, **summary(info(ask(path)))}))
        except (OSError, ValueError) as error:
            reasons.append(f"{path}: {error}")
        else:
            return 0
    print(json.dumps({"reason": "; ".join(reasons) or "there is no containerd socket in /run"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
