"""What a Debian release has at this moment, from the archive's signed index: apt asks, in a folder of its own.

The machine's own lists, sources and packages are neither read nor changed, so that any release can be asked on any
Debian or Ubuntu, by root and by anybody else. apt compares the index with the archive's signature and a file with the
index; what a pin says of a file is compared besides (:mod:`wslgpu.build.fetch`).
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wslgpu.build.access import Access
from wslgpu.build.apt_folder import Apt
from wslgpu.build.mirrors import candidates
from wslgpu.build.places import cache_dir
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.host_files import locked
from wslgpu.programs import run

MAX_AGE_S = 3600
_DIRECT = Access()

Kind = Literal["source", "binary"]


@dataclass(frozen=True)
class FoundFile:
    """One file that the archive has.

    :param version: of the package in the distribution: ``7.1.5-0+deb13u1``
    :param uri: where the archive keeps it
    """

    release: str
    package: str
    kind: Kind
    file: str
    version: str
    sha256: str
    size_bytes: int
    uri: str

    @property
    def upstream_version(self) -> str:
        """The version without epoch and Debian's revision: ``7.1.5``."""
        return re.sub(r"^\d+:", "", self.version).rpartition("-")[0] or self.version


def find(
    release: str,
    package: str,
    kind: Kind = "source",
    *,
    access: Access = _DIRECT,
    max_age_s: float = MAX_AGE_S,
    progress: Callable[[str], None] = lambda _: None,
) -> list[FoundFile]:
    """The files of a package, newest version first: upstream's archives of a source package, or the .deb for amd64.

    :param max_age_s: an index that is older is fetched anew
    :raises WslgpuError: the archive cannot be asked (network), or its signature is wrong (integrity)
    """
    apt = _ready(release, kind, access, max_age_s, progress)
    found: list[FoundFile] = []
    for index in apt.indexes():
        text = apt.read(index.file)
        for stanza in _stanzas(text, package):
            found += parse_stanza(stanza, release, kind, index.uri)
    unique = {file.sha256: file for file in found}
    order = functools.cmp_to_key(compare_versions)
    return sorted(unique.values(), key=lambda file: order(file.version), reverse=True)


def download(found: FoundFile, target: Path, *, access: Access = _DIRECT, timeout_s: float = 1800) -> None:
    """Fetch one file to ``target``; apt compares it with the signed index.

    :raises WslgpuError: it cannot be had (network), or is not what the index says (integrity)
    """
    apt = Apt(_folder(found.release, found.kind), access)
    apt.fetch(found.uri, target, found.sha256, timeout_s)


def _folder(release: str, kind: Kind) -> Path:
    return cache_dir() / "apt" / f"{release}-{kind}"


def _ready(release: str, kind: Kind, access: Access, max_age_s: float, progress: Callable[[str], None]) -> Apt:
    """An apt folder whose index is young enough; the mirrors that are known are tried in order."""
    folder = _folder(release, kind)
    stamp = folder / "updated"
    with locked(folder / "lock"):
        apt = Apt(folder, access)
        if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < max_age_s and any(apt.indexes()):
            return apt
        failures: list[WslgpuError] = []
        for sources in candidates(release):
            progress(f"asking Debian's archive what {release} has")
            try:
                apt.update(sources, "deb-src" if kind == "source" else "deb", release)
            except WslgpuError as error:
                failures.append(error)
                continue
            stamp.touch()
            return apt
    raise max(failures, key=lambda error: error.error_class is ErrorClass.INTEGRITY)


def _stanzas(index: str, package: str) -> Iterator[str]:
    """The stanzas of a package in a Packages or Sources file, which has some 60 MB: no pattern is held against it."""
    first, at = f"Package: {package}\n", -1
    while (at := index.find(first, at + 1)) >= 0:
        if at == 0 or index[at - 1] == "\n":
            end = index.find("\n\n", at)
            yield index[at : end if end > 0 else len(index)]


def parse_stanza(stanza: str, release: str, kind: Kind, repository: str) -> list[FoundFile]:
    """The files that one stanza names: of a source package those that upstream made, not Debian's own additions."""
    fields = dict(re.findall(r"^([A-Za-z0-9-]+):((?:.*(?:\n .*)*))", stanza, re.MULTILINE))
    package, version = fields["Package"].strip(), fields["Version"].strip()
    base = repository.rstrip("/")

    def found(file: str, folder: str, sha256: str, size: str) -> FoundFile:
        return FoundFile(release, package, kind, file, version, sha256, int(size), f"{base}/{folder}/{file}")

    if kind == "binary":
        folder, _, file = fields["Filename"].strip().rpartition("/")
        return [found(file, folder, fields["SHA256"].strip(), fields["Size"])]
    rows = [line.split() for line in fields.get("Checksums-Sha256", "").strip().splitlines()]
    directory = fields["Directory"].strip()
    return [found(file, directory, sha256, size) for sha256, size, file in rows if is_upstream(file)]


def is_upstream(file: str) -> bool:
    """Whether a file of a source package came from upstream: ``x_1.orig.tar.xz``, or a native package's whole."""
    return bool(re.search(r"\.tar\.(gz|bz2|xz|zst|lzma)$", file)) and ".debian.tar." not in file


def compare_versions(left: str, right: str) -> int:
    """-1, 0 or 1, as dpkg has it."""
    if left == right:
        return 0
    return -1 if run(["dpkg", "--compare-versions", left, "lt", right], check=False).ok else 1
