"""What ``wslgpu apply`` does around the run itself: data first, then digests and builds, then sudo, then pyinfra."""

from __future__ import annotations

from pathlib import Path

from wslgpu.apply.builds import build_missing, missing_builds
from wslgpu.apply.bundled import environment_for
from wslgpu.apply.digests import resolve_missing, unresolved
from wslgpu.apply.parent import ApplyRequest, run_apply
from wslgpu.apply.result import ApplyResult
from wslgpu.apply.sudo import sudo_kept
from wslgpu.errors import UsageError
from wslgpu.inventory import resolved_hosts
from wslgpu.pins import UNRESOLVED
from wslgpu.settings import PROJECT_ROOT, SITE_VARIABLE, load


def apply_command(
    inventory: Path,
    environment: tuple[tuple[str, str], ...],
    limit: tuple[str, ...],
    site: Path | None,
    only: tuple[str, ...],
    *,
    dry: bool,
    verbose: bool,
    bundle: Path | None = None,
) -> ApplyResult:
    """Check the data, resolve digests that are missing, build what is missing where the data lets it, and run.

    :param bundle: take everything from it, so that nodes need no network; nothing is resolved or built then
    :raises DataError: wrong data, before any host is contacted
    :raises BuildError: an artifact could not be built
    :raises UsageError: an unknown component, or sudo asks for a password and there is no terminal
    """
    settings = load(site)
    check_components(only)
    if bundle is not None:
        environment = (*environment, *environment_for(bundle, inventory, dict(environment)).items())
    wants_images = bundle is None and not dry and (not only or "cuda_images" in only)
    if wants_images and unresolved(settings) and _used_unresolved(inventory, environment, site):
        resolve_missing(site, write=True)
    if settings.artifacts_build_missing and not dry and bundle is None:
        build_missing(missing_builds(inventory, environment, limit, site, only), site)
    request = ApplyRequest(inventory, only, limit, dry, verbose, site, environment)
    if inventory.name == "local.py":
        with sudo_kept():
            return run_apply(request)
    return run_apply(request)


def _used_unresolved(inventory: Path, environment: tuple[tuple[str, str], ...], site: Path | None) -> bool:
    """Whether a host of the inventory is to get an image without a digest; its own data may name other images."""
    if site is not None:
        environment = (*environment, (SITE_VARIABLE, str(site.resolve())))
    hosts = resolved_hosts(inventory, environment).values()
    return any(row.get("digest") == UNRESOLVED for host in hosts for row in host.data.get("cuda_images", []))


def check_components(only: tuple[str, ...]) -> None:
    """Every name has a task.

    :raises UsageError: one that has none, with the names that there are
    """
    known = sorted(p.stem for p in (PROJECT_ROOT / "tasks").glob("*.py") if p.stem != "__init__")
    for component in only:
        if component not in known:
            raise UsageError(f"there is no component {component!r}", "", f"Known: {', '.join(known)}.")
