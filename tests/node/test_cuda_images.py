"""The CUDA images: what containerd holds, by digest, and that it runs."""

from __future__ import annotations

import pytest

from tests.node.support import containerd
from tests.node.support.checks import check, not_applicable, unknown
from tests.node.support.container import held_images, held_reference, pin_of, run_container
from tests.node.support.node import Node
from wslgpu.pins import UNRESOLVED, ImagePin
from wslgpu.settings import Settings

ROLES = ("base", "runtime", "devel")


@pytest.fixture(autouse=True)
def active(node: Node) -> None:
    containerd.require_active(node)


@pytest.fixture
def pin(role: str, settings: Settings) -> ImagePin:
    found = pin_of(settings, role)
    if found is None:
        not_applicable(f"the data names no {role} image")
    if found.digest == UNRESOLVED:
        unknown(f"{found.name} has no digest in the data; run `wslgpu pins resolve`")
    return found


@pytest.fixture
def reference(node: Node, settings: Settings, role: str, pin: ImagePin) -> str:
    found = held_reference(node, settings.cuda_images_namespace, pin)
    return found or unknown(f"the {role} image is not held (cuda_images.{role}.held)")


@check("cuda_images.{role}.held")
@pytest.mark.parametrize("role", ROLES)
def test_image_is_held(node: Node, settings: Settings, role: str, pin: ImagePin) -> None:
    """containerd holds the image with just the digest of the data."""
    found = held_images(node, settings.cuda_images_namespace)
    assert pin.digest in {image.digest for image in found}, (
        f"containerd holds no {pin.digest} in namespace {settings.cuda_images_namespace}"
    )


@check("cuda_images.{role}.tag")
@pytest.mark.parametrize("role", ROLES)
def test_tag_points_to_the_digest(node: Node, settings: Settings, role: str, pin: ImagePin) -> None:
    """The image's tag, which people and manifests use, names the same digest."""
    found = {image.reference: image.digest for image in held_images(node, settings.cuda_images_namespace)}
    assert pin.name in found, f"containerd knows no {pin.name}"
    assert found[pin.name] == pin.digest, f"{pin.name} is {found[pin.name]}, not {pin.digest}"


@check("cuda_images.{role}.complete")
@pytest.mark.parametrize("role", ROLES)
def test_image_is_complete(node: Node, settings: Settings, role: str, reference: str) -> None:
    """Every layer is there and unpacked."""
    answer = node.run("ctr", "-n", settings.cuda_images_namespace, "images", "check", f"name=={reference}")
    row = next((line for line in answer.lines if line.startswith(f"{reference} ")), "")
    assert row, f"containerd does not say whether {reference} is complete: {answer}"
    assert " complete " in row, f"{reference} is not complete: {row}"
    assert row.split()[-1] == "true", f"{reference} is not unpacked"


@check("cuda_images.{role}.runs")
@pytest.mark.parametrize("role", ROLES)
def test_image_runs(node: Node, settings: Settings, role: str, reference: str) -> None:
    """A container of the image runs a command of its own, without any GPU."""
    command = ("sh", "-c", "cat /etc/os-release && echo it-ran")
    answer = run_container(node, settings.cuda_images_namespace, reference, *command)
    ran = answer.ok and "it-ran" in answer.lines
    assert ran, f"a container of {reference} does not run: {answer}"
