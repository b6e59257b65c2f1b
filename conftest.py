"""pytest options, for every suite; pytest accepts them only here, at the root.

``pytest tests/node --hosts=ssh://node1 --ssh-config=FILE --inventory=inventory/fleet.py`` verifies a node the way
``wslgpu verify`` does. Without --inventory the settings are those of --site, else of site.yml, for every host.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wslgpu.settings import SITE_VARIABLE


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("wslgpu", "what tests/node holds a node against")
    group.addoption("--site", metavar="FILE", help="site file that the deploy used, instead of site.yml")
    group.addoption(
        "--inventory",
        metavar="FILE",
        help="pyinfra inventory that the deploy used (or the saved output of its debug-inventory --json): settings"
        " and groups per host; a host is found by its name or its ssh_hostname",
    )
    group.addoption(
        "--group",
        action="append",
        metavar="NAME",
        help="without --inventory: a group that the hosts are in (default: gpu_nodes); repeatable",
    )
    group.addoption(
        "--capability-level",
        choices=["quick", "standard", "full"],
        default="quick",
        help="how much test_capabilities.py looks at: reads only (default), short functional probes, benchmarks",
    )
    group.addoption(
        "--catalogue", metavar="DIR", help="a site's folder over the catalogue: its own entries, and its waivers"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "check(id, remedy): the permanent id of a check and what to do when it is red")
    config.addinivalue_line("markers", "first: the check whose failure explains those of the rest of its suite")
    if site := config.getoption("--site"):
        if not Path(site).is_file():
            raise pytest.UsageError(f"--site: there is no file {site}")
        os.environ[SITE_VARIABLE] = str(Path(site).resolve())
