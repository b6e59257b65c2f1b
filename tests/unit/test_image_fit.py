"""Secrets of a site that an image must not hold, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from wslgpu.errors import DataError
from wslgpu.image import fit
from wslgpu.lock.force import site_places
from wslgpu.settings import load

CREDENTIALS = "proxy_url: http://proxy.example:3128\nproxy_credentials_file: /root/proxy\n"
JOIN = "kubernetes_role: join\nkubernetes_join_kubeconfig_file: /root/join.conf\n"
KEY = "vllm_api_key_file: /root/key\nvllm_install: quadlet\nvllm_storage: {claim: m, host_path: /srv/models}\n"


def check(folder: Path, text: str) -> list[str]:
    site = folder / "site.yml"
    site.write_text(text)
    settings = load(site)
    fit.check(settings, site_places(site))
    return fit.told(settings)


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        (CREDENTIALS, "the proxy's password", 2),
        (JOIN, "kubernetes_role: join", 1),
        ("kubernetes_role: k3s\n", "kubernetes_role: k3s", 1),
        (KEY, "vLLM's key", 1),
    ],
)
def test_a_secret_is_refused_by_file_and_line(tmp_path: Path, text: str, said: str, line: int) -> None:
    with pytest.raises(DataError, match=said) as caught:
        check(tmp_path, text)
    assert f"site.yml:{line}" in str(caught.value)
    assert caught.value.exit_code == 2


def test_all_secrets_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"password.*kubernetes_role"):
        check(tmp_path, CREDENTIALS + JOIN)


def test_what_is_no_secret_goes_in_and_is_said(tmp_path: Path) -> None:
    assert check(tmp_path, "kubernetes_role: prepare\nproxy_credentials_file: /unused\n") == []
    assert check(tmp_path, "proxy_url: http://proxy.example:3128\nca_file: /etc/ca.pem\n") == ["proxy_url", "ca_file"]
