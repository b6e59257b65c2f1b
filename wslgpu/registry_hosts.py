"""The files under certs.d that a site's mirrors make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from wslgpu.containerd_config import CERTS_D, MirrorHost, hosts_toml
from wslgpu.errors import DataError
from wslgpu.settings import Mirror


def read_certificate(path: str) -> str:
    """A PEM file on the controller.

    :raises DataError: it cannot be read, or is none
    """
    try:
        text = Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"containerd_mirrors: ca_file {path} cannot be read", path, "Check its path.") from error
    if "-----BEGIN CERTIFICATE-----" not in text or "PRIVATE KEY" in text:
        raise DataError(
            f"containerd_mirrors: ca_file {path} is no PEM certificate, or holds a private key",
            path,
            "Name a file with certificates only.",
        )
    return text


def files(mirrors: Sequence[Mirror], read: Callable[[str], str] = read_certificate) -> tuple[tuple[str, str], ...]:
    """Path and content of every file: for each registry its certificates, then hosts.toml with its mirrors in order.

    :raises DataError: a certificate cannot be read
    """
    made: list[tuple[str, str]] = []
    for registry in dict.fromkeys(mirror.registry for mirror in mirrors):
        directory = f"{CERTS_D}/{registry}"
        hosts: list[MirrorHost] = []
        for number, mirror in enumerate(mirror for mirror in mirrors if mirror.registry == registry):
            ca_path = f"{directory}/wslgpu-{number}.crt" if mirror.ca_file else ""
            if ca_path:
                made.append((ca_path, read(mirror.ca_file)))
            hosts.append(MirrorHost(mirror.url, tuple(mirror.capabilities), ca_path))
        made.append((f"{directory}/hosts.toml", hosts_toml(registry, hosts)))
    return tuple(made)
