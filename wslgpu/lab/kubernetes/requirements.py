"""What a lab with Kubernetes asks of its other options, and of this machine: refused before anything is made."""

from __future__ import annotations

import shutil
from pathlib import Path

from wslgpu.build.elf import is_elf
from wslgpu.errors import ErrorClass
from wslgpu.lab.errors import LabError


def require(kubernetes: bool, device_plugin: Path | None, nodes: int, kind: str, cgroup: str) -> None:
    """Look at everything that is asked for together with Kubernetes.

    :raises LabError: what cannot be made so
    """
    if device_plugin is not None:
        require_device_plugin(device_plugin)
        if not kubernetes:
            raise _refused("a device plugin is of use with Kubernetes only", "--device-plugin", "add --kubernetes")
    if not kubernetes:
        return
    if cgroup != "v1":
        what = f"its kubelet needs control groups version 1, and {cgroup} was asked for"
        raise _refused(what, "--cgroup", "leave --cgroup out, or say v1")
    if nodes != 1:
        raise _refused(f"a lab with Kubernetes is one node, not {nodes}", "--nodes", "leave --nodes out")
    if kind != "node":
        raise _refused(f"a node of kind {kind!r} cannot be a control plane", "--kind", "leave --kind out")
    if shutil.which("openssl") is None:
        step = "apt-get install --yes --no-install-recommends openssl"
        raise _refused("this machine lacks openssl, which makes the cluster's certificates", "lab host", step)


def require_device_plugin(file: Path) -> None:
    """The program of a device plugin, as its image has it at /usr/bin/nvidia-device-plugin.

    :raises LabError: it is not there, or no program
    """
    step = "name the program nvidia-device-plugin, or leave it out for the lab's stand-in"
    if not file.exists():
        raise _refused("there is no such file", str(file), step)
    if not file.is_file() or not is_elf(file):
        raise _refused("it is no Linux program", str(file), step)


def _refused(what: str, where: str, next_step: str) -> LabError:
    return LabError(what=what, where=where, next_step=next_step, error_class=ErrorClass.USAGE)
