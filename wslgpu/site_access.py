"""The way out of the network: proxy, its credentials and the site's certificate authorities, as files on a node.

Texts only. Credentials stand in files of mode 0600 and nowhere else: apt reads them from auth.conf.d (apt_auth.conf(5)
serves proxies too), everything else from /etc/wslgpu/proxy.env.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from wslgpu.errors import DataError
from wslgpu.secret_file import read_secret_file
from wslgpu.templates import render

APT_PROXY = "/etc/apt/apt.conf.d/80wslgpu-proxy.conf"
APT_CREDENTIALS = "/etc/apt/auth.conf.d/wslgpu-proxy.conf"
PROXY_ENVIRONMENT = "/etc/wslgpu/proxy.env"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True)
class Credentials:
    """For the proxy. Neither part shows when it is printed."""

    user: str = field(repr=False)
    password: str = field(repr=False)


def read_credentials(path: str) -> Credentials | None:
    """Read ``user:password`` from a file on the controller; None for no path.

    :raises DataError: it cannot be read, others may read it, or it holds something else
    """
    if not path:
        return None
    text = read_secret_file(path, "proxy_credentials_file")
    match = re.fullmatch(r"([^:\s]+):(\S+)\s*", text)
    if match is None:
        step = "One line, no spaces: white space cannot be written in apt's auth.conf."
        raise DataError("proxy_credentials_file does not hold user:password", path, step)
    return Credentials(match[1], match[2])


def read_authorities(path: str) -> tuple[str, ...]:
    """The certificates of a PEM file on the controller, each ending with a newline; none for no path.

    :raises DataError: it cannot be read, or holds no certificate, or a private key
    """
    if not path:
        return ()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not PEM text"
        raise DataError(f"ca_file cannot be read: {reason}", path, "Check the path.") from error
    if "PRIVATE KEY" in text:
        raise DataError("ca_file holds a private key", path, "Only certificates may be in it.")
    certificates = tuple("\n".join(block.split("\n")) + "\n" for block in _CERTIFICATE.findall(text.replace("\r", "")))
    if not certificates:
        raise DataError("ca_file holds no PEM certificate", path, "Convert it: openssl x509 -inform der -in FILE.")
    return certificates


def apt_proxy(proxy_url: str, no_proxy: list[str]) -> str:
    """apt's configuration, without credentials; apt takes exceptions by exact host name (apt-transport-http(1))."""
    direct = [name for name in no_proxy if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", name)]
    return render(APT_PROXY, proxy_url=proxy_url, direct=direct)


def apt_credentials(proxy_url: str, credentials: Credentials) -> str:
    """apt's auth.conf for the proxy. The scheme is named, since an entry without one is for https only."""
    parts = urlsplit(proxy_url)
    machine = f"{parts.scheme}://{parts.netloc}"
    return render(APT_CREDENTIALS, machine=machine, user=credentials.user, password=credentials.password)


def proxy_with_credentials(proxy_url: str, credentials: Credentials | None) -> str:
    """The proxy's address for programs that take user and password from it."""
    if credentials is None:
        return proxy_url
    parts = urlsplit(proxy_url)
    user, password = quote(credentials.user, safe=""), quote(credentials.password, safe="")
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc}").geturl()


def proxy_environment(proxy_url: str, credentials: Credentials | None, no_proxy: list[str]) -> str:
    """Variables for sh and for systemd's EnvironmentFile; every value is free of what either would interpret."""
    proxy = proxy_with_credentials(proxy_url, credentials)
    return render(PROXY_ENVIRONMENT, proxy=proxy, no_proxy=",".join(no_proxy))


def pip_conf(present: str, proxy: str, certificate: str) -> str:
    """pip's configuration with our keys in [global], or without them; what others put there stays.

    pip refuses a file with a section or key twice, so ours stand in the section that there is, between two marks, and
    replace a value for the same key.

    :param present: the file without our lines
    """
    lines = present.splitlines()
    ours = [f"{key} = {value}" for key, value in (("proxy", proxy), ("cert", certificate)) if value]
    if ours:
        lines = _without(lines, [key for key, value in (("proxy", proxy), ("cert", certificate)) if value])
        position = next((index for index, line in enumerate(lines) if line.strip() == "[global]"), -1)
        if position < 0:
            lines, position = ["[global]", *lines], 0
        lines[position + 1 : position + 1] = ["# wslgpu: begin", *ours, "# wslgpu: end"]
    if [line for line in lines if line.strip()] == ["[global]"]:
        return ""
    return "".join(f"{line}\n" for line in lines)


def _without(lines: list[str], keys: list[str]) -> list[str]:
    """The lines without these keys of [global], their continuation lines included."""
    kept: list[str] = []
    section, dropping = "", False
    for line in lines:
        if line.startswith("["):
            section = line.strip()
        continued = line[:1] in (" ", "\t") and line.strip() != ""
        key = re.split(r"[=:]", line, maxsplit=1)[0].strip().lower()
        dropping = (dropping and continued) or (not continued and section == "[global]" and key in keys)
        if not dropping:
            kept.append(line)
    return kept
