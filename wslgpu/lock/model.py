"""The lock, ``wslgpu.lock.yml``: what was resolved, from which signed indexes, for which settings.

No time of making and no name of a machine is in it: the same inputs give the same bytes anywhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from wslgpu.pins import Strict

LOCK_NAME = "wslgpu.lock.yml"
LOCK_VARIABLE = "WSLGPU_LOCK"
"""Environment variable that names another lock than the one in the project's root."""

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ImageDigest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Utc = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


class Index(Strict):
    """A signed index of an archive that packages were resolved from.

    :param uri: of the archive, as the node's source names it
    :param suite: ``trixie``, or ``/`` for a flat repository
    :param date: the Release file's own
    :param sha256: of the file InRelease, or Release where the archive signs that apart
    :param signed_by: fingerprints of the keys that signed it; apt has checked it with one of them that is trusted
    :param snapshot: where this very state of the archive can be had later, where its publisher keeps such
    """

    uri: str
    suite: str
    date: Utc
    sha256: Hex
    signed_by: list[str] = []
    snapshot: str = ""


class LockedPackage(Strict):
    """One package of one distribution.

    :param file: its place below the archive's uri
    :param index: position in the distribution's ``indexes``
    :param components: tasks that ask for it by name; empty for a dependency
    :param depends: the packages of this lock that it needs, by name, sorted
    :param base: of the distribution's own minimal system: a node keeps its own, unless another package needs this one
    """

    version: str
    sha256: Hex
    size_bytes: Annotated[int, Field(gt=0)]
    file: str
    index: Annotated[int, Field(ge=0)]
    components: list[str] = []
    depends: list[str] = []
    base: bool = False


class LockedDistribution(Strict):
    """What nodes of one distribution (``debian 13``) get. Every name in ``depends`` is one of ``packages``."""

    indexes: list[Index]
    packages: dict[str, LockedPackage]

    def closure(self, names: tuple[str, ...], *, base: bool = False) -> dict[str, LockedPackage]:
        """These packages and all that they need, by name, sorted.

        :param base: also what of the minimal system they need; it is left out otherwise
        :raises KeyError: a name that the lock does not have
        """
        found: dict[str, LockedPackage] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            row = self.packages[name]
            if name not in found and (base or not row.base or name in names):
                found[name] = row
                waiting += row.depends
        return dict(sorted(found.items()))


class LockedImage(Strict):
    """An image by digest, and the tasks and workloads that use it."""

    digest: ImageDigest
    used_by: list[str]


class LockedArtifact(Strict):
    """An artifact of the store."""

    build: str
    key: Hex
    digest: ImageDigest


class Download(Strict):
    """A file that nodes or builds fetch by its hash: a key, a source archive, a program."""

    url: str
    sha256: Hex
    size_bytes: int = 0


class Lock(Strict):
    """The whole of wslgpu.lock.yml.

    :param tool_version: the version of wslgpu that can read all of it
    :param inputs: the settings that decide versions, by name, as they were: what data and lock must agree on
    :param images: by ``repository:tag``
    :param manifests: sha256 of each rendered workload, by name
    :param downloads: ``container-toolkit-key``; ``k3s`` where nodes get it; ``source-ID`` of each source of the chosen
        builds, whose url is ``debian:RELEASE/PACKAGE/FILE`` or ``python:PACKAGE/FILE`` where only that archive has it
    :param python: sha256 of requirements.txt, by its name
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    tool_version: str
    profile: str
    inputs: dict[str, Any]
    distributions: dict[str, LockedDistribution] = {}
    images: dict[str, LockedImage] = {}
    artifacts: dict[str, LockedArtifact] = {}
    downloads: dict[str, Download] = {}
    python: dict[str, Hex] = {}
    manifests: dict[str, Hex] = {}
