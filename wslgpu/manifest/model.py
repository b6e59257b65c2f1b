"""The node manifest: what wslgpu put on a node, when, by which version, from which lock, and what stood there before.

One JSON document at :data:`MANIFEST`, root's, mode 0600 (it holds digests of files that hold passwords). It is written
whole or not at all, before a component is touched (``applying``) and after it (``applied``), so that a run that was cut
off has told the truth. What was replaced is kept below :data:`BEFORE`, under its sha256.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wslgpu.pins import Strict

MANIFEST = "/var/lib/wslgpu/manifest.json"
BEFORE = "/var/lib/wslgpu/before"
"""Folder, mode 0700: copies of files that stood where ours stand now, each named by the sha256 of its content."""
SCHEMA = 1

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LockDigest = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")]
Utc = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


class Entry(Strict):
    """One path.

    :param mode: octal digits such as ``644``; empty for a link
    :param owner: ``user:group``
    :param sha256: of a file's content; empty for a directory or link
    :param target: of a link
    """

    kind: Literal["file", "directory", "link"]
    mode: str = ""
    owner: str = ""
    sha256: str = ""
    target: str = ""


class Package(Strict):
    """A package that is there, or has its version, because of us.

    :param before: the version that was installed before; empty where it was not installed
    :param automatic: apt counts it as a dependency
    """

    version: str
    before: str = ""
    automatic: bool = False


class Unit(Strict):
    """A unit whose state is our doing: ``enabled``, ``disabled``, ``masked``, ``static`` or ``absent``."""

    state: str
    before: str


class Image(Strict):
    """An image that we put into containerd's store."""

    namespace: str
    digest: str


class Begun(Strict):
    """What a node had before a component was begun; kept until it is recorded, however often it is begun again.

    :param packages: name -> installed version
    :param holds: packages that were held
    :param units: state of each unit that was looked at, or was enabled or masked
    :param images: ``reference`` -> digest, of the namespace that images go into
    """

    packages: dict[str, str] = {}
    holds: list[str] = []
    units: dict[str, str] = {}
    users: list[str] = []
    groups: list[str] = []
    images: dict[str, str] = {}


class Component(Strict):
    """What one component (a task's name) has on the node.

    :param state: ``applying``: begun and not ended, so that what follows may be incomplete; ``removing`` likewise
    :param settings: sha256 of the settings that it was applied with
    :param lock: digest of the lock; empty where none was used
    :param files: what is ours, by path
        A file without sha256 is made anew by what runs on the node: its content is no mark of a change by hand
    :param before: what stood at paths that are ours now; a path that is missing here stood for nothing. The content of
        a file is kept in :data:`BEFORE` under its sha256. While ``applying`` it is what stands at all claimed paths
    :param edited: of ``files``, those that somebody changed after us and that we changed again since: they may hold
        words of theirs. Path -> sha256 of what they had, kept in :data:`BEFORE`
    :param unknown_before: the component was there already when the manifest was begun, so that what stood before it is
        not known; only what is marked as ours is named
    :param holds: packages that we hold
    :param users: system users that came with it, name -> uid; ``groups`` likewise
    :param images: ``repository:tag`` -> image
    :param artifacts: artifact -> digest of the version in use
    :param begun: only while ``applying``
    """

    state: Literal["applying", "applied", "removing"]
    at: Utc
    tool_version: str
    settings: Hex
    lock: LockDigest = ""
    files: dict[str, Entry] = {}
    before: dict[str, Entry] = {}
    packages: dict[str, Package] = {}
    holds: list[str] = []
    units: dict[str, Unit] = {}
    users: dict[str, int] = {}
    groups: dict[str, int] = {}
    images: dict[str, Image] = {}
    artifacts: dict[str, str] = {}
    edited: dict[str, Hex] = {}
    unknown_before: bool = False
    begun: Begun | None = None


class Manifest(Strict):
    """The whole document.

    :param serial: grows by one with each write; a node whose manifest has a lower one than was seen before was
        restored from a backup
    :param tool_version: the version of wslgpu that wrote last; an older one refuses to touch the node
    :param unknown_before: of some component it was not known what stood before it: a copy in :data:`BEFORE` that no
        component names may be the only one of somebody's file, and is not deleted
    :param by: ``user@machine`` of who wrote last
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    serial: Annotated[int, Field(ge=0)] = 0
    tool_version: str
    at: Utc
    by: str
    unknown_before: bool = False
    components: dict[str, Component] = {}
