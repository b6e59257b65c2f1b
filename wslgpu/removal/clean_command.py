"""``wslgpu clean`` on nodes: a deploy of one step, run once to tell what would go, and once to do it."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from wslgpu.apply.parent import ApplyRequest, run_apply
from wslgpu.apply.result import ApplyResult
from wslgpu.apply.sudo import sudo_kept
from wslgpu.removal.unneeded import NOTE

DEPLOY = """\
from wslgpu.host_settings import needs_sudo
from wslgpu.removal.clean_deploy import clean

clean(dry={dry!r}, _sudo=needs_sudo())
"""


@dataclass(frozen=True)
class CleanRequest:
    """Which hosts to clean."""

    inventory: Path
    environment: tuple[tuple[str, str], ...] = ()
    limit: tuple[str, ...] = ()
    site: Path | None = None
    verbose: bool = False


def clean_command(request: CleanRequest, *, dry: bool) -> ApplyResult:
    """Run it.

    :raises UsageError: sudo asks for a password and there is no terminal
    """
    with tempfile.TemporaryDirectory(prefix="wslgpu-clean-") as folder:
        deploy_file = Path(folder) / "clean.py"
        deploy_file.write_text(DEPLOY.format(dry=dry), encoding="utf-8")
        apply = ApplyRequest(
            request.inventory,
            limit=request.limit,
            dry=dry,
            verbose=request.verbose,
            site=request.site,
            environment=request.environment,
            deploy_file=deploy_file,
        )
        with sudo_kept() if request.inventory.name == "local.py" else nullcontext():
            return replace(run_apply(apply), command="clean")


def told_bytes(result: ApplyResult) -> dict[str, int]:
    """How many bytes each host can be rid of, or is."""
    return {
        host.host: sum(int(match["size"]) for text in host.notes if (match := NOTE.match(text)))
        for host in result.hosts
    }
