"""A CUDA kernel in a container, its result compared exactly. On a GPU this is the end of the matter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.node.support import containerd, gpu
from tests.node.support.checks import check, unknown
from tests.node.support.container import NVIDIA_RUNTIME, held_reference, pin_of, run_container
from tests.node.support.node import Node
from wslgpu.settings import Settings

_PROGRAM = Path(__file__).parent / "support" / "cuda_kernel.py"
_HOST_LIBRARIES = "/usr/lib/x86_64-linux-gnu"


@pytest.fixture(scope="module")
def told(node: Node, settings: Settings) -> dict[str, Any]:
    """What the kernel's program says, from inside a container.

    CUDA's base image has no python, so the node's own is used: its /usr is mounted read-only at /host/usr, and its
    loader started by name. The mount is not recursive, and WSL's libraries are mounts of their own under /usr:
    libcuda can come from nowhere but the CDI mounts.
    """
    gpu.require(node)
    if not node.run("/usr/bin/python3", "-c", "import ctypes").ok:
        unknown("the node has no python3 with ctypes to run the kernel with; install the package python3")
    containerd.require_active(node)
    pin = pin_of(settings, "base")
    reference = held_reference(node, settings.cuda_images_namespace, pin) if pin else ""
    if not reference:
        unknown("the base image is not held (cuda_images.base.held)")
    answer = run_container(
        node,
        settings.cuda_images_namespace,
        reference,
        f"/host{_HOST_LIBRARIES}/ld-linux-x86-64.so.2",
        "--library-path",
        f"/host{_HOST_LIBRARIES}",
        "/host/usr/bin/python3",
        "-c",
        _PROGRAM.read_text(encoding="utf-8"),
        devices="all",
        runtime=NVIDIA_RUNTIME,
        mounts=("type=bind,src=/usr,dst=/host/usr,options=bind:ro",),
        environment=("PYTHONHOME=/host/usr",),
        timeout_s=180,
    )
    if not answer.ok:
        return {"state": "not-run", "detail": f"the kernel's program {answer}"}
    result: dict[str, Any] = json.loads(answer.lines[-1])
    return result


@check("cuda_kernel.library")
def test_library_comes_from_the_mounts(told: dict[str, Any]) -> None:
    """The container loads libcuda, from WSL's driver files that the runtime mounted."""
    assert told["state"] != "not-run", told["detail"]
    assert told["state"] != "no-driver", f"libcuda cannot be loaded in the container: {told['detail']}"
    wrong = [path for path in told["library"] if not path.startswith("/usr/lib/wsl/")]
    assert told["library"], "libcuda was loaded from nowhere"
    assert not wrong, f"libcuda was loaded from {', '.join(wrong)}"


@check("cuda_kernel.result", "Update the Windows driver; then read `dmesg` for dxgkrnl's messages.")
def test_kernel_computes(told: dict[str, Any], notice: Any) -> None:
    """A million integers computed on the GPU, and their sum, are exact."""
    if told["state"] == "stand-in":
        unknown("stand-in driver: no kernel can run")
    if told["state"] in ("not-run", "no-driver"):
        unknown("libcuda could not be loaded in a container (cuda_kernel.library)")
    assert told["state"] == "ran", f"the kernel did not compute: {told['state']}: {told['detail']}"
    notice(f"a CUDA kernel ran on {told['device']} in a container: {told['detail']}")
