"""The registry client against a real HTTP server on loopback."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wslgpu.errors import DataError
from wslgpu.registry import RegistryError, resolve_digest
from wslgpu.registry import retry_after as wait_after
from wslgpu.settings import load
from wslgpu.site_digests import write_site_digests

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
OTHER = "sha256:" + "0" * 64
NAME = "docker.io/nvidia/cuda"


@contextmanager
def registry(
    status: int = 200, body: bytes = MANIFEST, digest: str = "", retry_after: int | None = None, busy: int | None = None
) -> Iterator[str]:
    """A registry that gives one answer; with ``busy`` only the first so many times, and 200 after that."""
    answered = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/v2/nvidia/cuda/manifests/13.0.0-base"
            assert "manifest.list.v2+json" in self.headers["Accept"]
            nonlocal answered
            answered += 1
            self.send_response(status if busy is None or answered <= busy else 200)
            if retry_after is not None:
                self.send_header("Retry-After", str(retry_after))
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
    with registry(digest=OTHER) as url, pytest.raises(RegistryError, match="sends content of") as error:
        resolve_digest(NAME, "13.0.0-base", base_url=url)
    assert error.value.exit_code == 1


def test_a_tag_that_is_not_there_is_said_at_once() -> None:
    with registry(404) as url, pytest.raises(RegistryError, match="answered 404"):
        resolve_digest(NAME, "13.0.0-base", base_url=url)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_registry_is_waited_for_as_long_as_it_asks_within_the_deadline(status: int) -> None:
    with registry(status, retry_after=30) as url, pytest.raises(RegistryError, match="asks to wait 30 s") as error:
        resolve_digest(NAME, "13.0.0-base", base_url=url, timeout_s=2)
    assert error.value.exit_code == 2
    assert error.value.retryable


def test_a_busy_registry_is_asked_again() -> None:
    with registry(503, retry_after=0, busy=2) as url:
        assert resolve_digest(NAME, "13.0.0-base", base_url=url) == DIGEST


def test_an_answer_without_end_is_cut() -> None:
    with registry(body=b"x" * (5 << 20)) as url, pytest.raises(RegistryError, match="sends more"):
        resolve_digest(NAME, "13.0.0-base", base_url=url)


def test_no_registry_is_2() -> None:
    with pytest.raises(RegistryError) as error:
        resolve_digest(NAME, "13.0.0-base", base_url="http://127.0.0.1:9", timeout_s=2)
    assert error.value.exit_code == 2
    assert error.value.retryable


def test_digests_go_into_a_new_site_and_are_used_from_then_on(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text("# ours\nprofile: reference\n")
    name = "docker.io/nvidia/cuda:13.0.0-base-ubuntu24.04"
    write_site_digests(site, {name: DIGEST})
    assert site.read_text().startswith("# ours\nprofile: reference\n")
    base = next(image for image in load(site).cuda_images if image.role == "base")
    assert base.digest == DIGEST
    assert base.verified
    assert "asked the registry on" in base.seen
    assert {i.role: i.digest for i in load(site).cuda_images}["devel"].startswith("sha256:1e8ac7a5")


def test_digests_go_into_the_sites_own_list_and_comments_stay(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text(
        "cuda_images:\n  - role: base # the small one\n    repository: docker.io/nvidia/cuda\n    tag: t\n"
        "    digest: unresolved # ask\n    size_bytes: 1\n"
    )
    write_site_digests(site, {f"{NAME}:t": DIGEST})
    assert f"    digest: {DIGEST} # ask\n" in site.read_text()
    assert "# the small one" in site.read_text()
    assert load(site).cuda_images[0].digest == DIGEST


def test_a_list_on_one_line_is_left_alone(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    text = "cuda_images: [{role: base, repository: docker.io/x/y, tag: t, digest: unresolved, size_bytes: 1}]\n"
    site.write_text(text)
    with pytest.raises(DataError):
        write_site_digests(site, {"docker.io/x/y:t": DIGEST})
    assert site.read_text() == text


def test_how_long_a_server_asks_to_wait_16() -> None:
    assert wait_after("12", 1) == 12
    assert 50 < wait_after(formatdate(time.time() + 90, usegmt=True), 1) <= 90
    assert wait_after(formatdate(0, usegmt=True), 1) == 0
    waits = [wait_after(header, attempt) for attempt, header in enumerate(("", "soon", "-1", "\u00b2"), 1)]
    assert waits == [1, 2, 4, 8]
