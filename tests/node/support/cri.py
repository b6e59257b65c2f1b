"""What the running containerd says of its own configuration, over CRI.

``containerd config dump`` reads the files again; only the running process knows what it runs with. CRI's
``Status`` call with ``verbose`` answers with it. The nodes have no crictl, so curl makes the one gRPC call (HTTP/2
without TLS over the unix socket; the request is ``StatusRequest{verbose: true}``), and the answer's protobuf is read
here. Source: kubernetes/cri-api pkg/apis/runtime/v1/api.proto: StatusResponse {1: status, 2: map<string,string> info}.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.node.support.node import Node

SOCKET = "/run/containerd/containerd.sock"

_STATUS = r"""
printf '\000\000\000\000\002\010\001' |
curl -sS -m 10 --http2-prior-knowledge --unix-socket "$1" -H 'content-type: application/grpc' -H 'te: trailers' \
  --data-binary @- http://localhost/runtime.v1.RuntimeService/Status | base64 -w 0
"""


class NotProtobufError(ValueError):
    """Bytes that are no message."""


@dataclass(frozen=True)
class CriStatus:
    """The running CRI plugin.

    :param config: its configuration, in containerd's own JSON names
    :param ready: the condition RuntimeReady
    """

    config: dict[str, Any]
    ready: bool

    @property
    def engine(self) -> dict[str, Any]:
        """The ``containerd`` section: runtimes and default runtime."""
        found = self.config.get("containerd")
        return found if isinstance(found, dict) else {}

    @property
    def default_runtime(self) -> str:
        return str(self.engine.get("defaultRuntimeName", ""))

    def runtime(self, name: str) -> dict[str, Any] | None:
        """One runtime's table, or None."""
        found = (self.engine.get("runtimes") or {}).get(name)
        return found if isinstance(found, dict) else None

    def runtime_option(self, name: str, option: str) -> Any:
        return ((self.runtime(name) or {}).get("options") or {}).get(option)


def status(node: Node) -> CriStatus:
    """Ask the running containerd; an AssertionError when its CRI plugin does not answer."""
    answer = node.shell(_STATUS, SOCKET)
    assert answer.said, f"the running containerd's CRI does not answer: {answer}"
    return parse_status(base64.b64decode(answer.out.strip()))


def parse_status(frame: bytes) -> CriStatus:
    """Read a gRPC frame with a StatusResponse in it.

    :raises NotProtobufError: it is not one
    """
    if len(frame) < 5 or frame[0] != 0 or int.from_bytes(frame[1:5], "big") != len(frame) - 5:
        raise NotProtobufError("not one uncompressed gRPC frame")
    info: dict[str, str] = {}
    ready = False
    for number, value in fields(frame[5:]):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            ready = _runtime_ready(value)
        elif number == 2:
            entry = {key: text for key, text in fields(value) if isinstance(text, bytes)}
            info[entry.get(1, b"").decode()] = entry.get(2, b"").decode(errors="replace")
    if "config" not in info:
        raise NotProtobufError("the answer holds no configuration")
    return CriStatus(json.loads(info["config"]), ready)


def _runtime_ready(runtime_status: bytes) -> bool:
    for _, condition in fields(runtime_status):
        if isinstance(condition, bytes):
            values = dict(fields(condition))
            if values.get(1) == b"RuntimeReady":
                return values.get(2) == 1
    return False


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message, in order: number and value (an int, or the bytes of anything longer).

    :raises NotProtobufError: the bytes end in the middle of a field
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise NotProtobufError(f"field {number} is of kind {kind}")
        if at + length > len(message):
            raise NotProtobufError(f"field {number} is cut off")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return result, at
        shift += 7
        if shift > 63:
            break
    raise NotProtobufError("a number is cut off")
