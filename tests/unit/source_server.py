"""The lab's misbehaving server on loopback, with what real download servers do besides: ranges and redirects."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wslgpu.build.download import Limits
from wslgpu.build.pins import SourcePin
from wslgpu.lab.faults import Faults
from wslgpu.lab.server import Answer, Handler, LabServer

CONTENT = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(10_000))  # 320 kB
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = "0" * 64


class _Server(LabServer):
    ranges = True
    redirects: dict[str, str] = {}

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), folder, "")
        self.RequestHandlerClass = _Handler
        self.asked: list[dict[str, str]] = []


class _Handler(Handler):
    server: _Server

    def do_GET(self) -> None:  # noqa: N802  http.server's name
        if not self.path.startswith("/lengthless/"):
            super().do_GET()
            return
        body = super()._from_files(self.path.removeprefix("/lengthless")).body
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def _from_files(self, path: str) -> Answer:
        self.server.asked.append({"path": self.path, **{key.lower(): value for key, value in self.headers.items()}})
        if path in self.server.redirects:
            return Answer(302, {"Location": self.server.redirects[path]})
        answer = super()._from_files(path)
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if answer.status != 200 or match is None or not self.server.ranges:
            return answer
        start, size = int(match[1]), len(answer.body)
        if start >= size:
            return Answer(416, {"Content-Range": f"bytes */{size}"})
        return Answer(206, {"Content-Range": f"bytes {start}-{size - 1}/{size}"}, answer.body[start:])


class Source:
    """A server of files, and what it was asked."""

    def __init__(self, server: _Server, scheme: str = "http") -> None:
        self.server = server
        self.folder = server.directory / "www"
        self.faults = Faults(server.directory)
        self.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"

    def put(self, name: str = "thing-1.0.tar.xz", content: bytes = CONTENT) -> str:
        """Serve a file; its address."""
        (self.folder / name).write_bytes(content)
        return f"{self.url}/{name}"

    @property
    def ranges(self) -> list[str]:
        """The Range header of each request for a file, in order; empty for a whole one."""
        return [request.get("range", "") for request in self.server.asked]


@contextmanager
def serving(folder: Path, *, tls: tuple[Path, Path] | None = None) -> Iterator[Source]:
    """A server for one test.

    :param tls: certificate and key
    """
    (folder / "www").mkdir(parents=True)
    server = _Server(folder)
    if tls:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Source(server, "https" if tls else "http")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody trusts, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "cert.pem", folder / "key.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test".split()
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run([*words, *names], check=True, capture_output=True)
    return files


def pin(*urls: str, **changes: Any) -> SourcePin:
    """A row for CONTENT."""
    row: dict[str, Any] = {
        "name": "Thing",
        "version": "1.0",
        "file": "thing-1.0.tar.xz",
        "urls": list(urls) or ["http://127.0.0.1:1/thing-1.0.tar.xz"],
        "sha256": DIGEST,
        "size_bytes": len(CONTENT),
        "licence": "MIT",
        "checked_against": "this test",
    }
    return SourcePin.model_validate({**row, **changes})


class Waits:
    """Limits that take no time, and the waits that were asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.limits = Limits(
            connect_timeout_s=2,
            answer_timeout_s=2,
            slow_bytes_per_s=1000,
            slow_window_s=0.2,
            sleep=self.asked.append,
        )


def as_row(source: SourcePin) -> str:
    """For another process."""
    return json.dumps(source.model_dump(mode="json"))
