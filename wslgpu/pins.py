"""The pins: which versions, digests and fingerprints there are, and the profiles made of them.

``group_data/pins.yml`` is the one table. Everything in it is checked here; what a deploy uses is chosen by a
profile and by the site's own choices (:mod:`wslgpu.settings`).
"""

from __future__ import annotations

import datetime
import enum
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wslgpu.yaml_source import YamlDocument, load_yaml, validate

UNRESOLVED = "unresolved"


def _digest(value: str) -> str:
    if value != UNRESOLVED and not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise ValueError(f"must be sha256: and 64 hexadecimal digits, or {UNRESOLVED!r}; it is {value!r}")
    return value


def _fingerprint(value: str) -> str:
    compact = value.replace(" ", "").upper()
    if not re.fullmatch(r"[0-9A-F]{40}", compact):
        raise ValueError("must be a whole OpenPGP fingerprint of 40 hexadecimal digits, not a short key id")
    return compact


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@]+(:\d+)?(/\S*)?", value):
        # the value is not quoted: what is wrong with it may be that it holds a password
        raise ValueError("must be an http or https address without user and password")
    return value.rstrip("/")


def _url_or_none(value: str) -> str:
    return _url(value) if value else ""


Digest = Annotated[str, AfterValidator(_digest)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
Url = Annotated[str, AfterValidator(_url)]
OptionalUrl = Annotated[str, AfterValidator(_url_or_none)]
DebianVersion = Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+:~-]*$")]


class Strict(BaseModel):
    """A table whose unknown keys are errors, and which never changes once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class CdiSpecOwner(str, enum.Enum):
    """Who writes the CDI spec ``nvidia.com/gpu`` on a WSL2 node."""

    WSLGPU = "wslgpu"
    """Ours, at /etc/cdi/nvidia.yaml: NVIDIA's refresh unit never runs on WSL up to 1.19.0."""
    REFRESH_UNIT = "nvidia-cdi-refresh"
    """NVIDIA's unit, at /var/run/cdi/nvidia.yaml, from 1.19.1 on."""


class ToolkitVersion(Strict):
    """What one version of the NVIDIA Container Toolkit does on WSL2.

    :param wsl_mounts: ``fixed-list``: nine files, no codec library among them; ``whole-store``: every .so, .bin
        and .dll of the driver store
    :param size_bytes: what its four packages take to fetch, about
    """

    released: datetime.date
    cdi_spec_owner: CdiSpecOwner
    wsl_mounts: Literal["fixed-list", "whole-store"]
    size_bytes: Annotated[int, Field(gt=0)]
    source: Url


class ToolkitRepository(Strict):
    """NVIDIA's apt repository, a flat one: its suite is ``/``."""

    uri: Url
    key_url: Url
    key_fingerprint: Fingerprint
    source: Url


class PinnedImage(Strict):
    """An image in a registry.

    :param digest: of the index or manifest, or ``unresolved``
    :param seen: where and when the digest was seen
    :param verified: somebody compared it with the registry itself
    """

    repository: Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+$")]
    tag: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
    digest: Digest
    seen: str = ""
    verified: bool = False

    @property
    def name(self) -> str:
        """``repository:tag``, for people."""
        return f"{self.repository}:{self.tag}"

    @property
    def reference(self) -> str:
        """``repository@digest``, for pulling.

        :raises ValueError: the digest is unresolved
        """
        if self.digest == UNRESOLVED:
            raise ValueError(f"{self.name} has no digest")
        return f"{self.repository}@{self.digest}"


class ImagePin(PinnedImage):
    """One of the images that nodes have ready.

    :param size_bytes: compressed size, about; what is asked of the disk before pulling is three times that
    """

    role: Literal["base", "runtime", "devel"]
    size_bytes: Annotated[int, Field(gt=0)]


class Pins(Strict):
    """The whole of pins.yml. ``profiles`` hold settings by name; :mod:`wslgpu.settings` checks those."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    default_profile: str
    container_toolkit_repository: ToolkitRepository
    container_toolkit_versions: dict[DebianVersion, ToolkitVersion]
    profiles: dict[str, dict[str, Any]]


def load_pins(path: Path) -> tuple[Pins, YamlDocument]:
    """Read pins.yml.

    :raises DataError: anything wrong in it, by file and line
    """
    document = load_yaml(path)
    pins = validate(Pins, document)
    return pins, document
