"""What is known of an artifact once it is packed: what its bill of materials and its provenance are written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from wslgpu.build.pins import OptionValue, SourcePin
from wslgpu.build.recipe import Recipe
from wslgpu.build.record import Requirements


@dataclass(frozen=True)
class Made:
    """One artifact.

    :param build: id of the row in builds.yml
    :param digest: ``sha256:...`` of the archive
    :param licence: SPDX expression of the result
    :param sources: role -> pin, of the roles that were needed
    :param packages: package -> exact version, of everything in the clean root
    :param recipe_files: relative name -> sha256 of each file of the recipe's folder
    :param epoch: SOURCE_DATE_EPOCH
    """

    build: str
    artifact: str
    version: str
    key: str
    digest: str
    licence: str
    recipe: Recipe
    options: Mapping[str, OptionValue]
    sources: Mapping[str, SourcePin]
    packages: Mapping[str, str]
    epoch: int
    requirements: Requirements = field(default_factory=Requirements)
    recipe_files: Mapping[str, str] = field(default_factory=dict)

    @property
    def hex(self) -> str:
        """The digest without its algorithm."""
        return self.digest.removeprefix("sha256:")


def package_url(name: str, version: str, release: str, architecture: str = "amd64", vendor: str = "debian") -> str:
    """The package URL of a Debian package. Source: purl-spec, type ``deb``, whose namespace is the vendor."""
    return f"pkg:deb/{vendor}/{name}@{quote(version, safe='')}?arch={architecture}&distro={release}"


def source_url(pin: SourcePin) -> str:
    """Where a source comes from: its first address, or the package that has it."""
    if pin.urls:
        return pin.urls[0]
    if pin.debian:
        kind = "source" if pin.debian.kind == "source" else "amd64"
        return package_url(pin.debian.package, pin.version, pin.debian.release, kind)
    assert pin.python is not None  # noqa: S101  SourcePin has one of the three
    return f"pkg:pypi/{pin.python.package.lower()}@{quote(pin.version, safe='')}"
