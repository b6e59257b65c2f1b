"""Kubernetes on the node under test: its kubelet's files, and what the cluster says of the node."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import yaml

from tests.node.support.checks import not_applicable, unknown
from tests.node.support.node import Node
from wslgpu.settings import Settings

CONFIG = "/var/lib/kubelet/config.yaml"
KUBECONFIG = "/etc/kubernetes/kubelet.conf"
BOOTSTRAP = "/etc/kubernetes/bootstrap-kubelet.conf"
AUTHORITY = "/etc/kubernetes/wslgpu-ca.crt"
CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"
FEATURE_FILE = "/etc/kubernetes/node-feature-discovery/features.d/wslgpu"
K3S = "/usr/local/bin/k3s"
K3S_KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
OURS = (
    "/etc/modules-load.d/wslgpu-kubernetes.conf",
    "/etc/sysctl.d/90-wslgpu-kubernetes.conf",
    "/etc/systemd/system/kubelet.service.d/50-wslgpu.conf",
    "/etc/cni/net.d/10-wslgpu.conflist",
    FEATURE_FILE,
    AUTHORITY,
)
"""Files whose names say whose they are; those that others may have too begin with wslgpu's mark."""
MARKED = (
    CONFIG,
    "/etc/systemd/system/kubelet.service",
    "/etc/systemd/system/k3s.service",
    "/etc/rancher/k3s/config.yaml",
)

_ASK = r"""
name=$(uname -n | tr '[:upper:]' '[:lower:]')
server=$(sed -nE 's/^ *server:[[:space:]]*//p' "$1" | head -n 1 | tr -d "\"'")
curl -sS --noproxy '*' -m 10 --cacert "$2" --cert "$3" --key "$3" -w '\n%{http_code}' "$server/api/v1/nodes/$name"
"""


def require_role(settings: Settings, *roles: str) -> None:
    """End the check where the data gives the node none of these roles."""
    if settings.kubernetes_role not in roles:
        not_applicable(f"the data gives this node the role {settings.kubernetes_role!r} in Kubernetes")


def k3s_may_listen(address: str) -> set[str]:
    """Where k3s' API server listens for this bind-address, in the words of ss: on loopback it always does as well
    (ListenWithLoopback of k3s-io/k3s, pkg/util/net.go), and an address for all takes IPv6 with it."""
    if ipaddress.ip_address(address).is_unspecified:
        return {"*:6443", "0.0.0.0:6443", "[::]:6443"}
    return {f"[{address}]:6443" if ":" in address else f"{address}:6443", "127.0.0.1:6443", "[::1]:6443"}


def service(settings: Settings) -> str:
    """The service that is the node's kubelet in its role."""
    return "k3s" if settings.kubernetes_role == "k3s" else "kubelet"


def kubelet_config(node: Node) -> dict[str, Any]:
    """The kubelet's configuration; an AssertionError where it is none."""
    read = yaml.safe_load(node.read(CONFIG))
    assert isinstance(read, dict), f"{CONFIG} holds no keys"
    return read


def node_object(node: Node, settings: Settings) -> tuple[str, dict[str, Any]]:
    """What the cluster has of this node, asked with the node's own credentials: (answer's code, object)."""
    if settings.kubernetes_role == "k3s":
        name = node.run("uname", "-n").out.strip().lower()
        words = ("kubectl", f"--kubeconfig={K3S_KUBECONFIG}", "get", "node", name, "-o", "json")
        answer = node.kept(K3S, *words)
        try:
            return ("200", json.loads(answer.out)) if answer.ok else (f"k3s kubectl {answer}", {})
        except ValueError:
            unknown("k3s answers with no object: it is the lab's stand-in")
    for path in (KUBECONFIG, AUTHORITY, CERTIFICATE):
        assert node.exists(path), f"{path} is not there: the node has not joined"
    answer = node.kept("sh", "-c", _ASK, "check", KUBECONFIG, AUTHORITY, CERTIFICATE)
    body, _, code = answer.out.rpartition("\n")
    try:
        return (code, json.loads(body)) if code == "200" else (code or str(answer), {})
    except ValueError:
        return f"no JSON: {body[:200]!r}", {}
