"""The files that make a lab's node the control plane of a cluster: units, keys, kubeconfigs, and its pods' network.

They are written into the node's root before it boots, so that its own systemd starts everything, at every boot. The
kubelet is there as a program only: `wslgpu apply` joins the node, as it joins any other.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from wslgpu.host_files import write_atomically
from wslgpu.lab.kubernetes.authority import Authority, make

PROGRAMS = "/opt/wslgpu-lab/kubernetes"
"""Where the node has the servers' programs, bound read-only from the lab's cache."""
KUBELET = "/usr/bin/kubelet"
ETC = "/etc/kubernetes"
ADMIN = f"{ETC}/admin.conf"
PORT = 6443
SERVICES = ipaddress.IPv4Network("10.96.0.0/16")
PODS = ipaddress.IPv4Network("10.244.0.0/16")
SYSCTLS = {
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxbytes": 25_000_000,
    "kernel/keys/root_maxkeys": 1_000_000,
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
}
"""What a kubelet sets (setupKernelTunables of pkg/kubelet/cm/container_manager_linux.go), and a container may not."""

_UNIT = """\
# wslgpu lab: a control plane of one node
[Unit]
Description={description}
After=network.target {after}
StartLimitIntervalSec=0

[Service]
Type={type}
ExecStart={command}
TimeoutStartSec=300
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
BOOTSTRAP_ROLES = {
    "wslgpu-lab-join": ("system:node-bootstrapper", "system:bootstrappers"),
    "wslgpu-lab-approve": (
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        "system:bootstrappers",
    ),
    "wslgpu-lab-renew": ("system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "system:nodes"),
}
"""Binding -> role and group: who may ask for a kubelet's certificate, and is given it. Source:
https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/"""


class Service(NamedTuple):
    """One unit.

    :param after: the unit that it starts after
    :param notifies: it tells systemd when it is ready
    """

    description: str
    after: str
    notifies: bool
    program: str
    options: Mapping[str, str]

    @property
    def command(self) -> str:
        """ExecStart, an option a line."""
        options = (f"--{name}={value}" for name, value in sorted(self.options.items()))
        return " \\\n  ".join([self.program, *options])

    @property
    def unit(self) -> str:
        """The unit's file."""
        kind = "notify" if self.notifies else "exec"
        return _UNIT.format(description=self.description, after=self.after, type=kind, command=self.command)


def give(root: Path, directory: Path, *, node: str, address: str) -> None:
    """Write everything into a node's root, and the two kubeconfigs for users of the lab into its folder.

    :param directory: of the lab
    :param node: the node's name
    :raises LabError: the keys cannot be made
    """
    server = f"https://{address}:{PORT}"
    authority = make(
        [
            f"DNS:{node}",
            "DNS:localhost",
            "DNS:kubernetes",
            "DNS:kubernetes.default",
            "DNS:kubernetes.default.svc",
            "IP:127.0.0.1",
            f"IP:{address}",
            f"IP:{SERVICES[1]}",
        ]
    )
    _write_keys(root, authority)
    for role in ("controller-manager", "scheduler"):
        text = kubeconfig(authority, role, f"https://127.0.0.1:{PORT}")
        write_atomically(root / ETC.lstrip("/") / f"{role}.conf", text, 0o600)
    write_atomically(root / ADMIN.lstrip("/"), kubeconfig(authority, "admin", server), 0o600)
    write_atomically(directory / "kubeconfig", kubeconfig(authority, "admin", server), 0o600)
    write_atomically(directory / "bootstrap.kubeconfig", kubeconfig(authority, "bootstrap", server), 0o600)
    _write_units(root, address)
    network = root / "etc/cni/net.d"
    network.mkdir(parents=True, exist_ok=True)
    (network / "10-wslgpu-lab.conflist").write_text(json.dumps(pod_network(), indent=1) + "\n")
    for key, value in SYSCTLS.items():
        place = root / "opt/wslgpu-lab/sysctl" / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{value}\n")


def site_data(directory: Path) -> dict[str, Any]:
    """What makes the deploy join the lab's nodes to the cluster.

    :param directory: of the lab
    """
    return {"kubernetes_role": "join", "kubernetes_join_kubeconfig_file": str(directory / "bootstrap.kubeconfig")}


def binds(programs: Path) -> list[str]:
    """Arguments of systemd-nspawn: the programs, which no node can change, and which cost no time to copy.

    :param programs: what :func:`wslgpu.lab.kubernetes.ensure.program` returned
    """
    return [f"--bind-ro={programs / 'bin'}:{PROGRAMS}", f"--bind-ro={programs / 'bin/kubelet'}:{KUBELET}"]


def _write_keys(root: Path, authority: Authority) -> None:
    folder = root / ETC.lstrip("/") / "pki"
    folder.mkdir(parents=True)
    for name, text in authority.files.items():
        write_atomically(folder / name, text, 0o644 if name.endswith((".crt", ".pub")) else 0o600)
    write_atomically(folder / "tokens.csv", authority.token_table(), 0o600)


def kubeconfig(authority: Authority, role: str, server: str) -> str:
    """A kubeconfig with the authority in it, and the token of a role of ``authority.USERS``."""
    encoded = base64.b64encode(authority.certificate.encode()).decode()
    name = "wslgpu-lab"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": encoded}}],
        "users": [{"name": role, "user": {"token": authority.tokens[role]}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": role}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _write_units(root: Path, address: str) -> None:
    units = root / "etc/systemd/system"
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for name, service in services(address).items():
        # /etc comes before what a package has in /usr: etcd's own unit does not count
        unit = units / f"{name}.service"
        unit.write_text(service.unit)
        link = wants / unit.name
        link.unlink(missing_ok=True)
        link.symlink_to(f"/etc/systemd/system/{unit.name}")
    (root / "var/lib/wslgpu-lab-etcd").mkdir(parents=True, mode=0o700, exist_ok=True)


def services(address: str) -> dict[str, Service]:
    """The units by name.

    etcd and the controllers are reached on loopback only. The API server listens on every address of the node: on
    loopback for the controllers, and on the lab's for kubelet and user; without a certificate or token it answers
    nobody.
    """
    keys = f"{ETC}/pki"
    etcd = "http://127.0.0.1:2379"
    api = {
        "advertise-address": address,
        "allow-privileged": "true",
        "anonymous-auth": "false",
        "authorization-mode": "Node,RBAC",
        "client-ca-file": f"{keys}/ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "etcd-servers": etcd,
        "kubelet-client-certificate": f"{keys}/kubelet-client.crt",
        "kubelet-client-key": f"{keys}/kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP,Hostname",
        "secure-port": str(PORT),
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": f"{keys}/service-account.pub",
        "service-account-signing-key-file": f"{keys}/service-account.key",
        "service-cluster-ip-range": str(SERVICES),
        "tls-cert-file": f"{keys}/apiserver.crt",
        "tls-private-key-file": f"{keys}/apiserver.key",
        "token-auth-file": f"{keys}/tokens.csv",
    }
    manager = {
        "bind-address": "127.0.0.1",
        "cluster-signing-cert-file": f"{keys}/ca.crt",
        "cluster-signing-key-file": f"{keys}/ca.key",
        "kubeconfig": f"{ETC}/controller-manager.conf",
        "leader-elect": "false",
        "port": "0",
        "root-ca-file": f"{keys}/ca.crt",
        "service-account-private-key-file": f"{keys}/service-account.key",
        "use-service-account-credentials": "true",
    }
    scheduler = {
        "bind-address": "127.0.0.1",
        "kubeconfig": f"{ETC}/scheduler.conf",
        "leader-elect": "false",
        "port": "0",
    }
    store = {
        "advertise-client-urls": etcd,
        "data-dir": "/var/lib/wslgpu-lab-etcd",
        "listen-client-urls": etcd,
        "listen-peer-urls": "http://127.0.0.1:2380",
        # a lab that loses its power is made again
        "unsafe-no-fsync": "true",
    }
    return {
        "etcd": Service("etcd of the lab's cluster", "", True, "/usr/bin/etcd", store),
        "kube-apiserver": Service(
            "Kubernetes' API server of the lab", "etcd.service", True, f"{PROGRAMS}/kube-apiserver", api
        ),
        "kube-controller-manager": Service(
            "Kubernetes' controllers of the lab",
            "kube-apiserver.service",
            False,
            f"{PROGRAMS}/kube-controller-manager",
            manager,
        ),
        "kube-scheduler": Service(
            "Kubernetes' scheduler of the lab",
            "kube-apiserver.service",
            False,
            f"{PROGRAMS}/kube-scheduler",
            scheduler,
        ),
    }


def pod_network() -> dict[str, Any]:
    """The node's CNI configuration: a bridge; pods reach each other, the node, and what the node reaches.

    There is no DNS and no kube-proxy: names and addresses of Services lead nowhere in this cluster.
    """
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": str(PODS)}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    return {"cniVersion": "0.4.0", "name": "wslgpu-lab", "plugins": [bridge]}


def bindings() -> list[dict[str, Any]]:
    """The objects that let a kubelet with the bootstrap token join; the API server has them in etcd from then on."""
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
        }
        for name, (role, group) in BOOTSTRAP_ROLES.items()
    ]
