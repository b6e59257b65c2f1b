"""What the store lacks, built on this machine before any host is contacted, where the data lets it."""

from __future__ import annotations

import sys
from pathlib import Path

from wslgpu.artifact_choice import ARTIFACTS, choose
from wslgpu.inventory import resolved_hosts
from wslgpu.settings import SITE_VARIABLE, Settings, of_data
from wslgpu.verify.command import limited

GROUPS = frozenset({"gpu_nodes", "build_nodes"})
"""The groups of which deploy.py gives artifacts to the hosts."""


def missing_builds(
    inventory: Path,
    environment: tuple[tuple[str, str], ...],
    limit: tuple[str, ...],
    site: Path | None,
    only: tuple[str, ...],
) -> dict[str, Settings]:
    """The builds that a host of the inventory is to get and the store does not have: name -> that host's settings.

    An artifact that is asked for by its digest, or that a lock does not have, is none of them: building gives what it
    gives.

    :raises UsageError: a limit that matches nothing
    :raises DataError: a host's data, or the store's folder
    """
    if site is not None:
        environment = (*environment, (SITE_VARIABLE, str(site.resolve())))
    found: dict[str, Settings] = {}
    for host in limited(list(resolved_hosts(inventory, environment).values()), limit):
        if not GROUPS & set(host.groups):
            continue
        settings = of_data(host.data)
        for artifact in ARTIFACTS:
            choice = choose(settings, artifact)
            wanted = choice.install != "absent" and (not only or artifact.replace("-", "_") in only)
            if wanted and choice.record is None and not choice.digest and not choice.unlocked:
                found[choice.build] = settings
    return found


def build_missing(builds: dict[str, Settings], site: Path | None) -> None:
    """Build them, one after the other.

    :raises WslgpuError: a build went wrong, and nothing is deployed
    """
    from wslgpu.build.build import build
    from wslgpu.build.request import BuildRequest

    for name, settings in builds.items():
        sys.stderr.write(f"The store has no {name}: it is built here first.\n")
        build(name, settings, BuildRequest(site=site))
