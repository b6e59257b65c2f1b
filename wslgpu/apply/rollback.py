"""``wslgpu rollback``: a deploy of one step, run and judged as every other."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from wslgpu.apply.parent import ApplyRequest, run_apply
from wslgpu.apply.result import ApplyResult
from wslgpu.apply.sudo import sudo_kept
from wslgpu.artifact_choice import ARTIFACTS
from wslgpu.errors import UsageError

DEPLOY = """\
from wslgpu.apply.rollback_deploy import rollback
from wslgpu.host_settings import needs_sudo

rollback({artifact!r}, _sudo=needs_sudo())
"""


def rollback_command(
    artifact: str,
    inventory: Path,
    environment: tuple[tuple[str, str], ...],
    limit: tuple[str, ...],
    *,
    dry: bool = False,
    verbose: bool = False,
) -> ApplyResult:
    """Go back to the version of an artifact that each host had before.

    :raises UsageError: an unknown artifact, or sudo asks for a password and there is no terminal
    """
    if artifact not in ARTIFACTS:
        raise UsageError(f"there is no artifact {artifact!r}", "", f"Known: {', '.join(ARTIFACTS)}.")
    with tempfile.TemporaryDirectory(prefix="wslgpu-rollback-") as folder:
        deploy_file = Path(folder) / "rollback.py"
        deploy_file.write_text(DEPLOY.format(artifact=artifact), encoding="utf-8")
        request = ApplyRequest(
            inventory, limit=limit, dry=dry, verbose=verbose, environment=environment, deploy_file=deploy_file
        )
        with sudo_kept() if inventory.name == "local.py" else nullcontext():
            return replace(run_apply(request), command="rollback")
