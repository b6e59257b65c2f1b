"""The lab's HTTP server: serves the package repository, stands before the registry, and misbehaves on request.

A process of its own: ``python -m wslgpu.lab.server --directory LAB --address A --port P --registry HOST:PORT``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wslgpu.lab import faults
from wslgpu.lab.faults import Fault

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
CHUNK = 64 * 1024


@dataclass
class Answer:
    """A whole answer, before faults are applied to it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class LabServer(ThreadingHTTPServer):
    """Serves one lab."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], directory: Path, registry: str) -> None:
        self.directory = directory
        self.registry = registry
        self.lock = threading.Lock()
        self.used: dict[tuple[str, Fault], int] = {}
        super().__init__(address, Handler)

    def fault_for(self, path: str) -> Fault | None:
        """The fault that applies to this request; one with ``times`` is used up."""
        current = faults.read(self.directory)
        prefix = faults.match(current, path)
        if prefix is None:
            return None
        fault = current[prefix]
        with self.lock:
            count = self.used[prefix, fault] = self.used.get((prefix, fault), 0) + 1
        return None if fault.times is not None and count > fault.times else fault

    def log(self, method: str, path: str, status: int) -> None:
        line = json.dumps({"time": time.time(), "method": method, "path": path, "status": status}) + "\n"
        with self.lock, (self.directory / "requests.jsonl").open("a") as handle:
            handle.write(line)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: LabServer

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to stderr; requests.jsonl has each request."""

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        fault = self.server.fault_for(path) or Fault()
        if fault.delay_s:
            time.sleep(fault.delay_s)
        if fault.drop:
            self.close_connection = True
            self.server.log(self.command, path, 0)
            return
        if fault.status is not None:
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            answer = Answer(fault.status, headers)
        elif path.startswith("/v2/") or path == "/v2":
            answer = self._from_registry()
        else:
            answer = self._from_files(path)
        self.server.log(self.command, path, answer.status)
        self._send(answer, fault)

    def _from_files(self, path: str) -> Answer:
        root = (self.server.directory / "www").resolve()
        file = (root / path.lstrip("/")).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            return Answer(HTTPStatus.NOT_FOUND)
        # no Last-Modified and no 304: it counts seconds, and tests publish twice in one
        return Answer(HTTPStatus.OK, {"Content-Type": "application/octet-stream"}, file.read_bytes())

    def _from_registry(self) -> Answer:
        connection = http.client.HTTPConnection(self.server.registry, timeout=60)
        try:
            headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
            connection.request(self.command, self.path, headers=headers)
            response = connection.getresponse()
            kept = {key: value for key, value in response.getheaders() if key.lower() not in HOP_BY_HOP}
            length = response.getheader("Content-Length")
            if self.command == "HEAD" and length:
                kept["Content-Length"] = length
            return Answer(response.status, kept, response.read())
        except OSError:
            return Answer(HTTPStatus.BAD_GATEWAY)
        finally:
            connection.close()

    def _send(self, answer: Answer, fault: Fault) -> None:
        body = answer.body
        if fault.flip_byte and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :]
        self.send_response(answer.status)
        for key, value in answer.headers.items():
            self.send_header(key, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault.truncate_at is not None:
            body = body[: int(len(body) * fault.truncate_at)]
            self.close_connection = True
        step = min(CHUNK, max(1, fault.bytes_per_s // 10)) if fault.bytes_per_s else CHUNK
        try:
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                if fault.bytes_per_s:
                    self.wfile.flush()
                    time.sleep(step / fault.bytes_per_s)
        except OSError:
            self.close_connection = True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--registry", required=True)
    given = parser.parse_args()
    LabServer((given.address, given.port), given.directory, given.registry).serve_forever()


if __name__ == "__main__":
    main()
