"""A kubelet's configuration for its own version, and the flags for what that version takes as flags only.

Versions 1.20 to 1.37, by the fields of kubelet.config.k8s.io/v1beta1 in each. A kubelet refuses unknown fields, and has
dropped flags over time. Sources: https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/ and the
change logs of Kubernetes 1.22 to 1.35.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from wslgpu.templates import render

CONFIG = "/var/lib/kubelet/config.yaml"
BOOTSTRAP = "/etc/kubernetes/bootstrap-kubelet.conf"
KUBECONFIG = "/etc/kubernetes/kubelet.conf"
AUTHORITY = "/etc/kubernetes/wslgpu-ca.crt"
"""The cluster's authority, as a file, since the kubelet's configuration takes no other form of it."""
CRI_SOCKET = "unix:///run/containerd/containerd.sock"

OLDEST = (1, 20)
NEWEST_KNOWN = (1, 37)
REFUSES_CGROUP_V1 = (1, 35)
"""From here on failCgroupV1 is true unless said otherwise (KEP 5573)."""

Version = tuple[int, int]


def parse_version(text: str) -> Version | None:
    """(major, minor) of ``v1.20.2`` or ``1.36.2+k3s1``; None for anything else."""
    match = re.match(r"v?(\d+)\.(\d+)\.\d+", text)
    return (int(match[1]), int(match[2])) if match else None


@dataclass(frozen=True)
class Kubelet:
    """What a kubelet is told.

    :param version: its own, (major, minor)
    :param cgroup_v2: the node has control groups version 2
    :param systemd_cgroup: containerd's runc lets systemd make control groups; both have to agree
    :param resolv_conf: file that names the node's real resolvers
    """

    version: Version
    cgroup_v2: bool
    systemd_cgroup: bool
    swap: Literal["auto", "off", "keep"] = "auto"
    admit_cgroup_v1: bool = False
    resolv_conf: str = "/etc/resolv.conf"
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[str, ...] = ()
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"


def refuses_cgroup_v1(version: Version) -> bool:
    """This kubelet ends on control groups version 1 unless it is told not to."""
    return version >= REFUSES_CGROUP_V1


def swap_behavior(kubelet: Kubelet) -> str:
    """memorySwap.swapBehavior; empty where the field is left out.

    From 1.30 on the feature is on by default and NoSwap is known; before, it is off, and its values were others.
    With control groups version 1 pods cannot be given swap within limits.
    """
    if kubelet.swap == "off" or kubelet.version < (1, 30):
        return ""
    return "LimitedSwap" if kubelet.swap == "keep" and kubelet.cgroup_v2 else "NoSwap"


def configuration(kubelet: Kubelet) -> str:
    """The text of :data:`CONFIG`."""
    version = kubelet.version
    return render(
        CONFIG,
        authority=AUTHORITY,
        cgroup_driver="systemd" if kubelet.systemd_cgroup else "cgroupfs",
        fail_swap_on=kubelet.swap == "off",
        swap_behavior=swap_behavior(kubelet),
        # the field is there from 1.31 on, and false by itself below 1.35
        admit_cgroup_v1=refuses_cgroup_v1(version) and not kubelet.cgroup_v2 and kubelet.admit_cgroup_v1,
        runtime_endpoint=CRI_SOCKET if version >= (1, 27) else "",
        resolv_conf=kubelet.resolv_conf,
        seccomp_default=version >= (1, 27),
        cluster_dns=kubelet.cluster_dns,
        cluster_domain=kubelet.cluster_domain,
        taints=[_taint(taint) for taint in kubelet.taints] if version >= (1, 23) else [],
    )


def _taint(text: str) -> dict[str, str]:
    words, _, effect = text.rpartition(":")
    key, _, value = words.partition("=")
    return {"key": key, "value": value, "effect": effect}


def flags(kubelet: Kubelet) -> tuple[str, ...]:
    """What this version takes on its command line beside the places of its files."""
    found = []
    if kubelet.version < (1, 24):
        found.append("--container-runtime=remote")  # dockershim was the default until 1.24 took it out
    if kubelet.version < (1, 27):
        found.append(f"--container-runtime-endpoint={CRI_SOCKET}")
    if kubelet.labels:
        found.append("--node-labels=" + ",".join(f"{key}={value}" for key, value in sorted(kubelet.labels)))
    if kubelet.taints and kubelet.version < (1, 23):
        found.append("--register-with-taints=" + ",".join(kubelet.taints))
    return tuple(found)


PLACES = (f"--bootstrap-kubeconfig={BOOTSTRAP}", f"--kubeconfig={KUBECONFIG}", f"--config={CONFIG}")
"""Where kubeadm has them too, so that its unit and ours read the same files."""
