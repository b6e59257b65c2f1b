"""What a site chooses about Kubernetes on its nodes."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from wslgpu.kubernetes.k3s_pins import K3sPin, K3sVersion
from wslgpu.pins import UNRESOLVED, Strict

_RESERVED = ("kubernetes.io", "k8s.io")
_LABEL_KEY = r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABEL_VALUE = r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"
_TAINT = r"^[A-Za-z0-9./_-]+(=[A-Za-z0-9._-]*)?:(NoSchedule|PreferNoSchedule|NoExecute)$"


def _label_key(key: str) -> str:
    if not re.fullmatch(_LABEL_KEY, key):
        raise ValueError(f"{key!r} is no key of a label")
    prefix = key.partition("/")[0] if "/" in key else ""
    if any(prefix == name or prefix.endswith(f".{name}") for name in _RESERVED):
        # a kubelet ends at once when it is to give itself one of these, but for a few that it sets by itself
        raise ValueError(f"a kubelet may not give itself the label {key!r}: its prefix belongs to Kubernetes")
    return key


def _address(value: str) -> str:
    return str(ipaddress.ip_address(value))


LabelKey = Annotated[str, AfterValidator(_label_key)]
LabelValue = Annotated[str, Field(pattern=_LABEL_VALUE)]
Address = Annotated[str, AfterValidator(_address)]


class KubernetesNodeSettings(Strict):
    """Part of :class:`wslgpu.settings.Settings`."""

    kubernetes_role: Literal["none", "prepare", "join", "k3s"] = "none"
    """prepare: kernel modules, sysctls, swap and control groups as a kubelet wants them; join: a kubelet that is on the
    node joins a cluster; k3s: a cluster of this node alone."""
    kubernetes_swap: Literal["auto", "off", "keep"] = "auto"
    """auto: swap stays, and pods do not use it; keep: it stays, and pods may use it within limits, from Kubernetes 1.30
    on and on cgroup v2; off: it is turned off, and the kubelet refuses to start with it."""
    kubernetes_admit_cgroup_v1: bool = False
    """Let a kubelet of 1.35 or newer run on control groups version 1, which it refuses by itself."""
    kubernetes_kubelet: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/+-]+$")] = "/usr/bin/kubelet"
    """The kubelet that joins; it comes from the package kubelet of pkgs.k8s.io, or from elsewhere, and not from us."""
    kubernetes_join_kubeconfig_file: str = ""
    """File on the controller, mode 0600: the cluster's address, its authority, and a token with which nodes join."""
    kubernetes_join_timeout_s: Annotated[int, Field(gt=0)] = 120
    """Until the kubelet has its own certificate and the cluster has the node, or k3s answers."""
    kubernetes_node_labels: dict[LabelKey, LabelValue] = {"nvidia.com/gpu.present": "true"}
    """What the node is labelled with when it registers; node feature discovery finds no NVIDIA GPU on WSL2."""
    kubernetes_node_taints: list[Annotated[str, Field(pattern=_TAINT)]] = []
    kubernetes_cluster_dns: list[Address] = []
    """Addresses of the cluster's DNS, which pods ask; none: pods have the node's own resolver."""
    kubernetes_cluster_domain: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")] = "cluster.local"
    kubernetes_k3s_version: K3sVersion
    kubernetes_k3s_versions: dict[K3sVersion, K3sPin]
    kubernetes_k3s_listen: Address = "127.0.0.1"
    """Where k3s' API server listens, beside loopback. There nothing outside of the node reaches it, and no pod does
    either, so that k3s' CoreDNS and volumes made on demand do not work; with the node's own address they do, with
    certificates and tokens."""

    @model_validator(mode="after")
    def _kubernetes_consistent(self) -> KubernetesNodeSettings:
        if self.kubernetes_role == "join" and not self.kubernetes_join_kubeconfig_file:
            raise ValueError(
                "kubernetes_role: join needs kubernetes_join_kubeconfig_file, a kubeconfig with a bootstrap token"
            )
        if self.kubernetes_k3s_version not in self.kubernetes_k3s_versions:
            known = ", ".join(self.kubernetes_k3s_versions)
            raise ValueError(
                f"kubernetes_k3s_version {self.kubernetes_k3s_version} is not in the table of pins ({known});"
                " add a row for it under kubernetes_k3s_versions"
            )
        if self.kubernetes_role == "k3s" and self.k3s.sha256 == UNRESOLVED:
            raise ValueError(
                f"k3s {self.kubernetes_k3s_version} has no hash: nothing is installed unproven. Take the line k3s of"
                " its sha256sum-amd64.txt, and put it as sha256 into its row under kubernetes_k3s_versions"
            )
        return self

    @property
    def k3s(self) -> K3sPin:
        """The chosen k3s."""
        return self.kubernetes_k3s_versions[self.kubernetes_k3s_version]
