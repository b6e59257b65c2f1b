"""What a node says of itself in one round trip: manifest, paths, packages, users, units, images. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from wslgpu.manifest.model import Entry, Image

ManifestKind = Literal["none", "file", "link", "other", "unreadable"]


@dataclass(frozen=True)
class InstalledPackage:
    """One package as dpkg has it.

    :param status: ``installed``, ``config-files``, ``half-configured`` ...
    :param depends: dpkg's fields Pre-Depends and Depends, joined by a comma, as they are; ``recommends`` and
        ``provides`` likewise
    """

    version: str
    status: str
    automatic: bool = False
    held: bool = False
    depends: str = ""
    recommends: str = ""
    provides: str = ""


@dataclass(frozen=True)
class NodeState:
    """One node.

    :param manifest: the manifest's text; None where there is none
    :param entries: what stands at the paths and patterns that were asked for, by path
    :param units: is-enabled's word for each unit that was asked for, ``absent`` where there is none; beside them what
        else is enabled or masked on this node by a link in /etc/systemd
    :param active: is-active's word for each unit that was asked for
    :param images: ``repository:tag`` or ``repository@digest`` -> image, of the namespaces that were asked for
    :param artifacts: artifact -> digest of the version in use, ``damaged`` in its place where it is not whole
    :param kept: names (sha256) of what lies in the folder of what stood there before
    :param package_log: dpkg's own log, the lines of installs, upgrades and removals, oldest first
    """

    distribution: str
    now: str
    manifest: str | None
    entries: dict[str, Entry] = field(default_factory=dict)
    packages: dict[str, InstalledPackage] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    package_log: tuple[str, ...] = ()
    modified: dict[str, str] = field(default_factory=dict)
    """When each of ``entries`` was last modified, RFC 3339 in UTC."""
    manifest_kind: ManifestKind = "none"
    """What stands in the manifest's place; only a ``file`` is read, a link is never followed."""
    made: frozenset[str] = frozenset()
    """Of ``entries``, files whose first line says that wslgpu made them."""
    complete: bool = True
    """The node's answer came whole: where it did not, nothing may be concluded from what is missing."""
