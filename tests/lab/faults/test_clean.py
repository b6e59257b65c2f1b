"""What nothing pins any more goes from a node, told with its bytes; what is needed, or somebody else's, stays."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.lab.support.apply import Outcome, apply, refused, site
from tests.lab.support.command import wslgpu
from tests.lab.support.nodes import file_replaced, images
from wslgpu.lab import Lab, Node
from wslgpu.manifest.model import MANIFEST

pytestmark = pytest.mark.lab

ARCHIVES, ARTIFACT = "/var/cache/apt/archives", "/opt/wslgpu/ffmpeg"


def clean(lab: Lab, *words: str) -> Outcome:
    return apply(lab, *words, verb="clean")


def test_only_what_nothing_needs_goes(lab: Lab, node: Node) -> None:
    keep = f"{ARCHIVES}/theirs_1_all.deb {ARTIFACT}/mine {MANIFEST}"
    go = f"{ARCHIVES}/containerd_0_amd64.deb {ARTIFACT}/old {ARTIFACT}/.gone-x {MANIFEST}.damaged-1"
    node.nsenter(
        f"mkdir -p {ARTIFACT}/mine {ARTIFACT}/old/.wslgpu {ARTIFACT}/.gone-x; echo old >{ARTIFACT}/old/file;"
        f" echo a >{ARCHIVES}/theirs_1_all.deb; echo b >{ARCHIVES}/containerd_0_amd64.deb; echo c >{MANIFEST}.damaged-1"
    )
    before = images(node)
    try:
        with site(lab, cuda_images=_images(lab)[:2]):
            dry = clean(lab, "--dry")
            assert dry.code == 0, dry
            assert dry.host()["freed_bytes"] > 4096, dry
            assert node.nsenter(f"ls -d {keep} {go}").ok
            assert images(node) == before
            asked = wslgpu("clean", "--lab", lab.name)
            assert asked.returncode == 2, asked
            assert "--yes" in asked.stderr
            done = clean(lab, "--yes")
            assert done.code == 0, done
            assert done.host()["freed_bytes"] == dry.host()["freed_bytes"]
            assert any("set-sparse" in line for line in done.document["windows_side"])
            assert node.nsenter(f"ls -d {keep}").ok
            assert node.nsenter(f"ls -d {go} 2>/dev/null", check=False).stdout == ""
            gone = set(before) - set(images(node))
            assert gone
            assert all("devel" in name or "@" in name or name.startswith("sha256:") for name in gone), gone
            recorded = json.loads(node.nsenter(f"cat {MANIFEST}").stdout)["components"]["cuda_images"]["images"]
            assert not gone & set(recorded)
            again = clean(lab, "--yes")
            assert (again.code, again.host()["freed_bytes"]) == (0, 0), again
    finally:
        node.nsenter(f"rm -rf {ARTIFACT}/mine {ARCHIVES}/theirs_1_all.deb", check=False)
    outcome = apply(lab, "--only", "cuda_images")
    assert outcome.code == 0, outcome
    assert set(images(node)) >= set(before)


def test_a_node_that_a_newer_wslgpu_has_touched_is_left_alone(lab: Lab, node: Node) -> None:
    text = node.nsenter(f"cat {MANIFEST}").stdout
    newer = json.dumps({**json.loads(text), "tool_version": "99.1"})
    node.nsenter(f"echo b >{ARCHIVES}/containerd_0_amd64.deb")
    with file_replaced(node, MANIFEST, newer):
        refused(clean(lab, "--yes"), "usage", "99.1", "Upgrade wslgpu")
        assert node.nsenter(f"cat {ARCHIVES}/containerd_0_amd64.deb").stdout == "b\n"
    node.nsenter(f"rm {ARCHIVES}/containerd_0_amd64.deb")


def _images(lab: Lab) -> list[dict[str, object]]:
    found: list[dict[str, object]] = yaml.safe_load(lab.site_file.read_text())["cuda_images"]
    return found
