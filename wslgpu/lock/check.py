"""Whether what a lock names can still be had: which versions are gone from the archives, and since when at the most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wslgpu.lock import apt
from wslgpu.lock.debian_version import compare
from wslgpu.lock.model import Index, Lock, LockedDistribution
from wslgpu.lock.node import run_there
from wslgpu.lock.resolve import TIMEOUT_S, Node
from wslgpu.settings import Settings


@dataclass(frozen=True)
class Gone:
    """A locked version that no index has any more, or has with another hash.

    :param last_seen: date of the index that the lock was made from
    :param missed: date of the same index today; empty where there is no such index any more
    :param there: the version that there is instead; empty for none
    :param snapshot: where the archive's state of that day is kept; empty for nowhere
    :param base: of the minimal system, of which nodes keep their own
    """

    distribution: str
    name: str
    version: str
    last_seen: str
    missed: str
    there: str
    altered: bool
    snapshot: str
    base: bool

    def __str__(self) -> str:
        if self.altered:
            return f"{self.name} {self.version} ({self.distribution}) has another hash in the archive than in the lock"
        since = f"between {self.last_seen} and {self.missed}" if self.missed else f"after {self.last_seen}"
        now = f"; the archive has {self.there}" if self.there else "; the archive has no other"
        kept = f"; kept at {self.snapshot}" if self.snapshot else ""
        return f"{self.name} {self.version} ({self.distribution}) is gone since a day {since}{now}{kept}"


@dataclass(frozen=True)
class Newer:
    """A package of which the archive has a newer version; the locked one is still there."""

    distribution: str
    name: str
    version: str
    newest: str
    base: bool


@dataclass(frozen=True)
class Checked:
    """What was found on one distribution; ``base`` packages count as those that nodes never move."""

    gone: tuple[Gone, ...]
    newer: tuple[Newer, ...]

    @property
    def lacking(self) -> tuple[Gone, ...]:
        """Those of ``gone`` without which a node cannot be made from the archives."""
        return tuple(row for row in self.gone if not row.base)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"gone": [vars(row) for row in self.gone], "newer": [vars(row) for row in self.newer]}


def check(lock: Lock, settings: Settings, machines: Sequence[Node], progress: Callable[[str], None]) -> Checked:
    """Ask the archives of these machines; nothing is changed there.

    :raises WslgpuError: an archive cannot be reached or trusted
    """
    gone: list[Gone] = []
    newer: list[Newer] = []
    for name in sorted(set(lock.distributions) - {machine.distribution for machine in machines}):
        progress(f"{name}: not asked, since there is no machine of it here")
    for machine in machines:
        part = lock.distributions.get(machine.distribution)
        if part is None:
            progress(f"{machine.distribution}: the lock has nothing for it")
            continue
        progress(f"{machine.distribution}: asking its archives")
        arguments: tuple[str | int, ...] = (
            settings.container_toolkit_repository_uri,
            settings.container_toolkit_key_url,
            settings.container_toolkit_key_fingerprint,
            settings.download_timeout_s,
            *(f"{name}={row.version}" for name, row in part.packages.items()),
        )
        found = apt.parse(run_there(machine.target, "lock_check", arguments, TIMEOUT_S))
        one = compared(machine.distribution, part, found)
        gone += one.gone
        newer += one.newer
    return Checked(tuple(gone), tuple(newer))


def compared(distribution: str, part: LockedDistribution, found: apt.Resolved) -> Checked:
    """The lock's part of a distribution against what its archives said. Pure."""
    today: dict[tuple[str, str], Index] = {(index.uri, index.suite): index for index in found.indexes.values()}
    gone, newer = [], []
    for name, row in part.packages.items():
        if (name, row.version, row.sha256) in found.has:
            if name in found.newest and compare(found.newest[name], row.version) > 0:
                newer.append(Newer(distribution, name, row.version, found.newest[name], row.base))
            continue
        index = part.indexes[row.index]
        now = today.get((index.uri, index.suite))
        altered = any(there[:2] == (name, row.version) for there in found.has)
        there = found.newest.get(name, "")
        missed = now.date if now else ""
        gone.append(Gone(distribution, name, row.version, index.date, missed, there, altered, index.snapshot, row.base))
    return Checked(tuple(gone), tuple(newer))
