"""What the proof rests on: the other order, manifests compared, and what it prints."""

from __future__ import annotations

import json
from typing import Any

from tests.command_line import wslgpu
from wslgpu.diff.compare import Comparison, Difference
from wslgpu.diff.proof import OTHER_ORDER, Pair, Proof, manifest_differences
from wslgpu.diff.proof_cli import document, lines
from wslgpu.diff.reasons import Reason
from wslgpu.manifest.claims import COMPONENTS
from wslgpu.manifest.model import Manifest

ONE = "1" * 64
FOLDER = {"kind": "directory", "mode": "755", "owner": "root:root"}
FILE = {"kind": "file", "mode": "644", "owner": "root:root", "sha256": ONE}


def manifest(at: str = "2026-05-01T12:00:00Z", **components: dict[str, Any]) -> Manifest:
    row = {"state": "applied", "at": at, "tool_version": "0.1.0", "settings": ONE}
    return Manifest.model_validate(
        {
            "tool_version": "0.1.0",
            "at": at,
            "by": f"somebody@{at}",
            "components": {name: {**row, **fields} for name, fields in components.items()},
        }
    )


def test_the_other_order_has_every_component_after_what_it_needs() -> None:
    assert sorted(OTHER_ORDER) == sorted(("preflight", *COMPONENTS))
    assert [name for name in OTHER_ORDER if name in COMPONENTS] != list(COMPONENTS)
    place = OTHER_ORDER.index
    assert place("base") < place("containerd") < place("container_toolkit") < place("video_cdi")
    assert place("containerd") < place("cuda_images")


def test_manifests_may_differ_in_when_and_by_whom() -> None:
    one, other = (
        manifest(containerd={"files": {"/x": FILE}}),
        manifest("2026-06-01T12:00:00Z", containerd={"files": {"/x": FILE}}),
    )
    assert manifest_differences(one, other) == ()


def test_manifests_may_not_differ_in_anything_else() -> None:
    one = manifest(containerd={"files": {"/x": FILE}, "packages": {"a": {"version": "1"}}})
    for other in (
        manifest(containerd={"packages": {"a": {"version": "1"}}}),
        manifest(containerd={"files": {"/x": {**FILE, "mode": "600"}}, "packages": {"a": {"version": "1"}}}),
        manifest(containerd={"files": {"/x": FILE}, "packages": {"a": {"version": "2"}}}),
        manifest(containerd={"files": {"/x": FILE}, "packages": {"a": {"version": "1"}}, "before": {"/x": FILE}}),
        manifest(),
    ):
        found = manifest_differences(one, other)
        assert [(diff.section, diff.name) for diff in found] == [("manifest", "containerd")]


def test_a_shared_folder_is_either_components() -> None:
    one = manifest(container_toolkit={"files": {"/etc/cdi": FOLDER}}, video_cdi={})
    assert manifest_differences(one, manifest(container_toolkit={}, video_cdi={"files": {"/etc/cdi": FOLDER}})) == ()
    found = manifest_differences(one, manifest(container_toolkit={}, video_cdi={}))
    assert [diff.name for diff in found] == ["folders"]


def proof(*differences: Difference) -> Proof:
    why = "Each machine has a name of its own."
    reason = Reason(id="host-name", comparing=["rebuild"], paths=["/etc/hostname"], why=why)
    allowed = Difference("path", "/etc/hostname", "changed", ("content",), "content 1", "content 2")
    comparison = Comparison(differences, ((allowed, reason),), (reason,))
    return Proof("sha256:" + ONE, 10, 2, (Pair("node1", "node2", "made later", comparison),), (("lab", 3.2),))


def test_text() -> None:
    told = list(lines(proof()))
    assert told[0] == "2 nodes from one lock (sha256:111111111111...) are the same"
    assert "  may differ: host-name (1): Each machine has a name of its own." in told
    told = list(lines(proof(Difference("package", "curl", "added", ("there",)))))
    assert "are NOT the same" in told[0]
    assert "  package curl: only on the second" in told


def test_json() -> None:
    told = document(proof(Difference("package", "curl", "added", ("there",))))
    assert (told["schema"], told["proven"], told["exit_code"]) == (1, False, 1)
    assert told["pairs"][0]["allowed"][0]["reason"] == "host-name"
    assert document(proof())["exit_code"] == 0
    json.dumps(told)


def test_a_lab_that_cannot_be_made_is_no_answer() -> None:
    done = wslgpu("rebuild-proof", "--name", "Not A Name", "--json")
    assert done.returncode == 2, done
    assert json.loads(done.stdout)["error"]["class"] == "usage"
