"""The keys and certificates of a lab's cluster, made by openssl on this machine and good for this lab only.

What has to have a certificate: the API server, for those who speak to it, and as a client of the kubelet's. Everybody
else has a token of the API server's table.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wslgpu.lab.shell import run

DAYS = 3650
USERS = {
    "admin": ("wslgpu-lab-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "bootstrap": ("wslgpu-lab-bootstrap", "system:bootstrappers"),
}
"""Role -> user and group; the names that Kubernetes' own roles are bound to."""

_CONFIG = """\
[req]
distinguished_name = none
prompt = no
[none]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
"""


@dataclass(frozen=True)
class Authority:
    """Everything secret of one cluster.

    :param files: name below the API server's folder of keys -> PEM
    :param tokens: role of :data:`USERS` -> token
    """

    files: dict[str, str] = field(repr=False)
    tokens: dict[str, str] = field(repr=False)

    @property
    def certificate(self) -> str:
        """The authority's own certificate, as PEM."""
        return self.files["ca.crt"]

    def token_table(self) -> str:
        """The file of the API server's ``--token-auth-file``: token, user, uid, groups."""
        lines = []
        for role, (user, group) in USERS.items():
            lines.append(",".join([self.tokens[role], user, user, *([f'"{group}"'] if group else [])]))
        return "\n".join(lines) + "\n"


def make(names: Sequence[str]) -> Authority:
    """New keys and tokens.

    :param names: of the API server, as ``DNS:...`` and ``IP:...``
    :raises LabError: openssl cannot make them
    """
    with tempfile.TemporaryDirectory(prefix="wslgpu-lab-keys-") as place:  # mode 0700
        folder = Path(place)
        (folder / "openssl.cnf").write_text(_CONFIG.format(names=", ".join(names)))
        _certificate(folder, "ca", "authority", "/CN=wslgpu lab")
        _certificate(folder, "apiserver", "server", "/CN=kube-apiserver")
        # the group may do everything on a kubelet, as kubeadm's apiserver-kubelet-client
        _certificate(folder, "kubelet-client", "client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
        run(["openssl", "genpkey", *_KEY, "-out", folder / "service-account.key"])
        run(
            [
                "openssl",
                "pkey",
                "-in",
                folder / "service-account.key",
                "-pubout",
                "-out",
                folder / "service-account.pub",
            ]
        )
        files = {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.suffix != ".cnf"}
    tokens = {role: secrets.token_hex(24) for role in USERS}
    # the form that a bootstrap token has
    tokens["bootstrap"] = f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"
    return Authority(files, tokens)


_KEY = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve")


def _certificate(folder: Path, name: str, kind: str, subject: str) -> None:
    """NAME.key and NAME.crt, signed by the authority, which signs itself."""
    run(["openssl", "genpkey", *_KEY, "-out", folder / f"{name}.key"])
    command = ["openssl", "req", "-x509", "-new", "-sha256", "-days", str(DAYS), "-subj", subject]
    command += ["-config", str(folder / "openssl.cnf"), "-extensions", kind, "-key", str(folder / f"{name}.key")]
    if name != "ca":
        command += ["-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key")]
    run([*command, "-out", folder / f"{name}.crt"])
