"""Lines that break, crawl or lose packets, names that do not resolve, certificates nobody vouches for.

More of these rows: tests/lab/test_cuda_images.py, tests/lab/test_apt.py.
"""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.lab.support.apply import apply, converge, refused, site, started
from tests.lab.support.nodes import (
    KEYRING,
    cut_off,
    file_replaced,
    forget_toolkit,
    images,
    toolkit_packages,
    wait_until,
)
from wslgpu.lab import Lab, Node
from wslgpu.lab.faults import Fault
from wslgpu.lab.packages import KEY_PATH, PATH

pytestmark = pytest.mark.lab

TOOLKIT = ("--only", "container_toolkit")
IMAGES = ("--only", "cuda_images")
KEY_STEP = "Let apt know NVIDIA's repository by its key"
PACKAGE_STEP = "Install and hold the toolkit's four packages"
IMAGE_STEP = "Pull the base image by digest"
BLOBS = "/v2/nvidia/cuda/blobs/"
PULLING = "ctr -n k8s.io content active -q | grep -q ."


def converges(lab: Lab) -> None:
    outcome = apply(lab, *TOOLKIT, *IMAGES)
    assert outcome.code == 0, outcome
    assert toolkit_packages(lab.node()).split().count("installed") == 4
    assert len({name for name in images(lab.node()) if "@" not in name}) >= 3


def small(lab: Lab) -> list[dict[str, object]]:
    """The images as if they were small: the deadline of a pull grows with the size."""
    return [{**image, "size_bytes": 1} for image in yaml.safe_load(lab.site_file.read_text())["cuda_images"]]


def test_fault_01_way_to_the_registry_lost_in_mid_pull(lab: Lab, node_without_images: Node) -> None:
    node = node_without_images
    lab.faults.set(BLOBS, Fault(bytes_per_s=400_000))
    with site(lab, download_timeout_s=8, cuda_images=small(lab)), started(lab, *IMAGES) as run:
        run.wait_for(f"| {IMAGE_STEP}")
        wait_until(node, PULLING)
        with cut_off(node, f"ip daddr {lab.state.gateway} tcp dport {lab.state.http_port} drop"):
            outcome = run.wait()
    refused(outcome, "network", "docker.io/nvidia/cuda", retryable=True, step=IMAGE_STEP)
    assert images(node) == []
    lab.faults.clear()
    converges(lab)


@pytest.mark.long
def test_fault_01_whole_link_lost_in_mid_pull(lab: Lab, node_without_images: Node) -> None:
    node = node_without_images
    lab.faults.set(BLOBS, Fault(bytes_per_s=400_000))
    with started(lab, *IMAGES) as run:
        run.wait_for(f"| {IMAGE_STEP}")
        wait_until(node, PULLING)
        node.link_down()
        try:
            outcome = run.wait()
        finally:
            node.link_up()
    assert outcome.host()["outcome"] == "unknown", outcome
    refused(outcome, "network", "connection was lost", IMAGE_STEP, retryable=True)
    lab.faults.clear()
    # what was begun on the node goes on to its own end, and holds the node until then
    node.nsenter("pkill -x ctr", check=False)
    outcome = converge(lab, *IMAGES)
    assert outcome.code == 0, outcome


@pytest.mark.long
def test_fault_02_slow_and_lossy_line(lab: Lab, node_without_toolkit: Node) -> None:
    lab.faults.set("/", Fault(delay_s=3))
    with cut_off(node_without_toolkit, f"ip saddr {lab.state.gateway} numgen random mod 10 < 3 drop"):
        outcome = apply(lab, *TOOLKIT)
        assert outcome.code == 0, outcome
    lab.faults.clear()
    converges(lab)


def test_fault_03_dns_dead(lab: Lab, node_without_toolkit: Node) -> None:
    node, port = node_without_toolkit, lab.state.http_port
    dead = "nameserver 192.0.2.1\noptions timeout:1 attempts:1\n"
    named = f"http://packages.example:{port}"
    with file_replaced(node, "/etc/resolv.conf", dead):
        with site(lab, container_toolkit_key_url=f"{named}/{KEY_PATH}"):
            refused(apply(lab, *TOOLKIT), "network", "dns", "packages.example", retryable=True, step=KEY_STEP)
        with site(lab, container_toolkit_repository_uri=f"{named}/{PATH}"):
            refused(apply(lab, *TOOLKIT), "network", "dns", "packages.example", retryable=True, step=PACKAGE_STEP)
    assert toolkit_packages(node) == ""
    converges(lab)


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class _TlsServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust us hangs up: that is what is tested."""


@contextmanager
def https_server(lab: Lab, folder: Path) -> Iterator[tuple[str, Path]]:
    """The lab's packages over TLS with a certificate that nobody knows; gives the address and the certificate."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=unknown authority", "-addext", f"subjectAltName=IP:{lab.state.gateway}"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = partial(_Quiet, directory=str(lab.repository.www))
    with _TlsServer((lab.state.gateway, 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://{lab.state.gateway}:{server.server_port}", certificate
        finally:
            server.shutdown()
            thread.join()


def test_fault_04_unknown_certificate_authority(lab: Lab, node_without_toolkit: Node, tmp_path: Path) -> None:
    node = node_without_toolkit
    with https_server(lab, tmp_path) as (address, certificate):
        key, repository = f"{address}/{KEY_PATH}", f"{address}/{PATH}"
        with site(lab, container_toolkit_key_url=key):
            refused(apply(lab, *TOOLKIT), "integrity", key, "ca_file", step=KEY_STEP)
        assert not node.nsenter(f"test -e {KEYRING}", check=False).ok
        with site(lab, container_toolkit_repository_uri=repository):
            refused(apply(lab, *TOOLKIT), "integrity", address, "ca_file", step=PACKAGE_STEP)
        assert toolkit_packages(node) == ""
        # what the message advises
        trusted = {"container_toolkit_repository_uri": repository, "ca_file": str(certificate)}
        with site(lab, container_toolkit_key_url=key, **trusted):
            outcome = apply(lab, "--only", "base", *TOOLKIT)
            assert outcome.code == 0, outcome
            assert toolkit_packages(node).split().count("installed") == 4
    outcome = apply(lab, "--only", "base", *TOOLKIT)
    assert outcome.code == 0, outcome


@pytest.mark.long
def test_fault_59_trickle_of_packages(lab: Lab, node_without_toolkit: Node) -> None:
    lab.faults.set(f"/{KEY_PATH}", Fault(bytes_per_s=1))
    with site(lab, download_timeout_s=60):
        refused(apply(lab, *TOOLKIT), "network", "could not be fetched", retryable=True, step=KEY_STEP)
    lab.faults.clear()
    converges(lab)
    forget_toolkit(node_without_toolkit, packages_only=True)
    lab.faults.set(f"/{PATH}/nvidia-container-toolkit-base", Fault(bytes_per_s=10))
    refused(apply(lab, *TOOLKIT), "network", "slower than 1 kB/s", retryable=True, step=PACKAGE_STEP)
    assert toolkit_packages(node_without_toolkit) == ""
    lab.faults.clear()
    converges(lab)
