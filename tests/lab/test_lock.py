"""The lock on real nodes: made without changing them, the same from each, and the only source of versions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.conftest import LabFactory
from tests.lab.support.apply import Outcome, apply, refused, site
from tests.lab.support.command import wslgpu
from wslgpu.lab import Lab
from wslgpu.lab import locked as locked_packages
from wslgpu.lock.load import digest_of, load_lock
from wslgpu.lock.text import checksum, split

ASKED, NEEDED = "wslgpu-asked", "wslgpu-needed"
"""Packages of the test's own: the data ask for the first, which needs the second."""


def publish(lab: Lab, tmp: Path, name: str, version: str, *, depends: str = "", content: str = "") -> None:
    """Build a small package, and have the repository that the lab keeps locked packages in list it."""
    tree = tmp / f"{name}-{version}-{len(content)}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: lab <lab@invalid>\n"
        f"{f'Depends: {depends}{chr(10)}' if depends else ''}Description: for a test\n"
    )
    (tree / "usr/share" / name).mkdir(parents=True)
    (tree / "usr/share" / name / "version").write_text(f"{version}{content}\n")
    repository = locked_packages.repository(lab)
    target = repository.folder / f"{name}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, target], check=True, capture_output=True)
    repository.publish()


@pytest.fixture(scope="module")
def lab(lab_factory: LabFactory, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Two nodes; the data ask for a package of the test's own besides, and the lock has it."""
    made: Lab = lab_factory(nodes=2, lock=True)
    tmp = tmp_path_factory.mktemp("packages")
    publish(made, tmp, NEEDED, "1.0")
    publish(made, tmp, ASKED, "1.0", depends=NEEDED)
    data = yaml.safe_load(made.site_file.read_text())
    made.site_file.write_text(yaml.safe_dump({**data, "base_packages": ["curl", "gnupg", ASKED]}))
    done = wslgpu("lock", "--lab", made.name, "--limit", "node1")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def lock_kept(lab: Lab) -> Iterator[Path]:
    """The lock's file, as before at the end."""
    before = lab.lock_file.read_text()
    yield lab.lock_file
    lab.lock_file.write_text(before)


def locked(lab: Lab, name: str) -> str:
    part = load_lock(lab.lock_file)[0].distributions["debian 13"]
    return part.packages[name].version


def installed(lab: Lab, name: str, node: str = "node1") -> str:
    return lab.node(node).nsenter(f"dpkg-query -W -f='${{Version}}' {name} 2>/dev/null || true").stdout


def is_automatic(lab: Lab, name: str, node: str = "node1") -> bool:
    return lab.node(node).nsenter(f"apt-mark showauto {name}").stdout.split() == [name]


def base(lab: Lab, node: str = "node1") -> Outcome:
    return apply(lab, "--only", "base", "--limit", node)


def reseal(file: Path, text: str) -> None:
    """Write the lock with this text and the checksum that goes with it."""
    body = split(text)[1]
    file.write_text(f"{text.splitlines()[0]}\n# checksum: sha256:{checksum(body)}\n{body}")


def fresh_lists(lab: Lab, node: str = "node1") -> None:
    """The node forgets how old its package lists are, as it does after a day."""
    lab.node(node).nsenter("rm -f /var/lib/wslgpu/apt-lists; rm -rf /var/lib/apt/lists/*")


def test_two_machines_make_the_same_lock_and_are_not_changed_by_it(lab: Lab, tmp_path: Path) -> None:
    places = "/etc /usr/share/keyrings /var/lib/dpkg /var/lib/apt /var/cache/apt /var/cache/ldconfig /root /tmp"
    listing = f"find {places} -type f -exec sha256sum {{}} + | sort; find {places} | sort"
    node, sources = lab.node("node2"), locked_packages.SOURCES
    # what is this machine's alone: a password, the order of its sources, another architecture
    earlier = "/etc/apt/sources.list.d/000-lab.sources"
    node.nsenter(f"sed -i s,://,://ann:secret@, {sources} && mv {sources} {earlier} && dpkg --add-architecture i386")
    try:
        before = node.nsenter(listing).stdout
        done = wslgpu("lock", "--lab", lab.name, "--limit", "node2", "--to", str(tmp_path / "lock.yml"))
        assert done.returncode == 0, done.stderr
        assert node.nsenter(listing).stdout == before
    finally:
        node.nsenter(f"mv {earlier} {sources} && sed -i s,ann:secret@,, {sources} && dpkg --remove-architecture i386")
    assert (tmp_path / "lock.yml").read_bytes() == lab.lock_file.read_bytes()


def test_the_lock_closes_over_dependencies_with_hashes_and_signers(lab: Lab) -> None:
    lock = load_lock(lab.lock_file)[0]
    part = lock.distributions["debian 13"]
    assert set(part.closure(("containerd",))) >= {"containerd", "runc"}
    assert part.packages["libc6"].base
    assert not part.packages["runc"].base
    assert all(index.signed_by for index in part.indexes)
    debian = next(index for index in part.indexes if index.suite == "trixie")
    assert debian.snapshot.startswith("https://snapshot.debian.org/archive/debian/2")
    assert part.packages["nvidia-container-toolkit"].components == ["container_toolkit"]
    assert {image.used_by[0] for image in lock.images.values()} == {"cuda_images", "device-plugin", "vllm"}
    assert lock.downloads["container-toolkit-key"].size_bytes > 0


def test_a_deploy_takes_versions_from_the_lock_alone_until_it_moves(lab: Lab, tmp_path: Path) -> None:
    publish(lab, tmp_path, NEEDED, "2.0")
    fresh_lists(lab)
    outcome = base(lab)
    assert outcome.code == 0, outcome
    assert (installed(lab, NEEDED), installed(lab, ASKED)) == ("1.0", "1.0")
    assert is_automatic(lab, NEEDED)
    assert not is_automatic(lab, ASKED)
    again = base(lab)
    assert again.host()["changed"] == [], again

    checked = json.loads(wslgpu("lock", "--lab", lab.name, "--check", "--json").stdout)
    assert [(row["name"], row["newest"]) for row in checked["newer"] if not row["base"]] == [(NEEDED, "2.0")]
    assert checked["exit_code"] == 0

    shown = wslgpu("lock", "--lab", lab.name, "--upgrade")
    assert f"{NEEDED} (debian 13)  1.0 -> 2.0" in shown.stdout
    assert locked(lab, NEEDED) == "1.0", "only shown"
    written = wslgpu("lock", "--lab", lab.name, "--upgrade", "base", "--write")
    assert (written.returncode, locked(lab, NEEDED)) == (0, "2.0"), written.stderr

    outcome = base(lab)
    assert outcome.code == 0, outcome
    assert installed(lab, NEEDED) == "2.0"
    assert is_automatic(lab, NEEDED)


def test_a_dependency_that_a_killed_run_left_unmarked_is_marked_by_the_next(lab: Lab) -> None:
    node = lab.node("node1")
    assert base(lab).code == 0
    node.nsenter(f"apt-mark manual {NEEDED} && echo {NEEDED} >/var/lib/wslgpu/apt-automatic")
    outcome = base(lab)
    assert outcome.code == 0, outcome
    assert is_automatic(lab, NEEDED)
    assert not node.nsenter("test -e /var/lib/wslgpu/apt-automatic", check=False).ok


def test_what_apt_would_bring_besides_is_the_locks_or_refused(lab: Lab, lock_kept: Path) -> None:
    """A node's minimal system is older than what a locked package needs; or the lock does not know what it needs."""
    text, row = lock_kept.read_text(), load_lock(lock_kept)[0].distributions["debian 13"].packages[NEEDED]
    try:
        reseal(lock_kept, text.replace(f'depends: ["{NEEDED}"]', "depends: []"))
        refused(base(lab, "node2"), "platform", f"apt would bring {NEEDED}={row.version}", "the lock", node="node2")
        assert (installed(lab, ASKED, "node2"), installed(lab, NEEDED, "node2")) == ("", "")
        file = f'file: "{row.file}"'
        reseal(lock_kept, text.replace(file, f"{file}\n        base: true"))
        outcome = base(lab, "node2")
        assert outcome.code == 0, outcome
        assert installed(lab, NEEDED, "node2") == row.version
        assert is_automatic(lab, NEEDED, "node2")
    finally:
        lab.node("node2").nsenter(f"dpkg --purge {ASKED} {NEEDED}")


def test_another_package_under_the_same_version_is_refused(lab: Lab, tmp_path: Path) -> None:
    version = locked(lab, NEEDED)
    publish(lab, tmp_path, NEEDED, version, content=" rebuilt")
    fresh_lists(lab, "node2")
    refused(base(lab, "node2"), "integrity", NEEDED, "another hash than the lock", node="node2")
    assert installed(lab, NEEDED, "node2") == ""
    assert installed(lab, ASKED, "node2") == ""
    done = wslgpu("lock", "--lab", lab.name, "--check")
    assert done.returncode == 1
    assert f"{NEEDED} {version} (debian 13) has another hash" in done.stdout


def test_a_version_that_is_gone_is_named_with_what_is_there_and_since_when(lab: Lab, tmp_path: Path) -> None:
    version = locked(lab, NEEDED)
    locked_packages.repository(lab).delete_version(version)
    publish(lab, tmp_path, NEEDED, "3.0")
    fresh_lists(lab, "node2")
    error = refused(base(lab, "node2"), "platform", f"{NEEDED}={version} is gone", "3.0", node="node2")
    assert "bundle" in error["next_step"]
    assert installed(lab, ASKED, "node2") == ""
    done = wslgpu("lock", "--lab", lab.name, "--check", "--json")
    document = json.loads(done.stdout)
    gone: list[dict[str, Any]] = document["gone"]
    assert (done.returncode, document["exit_code"]) == (1, 1)
    assert [(row["name"], row["version"], row["there"]) for row in gone] == [(NEEDED, version, "3.0")]
    assert gone[0]["last_seen"] <= gone[0]["missed"]
    # the last good state is untouched, and a new lock lets the node converge
    assert wslgpu("lock", "--lab", lab.name).returncode == 0
    outcome = base(lab, "node2")
    assert outcome.code == 0, outcome
    assert installed(lab, NEEDED, "node2") == "3.0"


def test_data_that_disagree_are_refused_before_a_host_is_contacted(lab: Lab) -> None:
    listing = "ls -lan --time-style=full-iso /var/lib/wslgpu 2>&1 || true"
    before = lab.node("node1").nsenter(listing).stdout
    with site(lab, container_toolkit_version="1.19.1-1", kubernetes_role="prepare"):
        line = lab.site_file.read_text().splitlines().index("container_toolkit_version: 1.19.1-1") + 1
        outcome = apply(lab)
    assert outcome.code == 2
    text = outcome.told
    assert f"container_toolkit_version is 1.19.1-1 ({lab.site_file}:{line}), and 1.20.0-1 in the lock" in text
    assert "kubernetes_role is prepare" in text
    assert "disagree in 2 values" in text
    assert "Connecting" not in text
    assert lab.node("node1").nsenter(listing).stdout == before


def test_a_lock_edited_by_hand_is_refused_by_file_and_line(lab: Lab, lock_kept: Path) -> None:
    text = lock_kept.read_text()
    lock_kept.write_text(text.replace('version: "3.', 'version: "2.', 1))
    outcome = apply(lab)
    assert outcome.code == 2
    assert f"{lock_kept}:2: was edited by hand" in outcome.told
    # with its checksum made right, what does not close is still found
    reseal(lock_kept, text.replace(f'depends: ["{NEEDED}"]', 'depends: ["wslgpu-nothing"]'))
    line = lock_kept.read_text().splitlines().index('        depends: ["wslgpu-nothing"]') + 1
    outcome = apply(lab)
    assert outcome.code == 2
    assert (
        f"{lock_kept}:{line}: {ASKED} of debian 13 needs wslgpu-nothing, which the lock does not have" in outcome.told
    )


def test_without_a_lock_all_goes_on_with_a_note_unless_one_is_required(lab: Lab, lock_kept: Path) -> None:
    text = lock_kept.read_text()
    lock_kept.unlink()
    outcome = base(lab)
    assert outcome.code == 0, outcome
    assert "No lock: packages get the newest versions" in outcome.told
    with site(lab, lock_required=True):
        outcome = base(lab)
    assert outcome.code == 2
    assert "there is no wslgpu.lock.yml" in outcome.told
    lock_kept.write_text(text)
    named = apply(lab, "--only", "base", "--limit", "node1", environment={"WSLGPU_LOCK": "/nowhere.yml"})
    assert named.code == 2
    assert "/nowhere.yml: is not there" in named.told


def test_the_manifest_names_the_lock(lab: Lab) -> None:
    assert base(lab).code == 0
    manifest = json.loads(lab.node("node1").nsenter("cat /var/lib/wslgpu/manifest.json").stdout)
    assert manifest["components"]["base"]["lock"] == digest_of(lab.lock_file)
