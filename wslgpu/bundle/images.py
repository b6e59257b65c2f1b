"""The images of a bundle: what a registry has below a digest, for the one architecture that nodes are of.

An index is kept as it is, since it is what the digest names, with the one manifest in it that fits; the others'
content is not fetched. Everything is asked for by digest, so any mirror will do: what it sends is compared.
Source: opencontainers/image-spec v1.1 (index, manifest), opencontainers/distribution-spec v1.1 (pulling).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wslgpu.build.access import Access
from wslgpu.bundle.index import Member
from wslgpu.bundle.work import Origin, Work
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.registry import ACCEPT, SIZE_LIMIT_BYTES, pull_header, registry_url
from wslgpu.settings import Mirror
from wslgpu.site_access import read_authorities

TOKEN_FOR_S = 120.0
"""How long a registry's token is used; registries give them five minutes or more."""
FOLDER = "images/blobs/sha256"


@dataclass(frozen=True)
class Blob:
    """One piece of an image's content.

    :param manifest: an index or manifest, which a registry has under another path than layers
    """

    digest: str
    size_bytes: int
    media_type: str = ""

    @property
    def sha256(self) -> str:
        return self.digest.removeprefix("sha256:")

    @property
    def path(self) -> str:
        """Its place in a bundle."""
        return f"{FOLDER}/{self.sha256}"

    @property
    def manifest(self) -> bool:
        return any(word in self.media_type for word in ("manifest", "image.index"))


def children(content: bytes, where: str) -> list[Blob]:
    """What an index or manifest names: of an index the one manifest for linux/amd64, of a manifest all.

    :raises WslgpuError: class integrity: it is neither; class platform: it has no image for linux/amd64
    """
    try:
        data = json.loads(content)
        if "manifests" in data:
            fitting = [row for row in data["manifests"] if _fits(row.get("platform", {}))]
            if not fitting:
                raise WslgpuError("has no image for linux/amd64", where, "Name another image.")
            return [_blob(fitting[0])]
        return [_blob(data["config"]), *(_blob(row) for row in data["layers"])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WslgpuError(
            f"is no image's index or manifest ({str(error)[:100]})", where, "Nothing was kept.", ErrorClass.INTEGRITY
        ) from error


def _fits(platform: dict[str, Any]) -> bool:
    return platform.get("os") == "linux" and platform.get("architecture") == "amd64" and not platform.get("variant")


def _blob(row: dict[str, Any]) -> Blob:
    digest = row["digest"]
    if not isinstance(digest, str) or not digest.startswith("sha256:") or len(digest) != 71 or not digest[7:].isalnum():
        raise ValueError(f"a digest {str(digest)[:80]!r}")
    return Blob(digest, int(row["size"]), str(row.get("mediaType", "")))


def walk(digest: str, read: Callable[[str], bytes], where: str) -> Iterator[Blob]:
    """An image's content, from the top down.

    :param read: gives the bytes of an index or manifest by its digest
    """
    content = read(digest)
    data = json.loads(content) if content[:1] == b"{" else {}
    media_type = data.get("mediaType") or ("image.index" if "manifests" in data else "manifest")
    yield Blob(digest, len(content), str(media_type))
    for child in children(content, where):
        if child.manifest:
            yield from walk(child.digest, read, where)
        else:
            yield child


class ImageSource:
    """A repository, at its own registry and at the site's mirrors for that."""

    def __init__(self, repository: str, mirrors: Sequence[Mirror], access: Access) -> None:
        self.repository, self.access = repository, access
        host = repository.partition("/")[0]
        own, self.name = registry_url(repository)
        self.places = [
            (mirror.url.rstrip("/"), self._trusting(mirror), f"?ns={host}")
            for mirror in mirrors
            if mirror.registry in (host, "_default")
        ]
        self.places.append((own, access, ""))
        self._headers: dict[str, tuple[float, tuple[tuple[str, str], ...]]] = {}

    def _trusting(self, mirror: Mirror) -> Access:
        return replace(self.access, authorities=self.access.authorities + read_authorities(mirror.ca_file))

    def origins(self, blob: Blob) -> Iterator[Origin]:
        """Where a piece can be had, mirrors first; a place is asked for a token when its turn comes."""
        kind = "manifests" if blob.manifest else "blobs"
        for base, access, query in self.places:
            url = f"{base}/v2/{self.name}/{kind}/{blob.digest}{query}"
            accept = (("Accept", ACCEPT),) if blob.manifest else ()
            yield Origin(url, access, accept, lambda base=base, access=access: self._header(base, access))  # type: ignore[misc]

    def _header(self, base: str, access: Access) -> tuple[tuple[str, str], ...]:
        at, header = self._headers.get(base, (-TOKEN_FOR_S, ()))
        if time.monotonic() - at >= TOKEN_FOR_S:
            header = pull_header(base, self.name, proxies=dict(access.proxies(base)), verify=access.bundle())
            self._headers[base] = (time.monotonic(), header)
        return header


def manifests_of(name: str, digest: str, source: ImageSource, work: Work) -> list[Blob]:
    """All content of an image; its index and manifest are fetched for that, and nothing else.

    :raises WslgpuError: nobody has it, or it is not what its digest says
    """

    def read(wanted: str) -> bytes:
        blob = Blob(wanted, 0, "manifest")
        what = f"the image {name} ({wanted})"
        return work.bring(what, blob.sha256, 0, list(source.origins(blob))).read_bytes()[:SIZE_LIMIT_BYTES]

    return list(walk(digest, read, name))


def bring(name: str, blob: Blob, source: ImageSource, work: Work, progress: Callable[[int], None]) -> Member:
    """Fetch one piece.

    :raises WslgpuError: nobody has it
    """
    work.bring(f"{blob.digest} of the image {name}", blob.sha256, blob.size_bytes, list(source.origins(blob)), progress)
    return Member(path=blob.path, size_bytes=blob.size_bytes, sha256=blob.sha256)
