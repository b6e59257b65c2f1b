"""The pins of k3s, and the settings about Kubernetes on nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from wslgpu.errors import DataError
from wslgpu.kubernetes.k3s_pins import K3S_FILE, load_k3s
from wslgpu.pins import UNRESOLVED
from wslgpu.settings import load
from wslgpu.yaml_source import load_yaml

ROW = "{url: 'https://h/k3s', sha256: %s, size_bytes: 1, source: 'https://h'}"


def settings(folder: Path, text: str) -> object:
    site = folder / "site.yml"
    site.write_text(text)
    return load(site)


def test_shipped_pins_say_where_their_hash_was_seen() -> None:
    rows = load_k3s()["kubernetes_k3s_versions"]
    assert rows
    for version, row in rows.items():
        assert row["sha256"] == UNRESOLVED or row["seen"], version
        assert version.replace("+", "%2B") in row["url"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("schema: 1", "schema: 2", "schema"),
        ("  v1.36.2+k3s1:", "  v1.36:", "v1.36"),
        ("sha256: 65", "sha256: g5", "64 hexadecimal digits"),
        ("url: https://", "url: ftp://", "http or https"),
    ],
)
def test_wrong_pins(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = K3S_FILE.read_text()
    assert old in text
    path = tmp_path / "k3s.yml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=words):
        load_k3s(path)


def test_a_site_adds_a_row(tmp_path: Path) -> None:
    row = ROW % ("a" * 64)
    read = load_yaml(K3S_FILE).data["kubernetes_k3s_versions"]
    site = tmp_path / "site.yml"
    site.write_text(f"kubernetes_k3s_version: v1.33.1+k3s1\nkubernetes_k3s_versions:\n  v1.33.1+k3s1: {row}\n")
    found = load(site)
    assert found.k3s.sha256 == "a" * 64
    assert set(found.kubernetes_k3s_versions) == {*read, "v1.33.1+k3s1"}


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ("kubernetes_role: join\n", "needs kubernetes_join_kubeconfig_file"),
        ("kubernetes_k3s_version: v1.1.1+k3s1\n", "not in the table of pins"),
        (
            "kubernetes_role: k3s\nkubernetes_k3s_version: v1.33.1+k3s1\n"
            f"kubernetes_k3s_versions:\n  v1.33.1+k3s1: {ROW % UNRESOLVED}\n",
            "has no hash",
        ),
        ("kubernetes_node_labels: {node-role.kubernetes.io/gpu: 'x'}\n", "belongs to Kubernetes"),
        ("kubernetes_node_labels: {x.k8s.io/gpu: 'x'}\n", "belongs to Kubernetes"),
        ("kubernetes_node_labels: {'a b': 'x'}\n", "is no key of a label"),
        ('kubernetes_node_labels: {"a\\n": "x"}\n', "is no key of a label"),
        ("kubernetes_node_labels: {a: 'b,c=d'}\n", "kubernetes_node_labels"),
        ("kubernetes_node_taints: ['gpu']\n", "kubernetes_node_taints"),
        ("kubernetes_cluster_dns: [dns.example]\n", "kubernetes_cluster_dns"),
        ("kubernetes_k3s_listen: everywhere\n", "kubernetes_k3s_listen"),
        ("kubernetes_kubelet: 'kubelet; reboot'\n", "kubernetes_kubelet"),
        ("kubernetes_role: master\n", "kubernetes_role"),
    ],
)
def test_wrong_settings(tmp_path: Path, site: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as refused:
        settings(tmp_path, site)
    assert str(tmp_path / "site.yml") in refused.value.where


def test_a_row_without_a_hash_is_no_error_where_it_is_not_used(tmp_path: Path) -> None:
    assert settings(tmp_path, f"kubernetes_k3s_versions:\n  v1.33.1+k3s1: {ROW % UNRESOLVED}\n")
