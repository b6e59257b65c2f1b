"""The kubeconfig with which nodes join a cluster: read on the controller, never printed.

Its form is that of ``kubeadm join``'s discovery file with a token: one cluster with an authority in it, one user with a
bootstrap token. Source: https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml

from wslgpu.errors import DataError
from wslgpu.secret_file import read_secret_file

_SETTING = "kubernetes_join_kubeconfig_file"
_MAKE = (
    "kubeadm token create --print-join-command names what goes into it; see the kubelet's page on TLS bootstrapping."
)
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*")


@dataclass(frozen=True)
class Cluster:
    """A cluster that nodes can join.

    :param server: its API server's address, without a path
    :param authority: its certificate authority as PEM
    :param kubeconfig: the text that the kubelet is given; does not show when this is printed
    """

    server: str
    authority: str
    kubeconfig: str = field(repr=False)

    @property
    def identity(self) -> str:
        """sha256 of the authority without white space: two kubeconfigs of one cluster have the same."""
        return hashlib.sha256("".join(self.authority.split()).encode()).hexdigest()


def read(path: str) -> Cluster:
    """Read and check the file.

    :raises DataError: it cannot be read, others may read it, or a kubelet could not join with it; nothing of its
        content is in the text
    """
    return _parse(read_secret_file(path, _SETTING), path)


def _parse(text: str, path: str) -> Cluster:
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        # a date that is none, or a depth without end, is no YAMLError; the parser's own words would quote the file
        raise DataError(f"{_SETTING} is not YAML", path, _MAKE) from None
    context = _named(data, "contexts", "context", _text(data, "current-context"), path)
    cluster = _named(data, "clusters", "cluster", _text(context, "cluster"), path)
    user = _named(data, "users", "user", _text(context, "user"), path)
    server = _text(cluster, "server")
    if not _is_address(server):
        raise DataError(f"{_SETTING} names no https server", path, _MAKE)
    if cluster.get("insecure-skip-tls-verify"):
        raise DataError(f"{_SETTING} turns the check of certificates off", path, "Name the cluster's authority in it.")
    if not _text(user, "token"):
        raise DataError(f"{_SETTING} holds no bootstrap token", path, _MAKE)
    return Cluster(server.rstrip("/"), _authority(cluster, path), text if text.endswith("\n") else f"{text}\n")


def _is_address(server: str) -> bool:
    """``https://HOST`` or ``https://HOST:PORT``: it is written into files, and paths are put behind it."""
    try:
        parts = urlsplit(server)
        _ = parts.port
    except ValueError:
        return False
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment)
    return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and not any(rest)


def _text(table: Any, key: str) -> str:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, str) else ""


def _named(data: Any, table: str, key: str, name: str, path: str) -> dict[str, Any]:
    """The entry of that name of one of a kubeconfig's lists."""
    rows = data.get(table) if isinstance(data, dict) else None
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("name") == name and name and isinstance(row.get(key), dict):
            found: dict[str, Any] = row[key]
            return found
    raise DataError(f"{_SETTING} is no whole kubeconfig: its current context names no {key}", path, _MAKE)


def _authority(cluster: dict[str, Any], path: str) -> str:
    """The authority as PEM. A path in it would be a path of the controller's, of no use on a node."""
    try:
        text = base64.b64decode(_text(cluster, "certificate-authority-data"), validate=True).decode()
    except ValueError:  # no base64, or no UTF-8 in it
        text = ""
    if not re.fullmatch(rf"(?:\s*{_CERTIFICATE.pattern})+", text):
        raise DataError(
            f"{_SETTING} holds no certificate-authority-data",
            path,
            "Embed the authority: kubectl config set-cluster NAME --certificate-authority=FILE --embed-certs=true.",
        )
    return text if text.endswith("\n") else f"{text}\n"
