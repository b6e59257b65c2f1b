"""pyinfra inventory: the nodes of a lab that `wslgpu lab up` made. WSLGPU_LAB names it; "default" otherwise."""

from __future__ import annotations

import os
import sys
from typing import Any

from wslgpu.errors import WslgpuError
from wslgpu.lab import Lab
from wslgpu.lock.force import inventory_overrides, of_lab


def _hosts() -> list[tuple[str, dict[str, Any]]]:
    try:
        lab = Lab.load(os.environ.get("WSLGPU_LAB", "default"))
        site = inventory_overrides(lab.site_file, of_lab(lab.directory))
    except WslgpuError as error:
        sys.stderr.write(f"wslgpu: {error}\n")
        raise SystemExit(2) from None
    except OSError as error:
        sys.stderr.write(f"wslgpu: {error}: the lab is not complete; wslgpu lab down, then up again\n")
        raise SystemExit(2) from None
    return [
        (
            node.name,
            {
                "ssh_hostname": node.address,
                "ssh_user": "root",
                "ssh_key": str(lab.directory / "id_ed25519"),
                "ssh_known_hosts_file": str(lab.directory / "known_hosts"),
                "ssh_strict_host_key_checking": "yes",
                # which profile is the site's choice; this lab only says where its versions come from
                **site,
            },
        )
        for node in lab.nodes
    ]


gpu_nodes = _hosts()
