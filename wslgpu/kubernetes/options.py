"""Where the commands of :mod:`wslgpu.kubernetes.cli` look, as their options say."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wslgpu.command_options import all_options, inventory_path, json_option, site_option
from wslgpu.errors import UsageError
from wslgpu.kubernetes.kubectl import Kubectl
from wslgpu.lock.force import load_locked
from wslgpu.settings import Settings

_LIMIT = 200


class Seconds(click.FloatRange):
    """Of a wait: what is no number is below and above nothing, and would never end."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is no number.", param, ctx)
        return seconds


where_options = all_options(
    click.option("--on", metavar="TARGET", help="The cluster's node, where kubectl runs: ssh://[USER@]HOST."),
    click.option("--lab", metavar="NAME", help="The cluster of this lab, and the lab's data."),
    click.option(
        "--kubeconfig",
        type=click.Path(dir_okay=False, path_type=Path),
        help="kubectl runs here, with this file; else with KUBECONFIG or ~/.kube/config.",
    ),
    click.option("--context", metavar="NAME", help="Of the kubeconfig, instead of its current one."),
    site_option,
    json_option,
)
"""--on, --lab, --kubeconfig, --context, --site, --json."""


@dataclass(frozen=True)
class Place:
    """The cluster, and the data that it is to have."""

    kubectl: Kubectl
    settings: Settings


@contextmanager
def place(options: dict[str, Any]) -> Iterator[Place]:
    """What ``where_options`` gave.

    :raises UsageError: two places at once, a target without a shell of a node, a file that is not there
    :raises DataError: the site file is wrong
    """
    from wslgpu.check.targets import Asked, targets

    on, lab, kubeconfig, site = options["on"], options["lab"], options["kubeconfig"], options["site"]
    if sum(value is not None for value in (on, lab, kubeconfig)) > 1:
        raise UsageError("--on, --lab and --kubeconfig exclude each other", "", "Give one of them.")
    if kubeconfig is not None and not os.path.isfile(kubeconfig):  # noqa: PTH113  never raises, whatever the name
        raise UsageError("there is no such kubeconfig", str(kubeconfig)[:_LIMIT], "Check the path.")
    context = (options["context"] or "")[:_LIMIT]
    config = str(kubeconfig.resolve()) if kubeconfig is not None else ""
    inventory = None
    folder = None
    if lab is not None:
        from wslgpu.lab import state

        # of the control plane, which is the first; and the data that make the lab's own registry known
        inventory = inventory_path("lab", lab)
        folder = state.load(lab).directory
        site = site or folder / "site.yml"
    settings = load_locked(site, lab=folder)
    words = (on,) if on is not None else ()
    with targets(Asked(words, inventory)) as found:
        if found[0].kind.value in ("docker", "kubectl"):
            raise UsageError(f"{found[0].name} is a container", "--on", "Name the node itself: ssh://HOST.")
        yield Place(Kubectl(found[0], config, context), settings)
