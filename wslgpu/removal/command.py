"""``wslgpu remove``: a deploy of its own, run and judged as every other."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from wslgpu.apply.parent import ApplyRequest, run_apply
from wslgpu.apply.result import ApplyResult
from wslgpu.apply.sudo import sudo_kept
from wslgpu.lock.force import UNLOCKED_VARIABLE
from wslgpu.removal.order import chosen

DEPLOY = """\
from wslgpu.host_settings import needs_sudo
from wslgpu.removal.deploy import remove

remove({components!r}, force={force!r}, data={data!r}, dry={dry!r}, _sudo=needs_sudo())
"""


def remove_command(
    components: tuple[str, ...],
    inventory: Path,
    environment: tuple[tuple[str, str], ...],
    limit: tuple[str, ...],
    *,
    force: bool = False,
    data: bool = False,
    dry: bool = False,
    verbose: bool = False,
    site: Path | None = None,
) -> ApplyResult:
    """Take components away from each host; none named: all of them.

    :raises UsageError: an unknown component, or sudo asks for a password and there is no terminal
    """
    going = chosen(components)
    with tempfile.TemporaryDirectory(prefix="wslgpu-remove-") as folder:
        deploy_file = Path(folder) / "remove.py"
        deploy_file.write_text(DEPLOY.format(components=going, force=force, data=data, dry=dry), encoding="utf-8")
        request = ApplyRequest(
            inventory,
            limit=limit,
            dry=dry,
            verbose=verbose,
            site=site,
            # what is on the node says its manifest, whatever a lock of today asks for
            environment=(*environment, (UNLOCKED_VARIABLE, "yes")),
            deploy_file=deploy_file,
        )
        with sudo_kept() if inventory.name == "local.py" else nullcontext():
            return replace(run_apply(request), command="remove")
