"""Asking an image registry which digest a tag means.

Only the registry that the name belongs to is asked, never a mirror: who resolves a tag decides what is run.
Source: opencontainers/distribution-spec (pulling manifests), distribution/distribution docs (token authentication).
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

import requests

from wslgpu.errors import ErrorClass, WslgpuError

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
SIZE_LIMIT_BYTES = 4 << 20
TRIES = 4
BUSY = (408, 429, 500, 502, 503, 504)
"""Answers that may be another one a little later."""


class RegistryError(WslgpuError):
    """A registry that cannot be asked, or whose answer cannot be trusted."""


def registry_url(repository: str) -> tuple[str, str]:
    """Address of the registry that a repository belongs to, and the repository's name there."""
    host, _, name = repository.partition("/")
    return ("https://registry-1.docker.io" if host == "docker.io" else f"https://{host}"), name


def resolve_digest(
    repository: str,
    tag: str,
    *,
    base_url: str | None = None,
    proxies: Mapping[str, str] | None = None,
    ca_file: str = "",
    timeout_s: int = 60,
) -> str:
    """The digest of the index or manifest that a tag names now, compared with the bytes that came.

    :param repository: with its registry, such as ``docker.io/nvidia/cuda``
    :param base_url: another address of that same registry
    :param proxies: as requests takes them
    :param ca_file: PEM file with the certificate authorities to trust; empty: the system's
    :param timeout_s: deadline of the whole, waits included
    :raises RegistryError: with class network (retryable), integrity or platform
    """
    found, name = registry_url(repository)
    url = f"{(base_url or found).rstrip('/')}/v2/{name}/manifests/{tag}"
    with requests.Session() as session:
        session.proxies.update(proxies or {})
        if ca_file:
            session.verify = ca_file
        answer = _get(session, url, time.monotonic() + timeout_s)
    return checked_digest(answer.content, answer.headers.get("Docker-Content-Digest", ""), url)


def checked_digest(body: bytes, header: str, where: str) -> str:
    """The digest of a manifest's bytes.

    :raises RegistryError: the registry says another one
    """
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    if header.startswith("sha256:") and header != digest:
        raise RegistryError(
            f"the registry says {header} and sends content of {digest}",
            where,
            "A proxy alters what comes: try from elsewhere.",
            ErrorClass.INTEGRITY,
        )
    return digest


def _get(session: requests.Session, url: str, deadline: float) -> requests.Response:
    headers = {"Accept": ACCEPT}
    for attempt in range(1, TRIES + 1):
        answer = _request(session, url, headers, deadline)
        if answer.status_code == 401 and "Authorization" not in headers:
            challenge = answer.headers.get("WWW-Authenticate", "")
            headers["Authorization"] = f"Bearer {_token(session, challenge, url, deadline)}"
            answer = _request(session, url, headers, deadline)
        if answer.status_code == 200:
            return answer
        if answer.status_code not in BUSY:
            raise RegistryError(
                f"the registry answered {answer.status_code}", url, "Check repository and tag.", ErrorClass.PLATFORM
            )
        wait = retry_after(answer.headers.get("Retry-After", ""), attempt)
        if attempt == TRIES or time.monotonic() + wait >= deadline:
            raise RegistryError(
                f"the registry answered {answer.status_code} and asks to wait {wait} s",
                url,
                "Run again later.",
                ErrorClass.NETWORK,
                True,
            )
        time.sleep(wait)
    raise AssertionError("unreachable")


def retry_after(header: str, attempt: int) -> int:
    """Seconds to wait before the next try: as the server says, in seconds or as a date (RFC 9110), else 1, 2, 4."""
    if header.isdecimal():
        return int(header)
    with contextlib.suppress(ValueError):
        return max(0, math.ceil(parsedate_to_datetime(header).timestamp() - time.time()))
    return 1 << (attempt - 1)


