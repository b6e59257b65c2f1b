"""Packages at exact versions, held, through an apt that may be locked, interrupted, offline or lied to.

pyinfra's apt.packages knows no hold and no lock time-out, and reports apt's own words only. What is refused here
and how each failure is classed stands in scripts/apt_packages.sh.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.apt import AptPackages, Distribution, PackageState
from wslgpu.lock import force
from wslgpu.lock.model import Lock
from wslgpu.operations import bundle
from wslgpu.operations.script import script


@operation()
def packages(
    names: tuple[str, ...],
    *,
    versions: tuple[tuple[str, str], ...] = (),
    hold: bool = False,
    allow_downgrade: bool = False,
    lock_timeout_s: int = 120,
    download_timeout_s: int = 300,
    watched: tuple[str, ...] = (),
) -> Generator[StringCommand, None, None]:
    """Make sure that packages are installed, whole, at their versions, and held if asked for.

    The package lists are fetched only when something is to be installed, and then only when they are older than a
    day, a source or key changed, or the version is not in them.

    :param versions: ``(name, exact version)``; a package without one may have any version
    :param hold: hold all of them; with False, a hold that wslgpu made before is released. Holds that somebody else
        made are never released: changing such a package is refused
    :param allow_downgrade: a lower version than the installed one is refused without it
    :param lock_timeout_s: how long to wait for another apt or dpkg
    :param download_timeout_s: deadline of each of the downloads: lists, then packages
    :param watched: all packages that the calling task looks at, so that one round trip reads them all
    """
    lock = _lock()
    if lock is not None:
        yield from _locked(
            lock, names, hold, (lock_timeout_s, download_timeout_s, hold, allow_downgrade), watched=watched
        )
        return
    wanted = dict(versions)
    present = bound.read(AptPackages, names=watched or names)
    if all(_settled(present.get(name), wanted.get(name, ""), hold) for name in names):
        host.noop(f"installed{' and held' if hold else ''}: {' '.join(names)}")
        return
    specifications = [f"{name}={wanted[name]}" if name in wanted else name for name in names]
    yield script("apt_packages", lock_timeout_s, download_timeout_s, hold, allow_downgrade, *specifications)


def _lock() -> Lock | None:
    """The lock that the host's data were taken from.

    Data and lock were compared before (:mod:`wslgpu.lock.force`): versions that the data name are the lock's.
    """
    file, digest = host.data.get("lock_file", ""), host.data.get("lock_digest", "")
    return force.in_force(file, digest) if file else None


def _locked(
    lock: Lock, names: tuple[str, ...], hold: bool, options: tuple[int | bool, ...], *, watched: tuple[str, ...]
) -> Generator[StringCommand, None, None]:
    """As :func:`packages`, at the lock's versions, with all that the packages need at theirs.

    :param options: the script's first arguments
    """
    distribution = bound.read(Distribution)
    part = lock.distributions.get(distribution)
    if part is None:
        known = ", ".join(sorted(lock.distributions))
        step = "Make it for this node too: wslgpu lock, with an inventory that has it."
        yield script("fail", "usage", f"the lock has no {distribution}; it has {known}", step)
        return
    if missing := [name for name in names if name not in part.packages]:
        what = f"the lock has no package {', '.join(missing)} for {distribution}"
        yield script("fail", "usage", what, "Make it anew with these data: wslgpu lock")
        return
    rows = part.closure(names)
    everything = part.closure(tuple(name for name in (*names, *watched) if name in part.packages))
    present = bound.read(AptPackages, names=tuple(dict.fromkeys((*watched, *everything))))
    if all(_as_locked(present.get(name), row.version, hold if name in names else None) for name, row in rows.items()):
        host.noop(f"installed as locked{' and held' if hold else ''}: {' '.join(names)}")
        return
    arguments = [f"{name}={row.version}@{row.sha256}{'' if name in names else '@auto'}" for name, row in rows.items()]
    arguments += [
        f"{name}={row.version}@{row.sha256}@base"
        for name, row in part.closure(names, base=True).items()
        if name not in rows
    ]
    if (source := bundle.in_force()) is not None:
        lacking = {name: row for name, row in rows.items() if not _at(present.get(name), row.version)}
        yield from bundle.packages(source, lacking, *options, *arguments)
        return
    yield script("apt_packages", *options, *arguments)


def _at(state: PackageState | None, version: str) -> bool:
    return state is not None and state.installed and state.version == version


def _as_locked(state: PackageState | None, version: str, hold: bool | None) -> bool:
    """``hold``: None for a dependency, whose hold is nobody's business here."""
    if state is None or not state.installed or state.version != version or state.unmarked:
        return False
    return hold is None or (state.hold != "" if hold else state.hold != "ours")


def _settled(state: PackageState | None, version: str, hold: bool) -> bool:
    if state is None or not state.installed or (version and state.version != version):
        return False
    return state.hold != "" if hold else state.hold != "ours"
