"""What an index or a manifest names, and how a registry is asked for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.unit.bundle_samples import ImageContent
from wslgpu.build.access import Access
from wslgpu.bundle.contents import repository_of
from wslgpu.bundle.images import Blob, ImageSource, children, walk
from wslgpu.errors import WslgpuError
from wslgpu.registry import RegistryError, pull_header
from wslgpu.settings import Mirror


def test_an_image_from_the_top_down() -> None:
    image = ImageContent()
    blobs = list(walk(image.digest, image.blobs.__getitem__, "x"))
    assert [blob.digest for blob in blobs] == list(image.blobs)
    assert [blob.size_bytes for blob in blobs] == [len(content) for content in image.blobs.values()]
    assert [blob.manifest for blob in blobs] == [True, True, False, False]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"layers": [], "config": {"digest": "sha256:../../etc/passwd", "size": 1}}', b"[" * 100_000],
)
def test_what_is_neither(content: bytes) -> None:
    with pytest.raises(WslgpuError, match="no image's index or manifest") as raised:
        children(content, "x")
    assert raised.value.error_class.value == "integrity"


def test_no_image_for_this_architecture() -> None:
    rows = [{"digest": "sha256:" + "0" * 64, "size": 1, "platform": {"os": "linux", "architecture": "arm64"}}]
    with pytest.raises(WslgpuError, match="linux/amd64"):
        children(json.dumps({"manifests": rows}).encode(), "x")


def test_mirrors_come_before_the_registry() -> None:
    mirrors = [Mirror(registry="docker.io", url="http://m/"), Mirror(registry="quay.io", url="http://q")]
    source = ImageSource("docker.io/nvidia/cuda", mirrors, Access())
    digest = "sha256:" + "0" * 64
    assert [origin.url for origin in source.origins(Blob(digest, 1))] == [
        f"http://m/v2/nvidia/cuda/blobs/{digest}?ns=docker.io",
        f"https://registry-1.docker.io/v2/nvidia/cuda/blobs/{digest}",
    ]


@pytest.mark.parametrize(
    ("image", "repository"),
    [("docker.io/x/y:1", "docker.io/x/y"), ("host:5000/x", "host:5000/x"), ("host:5000/x:1", "host:5000/x")],
)
def test_the_repository_of_an_image(image: str, repository: str) -> None:
    assert repository_of(image) == repository


class _Registry(BaseHTTPRequestHandler):
    """Asks for a token, and gives one to who asks for this repository's."""

    realm = True

    def do_GET(self) -> None:
        body = b"{}"
        if self.path == "/v2/":
            self.send_response(401)
            realm = f"http://{self.headers['Host']}/token" if self.realm else "ftp://elsewhere"
            self.send_header("WWW-Authenticate", f'Bearer realm="{realm}",service="s"')
        else:
            self.send_response(200)
            body = json.dumps({"token": self.path}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def registry(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_token_for_pulling_this_repository() -> None:
    with registry(_Registry) as url:
        ((name, value),) = pull_header(url, "nvidia/cuda", proxies={}, verify=True)
    assert name == "Authorization"
    assert value == "Bearer /token?service=s&scope=repository%3Anvidia%2Fcuda%3Apull"


def test_a_login_that_nobody_knows() -> None:
    class Strange(_Registry):
        realm = False

    with registry(Strange) as url, pytest.raises(RegistryError, match="does not know"):
        pull_header(url, "nvidia/cuda", proxies={}, verify=True)
