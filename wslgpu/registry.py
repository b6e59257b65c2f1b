"""Asks a registry which digest a tag stands for, and writes the answer into the site file.

The registry HTTP API v2 (github.com/opencontainers/distribution-spec): a manifest's digest is the sha256 of its bytes,
so the answer is computed here and compared with what the registry says in ``Docker-Content-Digest``.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import requests
import yaml

from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.pins import UNRESOLVED
from wslgpu.yaml_source import load_yaml

_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_LIMIT_BYTES = 4 << 20
_HUB = "https://registry-1.docker.io"


class RegistryError(WslgpuError):
    """A registry that did not answer, or not with what was asked for. The run cannot go on without the answer."""

    def __init__(self, what: str, where: str, *, integrity: bool = False) -> None:
        super().__init__(
            what,
            where,
            "Run `wslgpu pins resolve` where the registry can be reached, or write the digest into site.yml.",
            ErrorClass.INTEGRITY if integrity else ErrorClass.NETWORK,
            not integrity,
        )


def resolve_digest(
    repository: str,
    tag: str,
    *,
    base_url: str | None = None,
    proxies: dict[str, str] | None = None,
    ca_file: str | None = None,
    timeout_s: float = 30,
) -> str:
    """The digest (``sha256:...``) of what a tag names now: an index where there is one, else a manifest.

    :param repository: with its registry, e.g. ``docker.io/nvidia/cuda``
    :param base_url: another address of that registry
    :param ca_file: PEM file to check the registry's certificate against, instead of the system's authorities
    :raises RegistryError: no answer, no such tag, too much of an answer, or a digest that is not its bytes'
    """
    registry, _, path = repository.partition("/")
    url = f"{base_url or (_HUB if registry == 'docker.io' else f'https://{registry}')}/v2/{path}/manifests/{tag}"
    session = requests.Session()
    session.proxies.update(proxies or {})
    if ca_file:
        session.verify = ca_file
    name = f"{repository}:{tag}"
    try:
        answer = _get(session, url, {"Accept": _ACCEPT}, timeout_s)
        if answer.status_code == requests.codes.unauthorized:
            token = _token(session, answer.headers.get("WWW-Authenticate", ""), timeout_s)
            answer = _get(session, url, {"Accept": _ACCEPT, "Authorization": f"Bearer {token}"}, timeout_s)
        body = _body(answer, name)
    except requests.exceptions.SSLError as error:
        raise RegistryError(f"its certificate is not trusted ({error})", url, integrity=True) from error
    except requests.RequestException as error:
        raise RegistryError(f"cannot be asked for {name} ({type(error).__name__})", url) from error
    if answer.status_code != requests.codes.ok:
        raise RegistryError(f"answered {answer.status_code} to the question for {name}", url)
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    said = answer.headers.get("Docker-Content-Digest", digest)
    if said != digest:
        raise RegistryError(f"says that {name} is {said}, but its bytes are {digest}", url, integrity=True)
    return digest


def _get(session: requests.Session, url: str, headers: dict[str, str], timeout_s: float) -> requests.Response:
    return session.get(url, headers=headers, timeout=timeout_s, stream=True)


def _body(answer: requests.Response, name: str) -> bytes:
    body = bytearray()
    for chunk in answer.iter_content(65536):
        body += chunk
        if len(body) > _LIMIT_BYTES:
            raise RegistryError(f"sends more than {_LIMIT_BYTES} bytes for {name}", answer.url, integrity=True)
    return bytes(body)


def _token(session: requests.Session, challenge: str, timeout_s: float) -> str:
    """A token for anonymous pulls, as the ``WWW-Authenticate`` header describes how to get one."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm", "")
    if not realm.startswith("https://"):
        raise RegistryError("asks for a login in a way that is not understood", realm or "the registry")
    answer = session.get(realm, params=fields, timeout=timeout_s)
    answer.raise_for_status()
    document: dict[str, Any] = answer.json()
    return str(document.get("token") or document.get("access_token") or "")


def write_site_digests(site: Path, digests: dict[str, str], rows: list[dict[str, Any]]) -> None:
    """Write resolved digests into a site file, which is made if missing; all else in it stays, comments included.

    :param digests: ``repository:tag`` -> digest
    :param rows: the images in force, as plain values: the whole list is written where the site has none of its own
    :raises UsageError: the site's own list is written in a way that a text edit cannot follow
    """
    text = site.read_text(encoding="utf-8") if site.exists() else ""
    if text.strip() and "cuda_images" in load_yaml(site).data:
        text = _edited(text, digests, site)
    else:
        resolved = [{**row, "digest": digests.get(f"{row['repository']}:{row['tag']}", row["digest"])} for row in rows]
        block = yaml.safe_dump({"cuda_images": resolved}, sort_keys=False)
        text = (text.rstrip("\n") + "\n\n" if text.strip() else "") + block
    new = site.with_name(f".{site.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(site)


def _edited(text: str, digests: dict[str, str], site: Path) -> str:
    rows: list[dict[str, str]] = load_yaml(site).data["cuda_images"]
    lines = text.splitlines()
    places = [i for i, line in enumerate(lines) if re.match(r"[\s-]*digest:", line)]
    if len(places) != len(rows):
        raise UsageError("cuda_images is not written one key per line", str(site), "Write the digests in by hand.")
    for place, row in zip(places, rows, strict=True):
        digest = digests.get(f"{row['repository']}:{row['tag']}")
        if digest and row["digest"] == UNRESOLVED:
            lines[place] = lines[place].replace(UNRESOLVED, digest, 1)
    return "\n".join(lines) + "\n"