def _request(session: requests.Session, url: str, headers: Mapping[str, str], deadline: float) -> requests.Response:
    left = deadline - time.monotonic()
    if left <= 0:
        raise RegistryError("did not answer in time", url, "Run again later.", ErrorClass.NETWORK, True)
    try:
        answer = session.get(url, headers=headers, timeout=min(left, 30), stream=True)
        body = bytearray()
        for piece in answer.iter_content(1 << 16):
            body += piece
            if len(body) > SIZE_LIMIT_BYTES or time.monotonic() > deadline:
                raise RegistryError(
                    "sends more, or more slowly, than a manifest takes",
                    url,
                    "Check the address.",
                    ErrorClass.NETWORK,
                    True,
                )
        answer._content = bytes(body)
    except requests.exceptions.SSLError as error:
        raise RegistryError(
            f"the TLS connection cannot be trusted ({connection_reason(error)})",
            url,
            "Behind a proxy that opens TLS, name the company's CA as ca_file in site.yml.",
            ErrorClass.INTEGRITY,
        ) from error
    except requests.exceptions.RequestException as error:
        raise RegistryError(
            f"cannot be reached ({connection_reason(error)})",
            url,
            "Check the connection, DNS and the proxy.",
            ErrorClass.NETWORK,
            True,
        ) from error
    return answer


def connection_reason(error: Exception) -> str:
    """The innermost words of an exception: no addresses of a proxy, which may hold a password."""
    text = re.sub(r"\S+://\S+", "", str(error))
    if "resolve" in text or "Name or service" in text or "name resolution" in text:
        return "DNS gives no address"
    known = ("Connection refused", "Connection reset", "Connection aborted", "timed out", "certificate verify failed")
    for words in (*known, "Proxy", "Network is unreachable"):
        if words in text:
            return words
    return type(error).__name__


def parse_challenge(header: str) -> dict[str, str]:
    """The parameters of a ``WWW-Authenticate: Bearer`` header; empty for any other scheme."""
    if not header.lower().startswith("bearer "):
        return {}
    return {key.lower(): value for key, value in re.findall(r'(\w+)="([^"]*)"', header)}


def pull_header(
    base_url: str, name: str, *, proxies: Mapping[str, str], verify: bool | str, timeout_s: float = 60
) -> tuple[tuple[str, str], ...]:
    """The header that lets a repository's content be pulled without a login; none where the registry asks for none.

    :raises RegistryError: it cannot be reached, or gives no such token
    """
    url, deadline = f"{base_url.rstrip('/')}/v2/", time.monotonic() + timeout_s
    with requests.Session() as session:
        session.proxies.update(proxies)
        session.verify = verify
        answer = _request(session, url, {}, deadline)
        if answer.status_code != 401:
            return ()
        challenge = answer.headers.get("WWW-Authenticate", "")
        token = _token(session, f'{challenge},scope="repository:{name}:pull"', url, deadline)
        return (("Authorization", f"Bearer {token}"),)


def _token(session: requests.Session, challenge: str, url: str, deadline: float) -> str:
    """An anonymous token for pulling. A realm without TLS is refused where the registry itself has it."""
    parts = parse_challenge(challenge)
    realm = parts.get("realm", "")
    secure = urlsplit(url).scheme == "https"
    if urlsplit(realm).scheme not in (("https",) if secure else ("http", "https")):
        raise RegistryError(
            "wants a login that wslgpu does not know", url, "Only public images can be resolved.", ErrorClass.PLATFORM
        )
    query = "&".join(f"{key}={quote(parts[key], safe='')}" for key in ("service", "scope") if key in parts)
    answer = _request(session, f"{realm}{'&' if '?' in realm else '?'}{query}", {}, deadline)
    try:
        data = answer.json()
        token = data.get("token") or data.get("access_token")
    except (ValueError, AttributeError):
        token = None
    if answer.status_code != 200 or not isinstance(token, str):
        raise RegistryError(
            f"gives no token for an anonymous pull ({answer.status_code})", url, "Run again later.", ErrorClass.PLATFORM
        )
    return token
