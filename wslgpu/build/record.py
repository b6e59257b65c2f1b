"""What is written down about an artifact: the one document that store, deploy and verification share."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from wslgpu.build.pins import Identifier, Version
from wslgpu.pins import Strict

PREFIX_ROOT = "/opt/wslgpu"
"""Below it every artifact has its folder, in that one folder per version and key, and the link ``current``."""
KEY_DIGITS = 12
"""How much of the key stands in names."""

Sha256Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Requirements(Strict):
    """What an artifact asks of the node that it runs on.

    :param glibc: greatest version of a GLIBC_ symbol that it asks for, ``2.34``; empty where it asks for none
    :param glibcxx: as ``glibc``, of GLIBCXX_, ``3.4.29``
    :param cxxabi: as ``glibc``, of CXXABI_, ``1.3.9``
    :param sonames: the libraries that it links and does not bring, sorted
    """

    glibc: str = ""
    glibcxx: str = ""
    cxxabi: str = ""
    sonames: tuple[str, ...] = ()


class Proof(Strict):
    """One thing that was looked at before the artifact was stored."""

    name: str
    found: str


class ArtifactRecord(Strict):
    """One artifact.

    :param build: id of the row in builds.yml that it was made by
    :param key: sha256 in hexadecimal over all that can change the output
    :param key_parts: what went into the key, name -> value or digest, so that two keys can be compared
    :param digest: of the archive: an uncompressed tar, its members relative to the prefix (``lib/libvulkan_dzn.so``)
    :param size_bytes: of the archive
    :param bill: digest of the bill of materials
    :param provenance: digest of the provenance statement
    :param created: when the build ended, RFC 3339 in UTC; no part of the archive
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    artifact: Identifier
    version: Version
    build: Identifier
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    key_parts: dict[str, str]
    options: dict[str, Any]
    architecture: Literal["amd64"] = "amd64"
    base: str
    licence: str
    digest: Sha256Digest
    size_bytes: Annotated[int, Field(gt=0)]
    files: Annotated[int, Field(gt=0)]
    requirements: Requirements
    proofs: tuple[Proof, ...]
    bill: Sha256Digest
    provenance: Sha256Digest
    created: str
    duration_s: float
    tool_version: str

    @property
    def name(self) -> str:
        """``mesa-dozen-25.0.7-0123456789ab``: unique, and what people call it by."""
        return f"{self.artifact}-{self.folder}"

    @property
    def folder(self) -> str:
        """``25.0.7-0123456789ab``: its folder on a node, below /opt/wslgpu/ARTIFACT."""
        return f"{self.version}-{self.key[:KEY_DIGITS]}"

    @property
    def prefix(self) -> str:
        """Where it is installed on a node."""
        return f"{PREFIX_ROOT}/{self.artifact}/{self.folder}"


NAME = re.compile(
    rf"(?P<artifact>[a-z0-9][a-z0-9.+-]*?)-(?P<version>[0-9A-Za-z][0-9A-Za-z.+~]*)-(?P<key>[0-9a-f]{{{KEY_DIGITS}}})"
)
"""Of :attr:`ArtifactRecord.name`."""
