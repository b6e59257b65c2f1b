"""vLLM on a node without Kubernetes: which files make up each form, and what a node has to have for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from wslgpu.facts.vllm import VllmState
from wslgpu.preflight.state import WINDOWS_FILE_SYSTEMS
from wslgpu.settings import Settings
from wslgpu.templates import render
from wslgpu.workloads import compose, quadlet
from wslgpu.workloads.model import NodeTruth
from wslgpu.workloads.vllm_key import environment_file

Form = Literal["quadlet", "compose"]
COMPOSE_FOLDER = "/etc/wslgpu/compose/vllm"
COMPOSE_UNIT = "/etc/systemd/system/wslgpu-vllm.service"
FILES: dict[Form, tuple[str, ...]] = {
    "quadlet": (quadlet.KEY_FILE, quadlet.PATH),
    "compose": (f"{COMPOSE_FOLDER}/{compose.KEY_FILE}", f"{COMPOSE_FOLDER}/compose.yaml", COMPOSE_UNIT),
}
"""Of each form, in the order in which they are written: what starts it comes last."""
ALL_FILES = tuple(path for paths in FILES.values() for path in paths)
PODMAN_PACKAGES = ("podman", "catatonit", "nftables", "iptables")
"""Podman, its --init, and what its network needs: nftables from netavark 1.12 on, iptables before; nobody but apt's
recommendations would bring them."""
LEAST_DOCKER = (25, 0)
"""CDI devices came with it, to be turned on; 28.3 has them on (https://docs.docker.com/build/building/cdi/)."""
LEAST_COMPOSE = (2, 24)


@dataclass(frozen=True)
class Obstacle:
    """What stands in the way, as node scripts say it."""

    error_class: str
    what: str
    next_step: str


def contents(form: Form, settings: Settings, truth: NodeTruth, key: str) -> dict[str, str]:
    """The text of each file of a form by path; empty for one that is not to be there.

    :raises WslgpuError: as the form's renderer
    """
    if form == "quadlet":
        text = quadlet.quadlet(settings, truth).files[quadlet.PATH.rpartition("/")[2]]
        return dict(zip(FILES["quadlet"], (key, text), strict=True))
    text = compose.compose(settings, truth).files["compose.yaml"]
    unit = render(COMPOSE_UNIT, folder=COMPOSE_FOLDER)
    return dict(zip(FILES["compose"], (environment_file(key) if key else "", text, unit), strict=True))


def is_secret(path: str) -> bool:
    """Whether a file of ours holds the key."""
    return path in (quadlet.KEY_FILE, f"{COMPOSE_FOLDER}/{compose.KEY_FILE}")


def model_path(settings: Settings) -> str:
    """The folder of a local model on the node; empty where it comes from the hub."""
    if settings.vllm_model_source != "local" or not settings.vllm_storage.host_path:
        return ""
    return f"{settings.vllm_storage.host_path}/{settings.vllm_model}"


def program_obstacles(form: Form, state: VllmState, *, start: bool) -> Iterator[Obstacle]:
    """What of Podman or Docker is missing or too old. Podman is installed by us, Docker never."""
    if form == "quadlet":
        version = state.podman or state.podman_candidate
        if version and _number(version) < quadlet.LEAST_PODMAN:
            least = ".".join(map(str, quadlet.LEAST_PODMAN))
            yield Obstacle(
                "platform",
                f"podman is {version}, and the quadlet is written for {least} and later (before 4.4 there are none)",
                "Debian 13 and Ubuntu 24.04 have one; here, use vllm_install: compose with Docker's engine.",
            )
        return
    if not start:
        return
    if not state.docker:
        step = "Install Docker Engine (https://docs.docker.com/engine/install/), or use vllm_install: quadlet."
        yield Obstacle("platform", "no Docker engine answers on this node, and wslgpu installs none", step)
    elif _number(state.docker) < LEAST_DOCKER:
        what = f"Docker Engine is {state.docker}, and CDI devices came with {'.'.join(map(str, LEAST_DOCKER))}"
        yield Obstacle("platform", what, "Update it.")
    elif not state.compose or _number(state.compose) < LEAST_COMPOSE:
        what = f"docker compose is {state.compose or 'not there'}, and {'.'.join(map(str, LEAST_COMPOSE))} is needed"
        yield Obstacle("platform", what, "Install Docker's package docker-compose-plugin.")


def start_obstacles(state: VllmState, settings: Settings) -> Iterator[Obstacle]:
    """What would make vLLM fail at start, though Podman or Docker did not."""
    path = model_path(settings)
    if path and state.model_file_system in WINDOWS_FILE_SYSTEMS:
        yield Obstacle(
            "usage",
            f"the model {path} is on a Windows drive ({state.model_file_system}): it would load for many times as long",
            "Copy it to the Linux file system, and name that folder in vllm_storage.",
        )
    elif path and state.model != "there":
        lacks = "has no config.json" if state.model == "incomplete" else "is not there"
        yield Obstacle("usage", f"the model {path} {lacks}", "Put it there, or correct vllm_model and vllm_storage.")
    if state.port and state.active not in ("active", "activating", "reloading"):
        yield Obstacle(
            "platform",
            f"port {settings.vllm_port} is taken by {state.port}",
            "End that program, or choose another port: vllm_port.",
        )


def _number(version: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
