"""What survives `wsl --shutdown`: run after one, before anything else has touched the node."""

from __future__ import annotations

import pytest

from tests.node.support import cdi, gpu, wsl
from tests.node.support.checks import check, not_applicable, unknown
from tests.node.support.container import NVIDIA_RUNTIME, held_images, held_reference, pin_of, run_container
from tests.node.support.node import Node
from wslgpu.pins import UNRESOLVED
from wslgpu.settings import Settings

_PROVISIONED = (
    "/etc/containerd/config.toml",
    "/etc/containerd/conf.d/99-nvidia.toml",
    "/etc/apt/sources.list.d/nvidia-container-toolkit.sources",
    "/usr/bin/nvidia-container-runtime",
)


@pytest.fixture(scope="module", autouse=True)
def restarted(node: Node) -> None:
    """The node was started after its last provisioning; otherwise nothing here would prove anything."""
    # ctime: when a file came to be on this node; its mtime may be the package's
    answer = node.run("stat", "-c", "%Z", *_PROVISIONED)
    times = [int(line) for line in answer.lines]
    if not times:
        unknown("nothing of wslgpu's is on this node")
    if max(times) > wsl.started_at(node):
        unknown("the node has not been restarted since it was provisioned; run this after `wsl --shutdown`")


@check("after_reboot.systemd.settled")
def test_boot_has_ended(node: Node) -> None:
    """The start came to its end: systemd waits for no job."""
    answer = node.run("systemctl", "is-system-running", "--wait", timeout_s=120)
    assert answer.out.strip() in ("running", "degraded"), f"systemd says {answer.out.strip()}"


@check("after_reboot.containerd.active")
def test_containerd_came_back(node: Node) -> None:
    """containerd came back by itself and answers."""
    assert node.run("systemctl", "is-active", "--quiet", "containerd").ok, "containerd did not come back"
    answer = node.run("ctr", "version")
    assert answer.ok, f"containerd does not answer: {answer}"


@check("after_reboot.containerd.uncorrected")
def test_containerd_started_once(node: Node) -> None:
    """It started at the first attempt."""
    answer = node.run("systemctl", "show", "containerd", "--property=NRestarts", "--value")
    assert answer.out.strip() == "0", f"systemd started containerd {answer.out.strip()} times again"


@check("after_reboot.images.held")
def test_images_survived(node: Node, settings: Settings) -> None:
    """The images are still held."""
    pins = [pin for pin in settings.cuda_images if pin.digest != UNRESOLVED]
    if not pins:
        not_applicable("the data pins no image")
    found = {image.digest for image in held_images(node, settings.cuda_images_namespace)}
    lost = [pin.name for pin in pins if pin.digest not in found]
    assert not lost, f"no longer held: {', '.join(lost)}"


@check("after_reboot.gpu.device")
def test_gpu_came_back(node: Node) -> None:
    """The driver's files and /dev/dxg are there again, and answer."""
    gpu.require(node)
    answer = gpu.ask(node, "list")
    assert answer.said, f"nvidia-smi -L {answer}"


@check("after_reboot.cdi.spec")
def test_cdi_spec_is_there(node: Node, settings: Settings) -> None:
    """The CDI spec is there without help: /var/run is empty after a start, so its owner made it anew."""
    gpu.require(node)
    place = cdi.PLACES[settings.toolkit.cdi_spec_owner]
    assert node.exists(place), f"{place} is not there"
    spec = cdi.parse(place, node.read(place))
    assert spec.devices == ["all"], f"{place} has the devices {spec.devices}"


@check("after_reboot.container.gpu")
def test_container_sees_the_gpu(node: Node, settings: Settings) -> None:
    """A container gets the GPU without anything having been repaired."""
    gpu.require(node)
    pin = pin_of(settings, "base")
    reference = held_reference(node, settings.cuda_images_namespace, pin) if pin else ""
    if not reference:
        unknown("the base image is not held (after_reboot.images.held)")
    command = ("nvidia-smi", "-L")
    inside = run_container(
        node, settings.cuda_images_namespace, reference, *command, devices="all", runtime=NVIDIA_RUNTIME
    )
    assert inside.ok, f"nvidia-smi does not run in a container: {inside}"
    host = gpu.ask(node, "list")
    assert inside.lines == host.lines, f"the container answers {inside.lines}, the host {host.lines}"
