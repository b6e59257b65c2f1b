"""A proxy that lets nobody through without user and password, and remembers who came."""

from __future__ import annotations

import base64
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """A running proxy.

    :param seen: method of each request, and whether it came with the right credentials
    """

    url: str
    seen: list[tuple[str, bool]] = field(default_factory=list)


@contextmanager
def authenticating_proxy(address: str, user: str, password: str) -> Iterator[Proxy]:
    """Serve on a free port of an address of this machine. CONNECT is answered 502: who asked is all that is wanted."""
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    seen: list[tuple[str, bool]] = []

    class Handler(BaseHTTPRequestHandler):
        def _allowed(self) -> bool:
            allowed = self.headers.get("Proxy-Authorization") == wanted
            seen.append((self.command, allowed))
            if not allowed:
                self.send_error(407)
            return allowed

        def do_GET(self) -> None:
            if not self._allowed():
                return
            parts = urlsplit(self.path)
            upstream = http.client.HTTPConnection(parts.netloc, timeout=30)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            accept = {"Accept": kinds} if (kinds := ", ".join(self.headers.get_all("Accept", []))) else {}
            upstream.request(self.command, target, headers={"Host": parts.netloc, **accept})
            answer = upstream.getresponse()
            body = answer.read()
            upstream.close()
            self.send_response(answer.status)
            for name in ("Content-Type", "Docker-Content-Digest"):
                if value := answer.getheader(name):
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_CONNECT(self) -> None:
            if self._allowed():
                self.send_error(502)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Proxy(f"http://{address}:{server.server_port}", seen)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
