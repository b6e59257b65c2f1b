"""Packages at exact versions, held, through an apt that may be locked, interrupted, offline or lied to.

pyinfra's apt.packages knows no hold and no lock time-out, and reports apt's own words only. What is refused here
and how each failure is classed stands in scripts/apt_packages.sh.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.apt import AptPackages, PackageState
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
    wanted = dict(versions)
    present = bound.read(AptPackages, names=watched or names)
    if all(_settled(present.get(name), wanted.get(name, ""), hold) for name in names):
        host.noop(f"installed{' and held' if hold else ''}: {' '.join(names)}")
        return
    specifications = [f"{name}={wanted[name]}" if name in wanted else name for name in names]
    yield script("apt_packages", lock_timeout_s, download_timeout_s, hold, allow_downgrade, *specifications)


def _settled(state: PackageState | None, version: str, hold: bool) -> bool:
    if state is None or not state.installed or (version and state.version != version):
        return False
    return state.hold != "" if hold else state.hold != "ours"
