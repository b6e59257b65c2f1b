"""Images on a real node, from a real registry that is then made to misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.raw_pyinfra import Run, apply
from wslgpu.errors import WslgpuError
from wslgpu.lab import Lab, Node
from wslgpu.lab.faults import Fault
from wslgpu.settings import load

pytestmark = pytest.mark.lab

TASK = "tasks.cuda_images.cuda_images"
MANIFESTS = "/v2/nvidia/cuda/manifests/"
BLOBS = "/v2/nvidia/cuda/blobs/"
PULLS = tuple(f"Pull the {role} image by digest" for role in ("base", "runtime", "devel"))


@pytest.fixture(scope="module")
def prepared(lab: Lab) -> Node:
    assert apply(lab, "tasks.containerd.containerd").rc == 0
    return lab.node()


@pytest.fixture
def node(prepared: Node, lab: Lab) -> Iterator[Node]:
    """A node that holds no image and no content, and a registry that behaves afterwards."""
    prepared.run(
        "for n in $(ctr -n k8s.io images ls -q); do ctr -n k8s.io images rm --sync $n; done >/dev/null 2>&1;"
        " for d in $(ctr -n k8s.io content ls -q); do ctr -n k8s.io content rm $d; done >/dev/null 2>&1; true"
    )
    assert held(prepared) == {}
    yield prepared
    lab.faults.clear()


def held(node: Node) -> dict[str, str]:
    """Names with a tag or digest of a repository, and what they point at."""
    rows = [line.split() for line in node.run("ctr -n k8s.io images ls").stdout.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if "/" in row[0]}


def wanted(lab: Lab) -> dict[str, str]:
    images = load(lab.site_file).cuda_images
    return {image.name: image.digest for image in images} | {image.reference: image.digest for image in images}


def images(lab: Lab, **changes: Any) -> list[dict[str, Any]]:
    """cuda_images of the lab, the first with other values."""
    first, *others = [image.model_dump(mode="json") for image in load(lab.site_file).cuda_images]
    return [{**first, **changes}, *others]


def error(run: Run, error_class: str, *, retryable: bool = False) -> WslgpuError:
    assert "Traceback" not in run.text
    (found,) = run.errors
    assert (found.error_class.value, found.retryable) == (error_class, retryable), found
    return found


def test_all_three_by_digest_and_tag(node: Node, lab: Lab) -> None:
    run = apply(lab, TASK)
    assert run.changed == PULLS, run.text
    assert held(node) == wanted(lab)
    assert "incomplete" not in node.run("ctr -n k8s.io images check").stdout
    assert apply(lab, TASK).changed == ()


def test_the_mirror_was_never_asked_what_a_tag_means(node: Node, lab: Lab) -> None:
    before = len(lab.faults.requests())
    assert apply(lab, TASK).rc == 0
    asked = [request["path"] for request in lab.faults.requests()[before:] if "/manifests/" in request["path"]]
    assert asked
    assert [path for path in asked if "sha256:" not in path] == []


@pytest.mark.parametrize("place", [MANIFESTS, BLOBS])
def test_other_bytes_are_refused_17_18(node: Node, lab: Lab, place: str) -> None:
    lab.faults.set(place, Fault(flip_byte=True))
    found = error(apply(lab, TASK), "integrity")
    assert "another hash" in found.what
    assert held(node) == {}
    lab.faults.clear()
    assert apply(lab, TASK).rc == 0
    assert held(node) == wanted(lab)


def test_one_bad_transfer_is_tried_again_18(node: Node, lab: Lab) -> None:
    lab.faults.set(BLOBS, Fault(flip_byte=True, times=1))
    assert apply(lab, TASK).rc == 0
    assert held(node) == wanted(lab)


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(status=429, retry_after=4000), Fault(drop=True)])
def test_a_registry_that_does_not_serve_16(node: Node, lab: Lab, fault: Fault) -> None:
    lab.faults.set(MANIFESTS, fault)
    found = error(apply(lab, TASK), "network", retryable=True)
    assert lab.state.base_url in found.what
    if fault.retry_after:
        assert str(fault.retry_after) in found.what
    assert held(node) == {}


def test_retry_after_is_honoured_16(node: Node, lab: Lab) -> None:
    lab.faults.set(MANIFESTS, Fault(status=429, retry_after=2, times=1))
    assert apply(lab, TASK).rc == 0
    assert held(node) == wanted(lab)


def test_a_slow_registry_meets_the_deadline_59(node: Node, lab: Lab) -> None:
    lab.faults.set(BLOBS, Fault(bytes_per_s=1000))
    run = apply(lab, TASK, download_timeout_s=4, cuda_images=images(lab, size_bytes=1000))
    assert "took longer" in error(run, "network", retryable=True).what
    assert held(node) == {}


def test_an_unresolved_digest_is_2(node: Node, lab: Lab) -> None:
    found = error(apply(lab, TASK, cuda_images=images(lab, digest="unresolved")), "usage")
    assert found.exit_code == 2
    assert "wslgpu pins resolve" in found.next_step
    assert held(node) == {}


def test_a_digest_that_no_registry_has(node: Node, lab: Lab) -> None:
    run = apply(lab, TASK, cuda_images=images(lab, digest="sha256:" + "0" * 64))
    (found,) = run.errors
    assert found.next_step
    assert held(node) == {}


def test_a_disk_without_room_is_said_before_anything_is_fetched_20(node: Node, lab: Lab) -> None:
    before = len(lab.faults.requests())
    found = error(apply(lab, TASK, cuda_images=images(lab, size_bytes=10**15)), "platform")
    assert "bytes" in found.what
    assert lab.faults.requests()[before:] == []


def test_a_tag_that_somebody_moved_is_put_back(node: Node, lab: Lab) -> None:
    assert apply(lab, TASK).rc == 0
    base, runtime, _ = (image.name for image in load(lab.site_file).cuda_images)
    node.run(f"ctr -n k8s.io images tag --force {base} {runtime}", check=True)
    assert apply(lab, TASK).changed == (PULLS[1],)
    assert held(node) == wanted(lab)


def test_lost_content_is_fetched_again(node: Node, lab: Lab) -> None:
    assert apply(lab, TASK).rc == 0
    node.run("ctr -n k8s.io content ls | awk '$2 ~ /MB/ {print $1; exit}' | xargs ctr -n k8s.io content rm", check=True)
    assert "incomplete" in node.run("ctr -n k8s.io images check").stdout
    assert apply(lab, TASK).rc == 0
    assert "incomplete" not in node.run("ctr -n k8s.io images check").stdout
