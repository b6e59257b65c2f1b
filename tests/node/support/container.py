"""Containers run for a check: started by containerd's own client, gone afterwards."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from tests.node.support.node import Answer, Node
from wslgpu.pins import ImagePin
from wslgpu.settings import Settings

NVIDIA_RUNTIME = "/usr/bin/nvidia-container-runtime"
RUNC = ""
"""No runtime binary named: containerd's own runc."""


@dataclass(frozen=True)
class HeldImage:
    """A row of ``ctr images ls``."""

    reference: str
    digest: str


def held_images(node: Node, namespace: str) -> list[HeldImage]:
    """What containerd holds in a namespace; an AssertionError when it does not answer."""
    answer = node.run("ctr", "-n", namespace, "images", "ls")
    assert answer.ok, f"containerd does not list its images: {answer}"
    rows = [line.split() for line in answer.lines[1:]]
    return [HeldImage(row[0], row[2]) for row in rows if len(row) > 2]


def held_reference(node: Node, namespace: str, pin: ImagePin) -> str:
    """A reference under which containerd holds just the pinned digest; empty when it does not hold it."""
    found = [image.reference for image in held_images(node, namespace) if image.digest == pin.digest]
    return pin.name if pin.name in found else next(iter(found), "")


def pin_of(settings: Settings, role: str) -> ImagePin | None:
    """The image that the data names for a role."""
    return next((image for image in settings.cuda_images if image.role == role), None)


def run_container(
    node: Node,
    namespace: str,
    image: str,
    *command: str,
    devices: str = "",
    runtime: str = RUNC,
    mounts: tuple[str, ...] = (),
    environment: tuple[str, ...] = (),
    timeout_s: int = 60,
) -> Answer:
    """Run a command in a new container and remove it.

    :param devices: what to ask the NVIDIA runtime for (NVIDIA_VISIBLE_DEVICES); ``void`` asks for nothing. Always
        set, since CUDA images carry ``all`` in their own configuration
    :param runtime: the OCI runtime's program, or :data:`RUNC`
    """
    name = f"wslgpu-check-{uuid.uuid4().hex[:12]}"
    options = [f"--runc-binary={runtime}"] if runtime else []
    if "--cpu-shares" in node.kept("ctr", "run", "--help").out:
        # ctr's default of 1024 needs the CPU controller, which a kernel with WSL's cgroups may not offer
        options += ["--cpu-shares", "0"]
    for mount in mounts:
        options += ["--mount", mount]
    for variable in (f"NVIDIA_VISIBLE_DEVICES={devices or 'void'}", *environment):
        options += ["--env", variable]
    client = ("ctr", "-n", namespace)
    answer = node.run(*client, "run", "--rm", *options, image, name, *command, timeout_s=timeout_s)
    if not answer.ok:
        # a run that failed or was cut off leaves the container's record, and maybe its task, behind
        node.run(*client, "tasks", "rm", "--force", name)
        node.run(*client, "containers", "rm", name)
    return answer
