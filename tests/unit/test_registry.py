"""The registry client against a real HTTP server on loopback."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wslgpu.errors import UsageError
from wslgpu.registry import RegistryError, resolve_digest, write_site_digests
from wslgpu.settings import load

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
OTHER = "sha256:" + "0" * 64
NAME = "docker.io/nvidia/cuda"


@contextmanager
def registry(status: int = 200, body: bytes = MANIFEST, digest: str = "") -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/v2/nvidia/cuda/manifests/13.0.0-base"
            assert "manifest.list.v2+json" in self.headers["Accept"]
            self.send_response(status)
            if digest:
                self.send_header("Docker-Content-Digest", digest)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_digest_is_that_of_the_bytes() -> None:
    with registry(digest=DIGEST) as url:
        assert resolve_digest(NAME, "13.0.0-base", base_url=url) == DIGEST
    with registry() as url:
        assert resolve_digest(NAME, "13.0.0-base", base_url=url) == DIGEST


def test_a_registry_that_names_another_digest_is_not_believed() -> None:
    with registry(digest=OTHER) as url, pytest.raises(RegistryError, match="its bytes are") as error:
        resolve_digest(NAME, "13.0.0-base", base_url=url)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("status", [404, 429, 503])
def test_a_refusal_is_2_and_names_the_command_for_later(status: int) -> None:
    with registry(status) as url, pytest.raises(RegistryError, match="pins resolve") as error:
        resolve_digest(NAME, "13.0.0-base", base_url=url)
    assert str(status) in error.value.what
    assert error.value.exit_code == 2


def test_an_answer_without_end_is_cut() -> None:
    with registry(body=b"x" * (5 << 20)) as url, pytest.raises(RegistryError, match="sends more than"):
        resolve_digest(NAME, "13.0.0-base", base_url=url)


def test_no_registry_is_2() -> None:
    with pytest.raises(RegistryError) as error:
        resolve_digest(NAME, "13.0.0-base", base_url="http://127.0.0.1:9", timeout_s=2)
    assert error.value.exit_code == 2
    assert error.value.retryable


def test_digests_go_into_a_new_site_and_are_used_from_then_on(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text("# ours\nprofile: reference\n")
    rows = load(site).as_data()["cuda_images"]
    name = "docker.io/nvidia/cuda:13.0.0-base-ubuntu24.04"
    write_site_digests(site, {name: DIGEST}, rows)
    assert site.read_text().startswith("# ours\nprofile: reference\n")
    assert {i.role: i.digest for i in load(site).cuda_images}["base"] == DIGEST
    assert {i.role: i.digest for i in load(site).cuda_images}["devel"].startswith("sha256:1e8ac7a5")


def test_digests_go_into_the_sites_own_list_and_comments_stay(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text(
        "cuda_images:\n  - role: base # the small one\n    repository: docker.io/nvidia/cuda\n    tag: t\n"
        "    digest: unresolved # ask\n    size_bytes: 1\n"
    )
    write_site_digests(site, {f"{NAME}:t": DIGEST}, [])
    assert f"    digest: {DIGEST} # ask\n" in site.read_text()
    assert "# the small one" in site.read_text()
    assert load(site).cuda_images[0].digest == DIGEST


def test_a_list_on_one_line_is_left_alone(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    text = "cuda_images: [{role: base, repository: docker.io/x/y, tag: t, digest: unresolved, size_bytes: 1}]\n"
    site.write_text(text)
    with pytest.raises(UsageError, match="by hand"):
        write_site_digests(site, {"docker.io/x/y:t": DIGEST}, [])
    assert site.read_text() == text
