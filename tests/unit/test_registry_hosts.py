"""The files that a site's mirrors make."""

from __future__ import annotations

from pathlib import Path

import pytest

from wslgpu import registry_hosts
from wslgpu.errors import DataError
from wslgpu.settings import Mirror


def mirror(registry: str, url: str, ca_file: str = "") -> Mirror:
    return Mirror(registry=registry, url=url, ca_file=ca_file)


def test_mirrors_of_one_registry_share_a_file_in_order() -> None:
    made = dict(
        registry_hosts.files(
            [mirror("docker.io", "https://a"), mirror("quay.io", "https://b"), mirror("docker.io", "https://c", "ca")],
            read=lambda path: f"PEM {path}",
        )
    )
    assert sorted(made) == [
        "/etc/containerd/certs.d/docker.io/hosts.toml",
        "/etc/containerd/certs.d/docker.io/wslgpu-1.crt",
        "/etc/containerd/certs.d/quay.io/hosts.toml",
    ]
    text = made["/etc/containerd/certs.d/docker.io/hosts.toml"]
    assert text.index("https://a") < text.index("https://c")
    assert 'ca = "/etc/containerd/certs.d/docker.io/wslgpu-1.crt"' in text
    assert made["/etc/containerd/certs.d/docker.io/wslgpu-1.crt"] == "PEM ca"


def test_no_mirrors_no_files() -> None:
    assert registry_hosts.files([]) == ()


@pytest.mark.parametrize("text", [None, "words", "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"])
def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match="ca_file"):
        registry_hosts.read_certificate(str(path))
