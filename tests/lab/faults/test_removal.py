"""What stands in the way of removing things, and what becomes of it: nothing is touched, or a later run converges."""

from __future__ import annotations

import json

import pytest

from tests.lab.support.apply import Outcome, apply, refused
from tests.lab.support.nodes import file_replaced
from wslgpu.lab import Lab, Node
from wslgpu.manifest.model import MANIFEST

pytestmark = pytest.mark.lab

PROGRAM = "/usr/local/lib/wslgpu/refresh-cdi"
UNIT = "/etc/systemd/system/wslgpu-cdi-refresh.service"
EDITED = ".wslgpu-edited"


def remove(lab: Lab, *words: str) -> Outcome:
    return apply(lab, *words, verb="remove")


def manifest(node: Node) -> str:
    return node.nsenter(f"cat {MANIFEST}").stdout


def there(node: Node, *paths: str) -> bool:
    return node.nsenter(" && ".join(f"test -e {path}" for path in paths), check=False).ok


def test_what_was_changed_by_hand_is_refused_all_at_once(lab: Lab, node: Node) -> None:
    before = manifest(node)
    with file_replaced(node, PROGRAM, "mine\n"), file_replaced(node, "/etc/containerd/config.toml", "version = 2\n"):
        error = refused(remove(lab), "safety", PROGRAM, "/etc/containerd/config.toml", "--force", step="must not go")
        assert "(content)" in error["what"]
        dry = remove(lab, "--dry")
        assert PROGRAM in dry.errors()[0]["what"], dry
        assert dry.code == 1, dry
        assert node.nsenter(f"cat {PROGRAM}").stdout == "mine\n"
    assert manifest(node) == before
    assert there(node, UNIT)


def test_a_file_that_became_a_link_is_not_followed(lab: Lab, node: Node) -> None:
    node.put("/root/precious", "precious\n", 0o600)
    node.nsenter(f"ln -sfT /root/precious {PROGRAM}")
    refused(remove(lab, "video_cdi"), "safety", PROGRAM, "is a link to /root/precious now")
    outcome = remove(lab, "video_cdi", "--force")
    assert outcome.code == 0, outcome
    assert any(f"kept as {PROGRAM}{EDITED}" in note for note in outcome.host()["notes"]), outcome
    assert node.nsenter(f"readlink {PROGRAM}{EDITED}").stdout == "/root/precious\n"
    assert node.nsenter("cat /root/precious; stat -c %a /root/precious").stdout == "precious\n600\n"
    assert not there(node, UNIT)
    assert "video_cdi" not in json.loads(manifest(node))["components"]
    node.nsenter(f"rm {PROGRAM}{EDITED} /root/precious")
    outcome = apply(lab)
    assert outcome.code == 0, outcome
    assert there(node, UNIT, PROGRAM)
    assert apply(lab).host()["outcome"] == "unchanged"


def test_what_others_need_is_refused(lab: Lab) -> None:
    error = refused(remove(lab, "containerd"), "usage", "containerd is needed by", "container_toolkit")
    assert "wslgpu remove " in error["next_step"]
    outcome = remove(lab, "containerd,base")
    assert outcome.code == 2, outcome
    assert "no component 'containerd,base'" in outcome.document["error"]["what"], outcome


NEWER = {"schema": 1, "serial": 1, "tool_version": "99.1", "at": "2026-01-01T00:00:00Z", "by": "a@b", "components": {}}
MANIFESTS = {
    "corrupted": ('{"schema": 1, "serial"', "usage", "damaged", "wslgpu apply"),
    "newer": (json.dumps(NEWER), "usage", "99.1", "Upgrade wslgpu"),
    "of a newer schema": (json.dumps({**NEWER, "schema": 2}), "usage", "schema 2", "Upgrade wslgpu"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_a_manifest_that_cannot_be_gone_by_is_refused(lab: Lab, node: Node, case: str) -> None:
    text, error_class, *words = MANIFESTS[case]
    with file_replaced(node, MANIFEST, text):
        refused(remove(lab), error_class, *words)
        assert there(node, UNIT, PROGRAM)
        assert manifest(node) == text


def test_without_a_manifest_nothing_is_guessed(lab: Lab, node: Node) -> None:
    node.nsenter(f"mv {MANIFEST} /root/manifest")
    try:
        refused(remove(lab), "usage", f"there is no {MANIFEST}", UNIT, "wslgpu apply")
        node.nsenter(f"ln -s /root/manifest {MANIFEST}")
        refused(remove(lab), "safety", f"{MANIFEST} is a link", "not followed")
        assert there(node, UNIT, PROGRAM)
    finally:
        node.nsenter(f"mv -fT /root/manifest {MANIFEST}")


def test_disk_full_when_the_manifest_is_written(lab: Lab, node: Node) -> None:
    before = manifest(node)
    full = "/run/full"
    node.nsenter(
        f"mkdir {full} && mount -t tmpfs -o size=4m none {full} && cp -a /var/lib/wslgpu/. {full}/ &&"
        f" mount --bind {full} /var/lib/wslgpu"
    )
    node.nsenter(f"dd if=/dev/zero of={full}/zero bs=4k status=none", check=False)
    try:
        refused(remove(lab, "video_cdi"), "platform", "/var/lib/wslgpu", "free space", step="Remove video_cdi")
        assert manifest(node) == before
        assert there(node, UNIT, PROGRAM)
    finally:
        node.nsenter(f"umount /var/lib/wslgpu; umount {full}; rmdir {full}")
    assert manifest(node) == before


def test_a_node_that_was_rolled_back_and_a_package_that_others_need(lab: Lab, node: Node) -> None:
    """Files and manifest come back from a backup, and are removed again; what another package needs stays."""
    control = "Package: theirs\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n"
    node.put("/root/theirs/DEBIAN/control", f"{control}Depends: libnvidia-container1\n")
    node.nsenter("dpkg-deb --build /root/theirs >/dev/null && dpkg -i /root/theirs.deb >/dev/null")
    backup = "/etc /usr/local/lib /var/lib/wslgpu /usr/share/keyrings"
    node.nsenter(f"tar -C / -cf /root/backup.tar {' '.join(path[1:] for path in backup.split())}")
    try:
        for _ in range(2):
            outcome = remove(lab, "video_cdi", "container_toolkit")
            assert outcome.code == 0, outcome
            notes = outcome.host()["notes"]
            assert any("libnvidia-container1 stays: theirs needs" in note for note in notes), outcome
            form = "-f '${Package} ${Status}\\n'"
            status = node.nsenter(f"dpkg-query -W {form} 'libnvidia*' 'nvidia-container*'", check=False).stdout
            assert status == "libnvidia-container1 install ok installed\n"
            assert set(json.loads(manifest(node))["components"]) >= {"wsl", "base", "containerd", "cuda_images"}
            assert not there(node, UNIT)
            node.nsenter("tar -C / -xf /root/backup.tar && systemctl daemon-reload")
    finally:
        node.nsenter("dpkg --purge theirs; rm -r /root/theirs /root/theirs.deb /root/backup.tar", check=False)
    outcome = apply(lab)
    assert outcome.code == 0, outcome
    assert apply(lab).host()["outcome"] == "unchanged"
