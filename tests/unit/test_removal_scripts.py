"""The shell that takes things away from a node, in folders of a test's own."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from wslgpu.facts.script import SCRIPTS as FACTS
from wslgpu.node_script import program
from wslgpu.operations.script import SCRIPTS

# changing the owner, and asking a node's services, needs more than these tests have
STAND_INS = "chown() { :; }\nsystemctl() { return 1; }\n"
PLACES = ("/var/lib/wslgpu", "/var/cache", "/opt/wslgpu", "/etc", "/usr/share/keyrings", "/usr/local")


def run(root: Path, name: str, *arguments: str, folder: Path = SCRIPTS) -> subprocess.CompletedProcess[str]:
    """A script with every place that it knows moved below ``root``."""
    text = program(folder / f"{name}.sh")
    for place in PLACES:
        text = text.replace(place, f"{root}{place}")
    words = ["sh", "-c", STAND_INS + text, "test", *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def put(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place in PLACES:
        (tmp_path / place[1:]).mkdir(parents=True)
    return tmp_path


def test_what_stood_there_comes_back_with_its_mode_and_a_link_is_replaced(root: Path) -> None:
    before, path = root / "before", root / "etc/a file"
    put(before / sha256("theirs"), "theirs")
    victim = put(root / "victim", "precious")
    path.symlink_to(victim)
    words = ("file", str(path), "640", "root:root", sha256("theirs"), str(before))
    for _ in range(2):
        assert run(root, "removal_files", *words).returncode == 0
        assert (path.read_text(), path.stat().st_mode & 0o777, path.is_symlink()) == ("theirs", 0o640, False)
    assert run(root, "removal_files", "link", str(path), "root:root", "/nowhere at all").returncode == 0
    assert (str(path.readlink()), victim.read_text()) == ("/nowhere at all", "precious")


def test_a_copy_that_is_not_what_it_was_is_not_put_back(root: Path) -> None:
    put(root / "before" / sha256("theirs"), "altered")
    path = put(root / "etc/file", "ours")
    done = run(root, "removal_files", "file", str(path), "640", "root:root", sha256("theirs"), str(root / "before"))
    assert done.returncode == 1
    assert "wslgpu [integrity]" in done.stderr
    assert path.read_text() == "ours"
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_only_what_is_as_it_was_seen_is_deleted(root: Path) -> None:
    path, link = put(root / "etc/-odd *name", "changed"), root / "etc/link"
    link.symlink_to(path)
    for one in (path, link):
        done = run(root, "removal_files", "delete", str(one), sha256("ours"))
        assert (done.returncode, "wslgpu [safety]" in done.stderr) == (1, True)
    assert run(root, "removal_files", "delete", str(link), "-").returncode == 0
    assert (link.is_symlink(), path.read_text()) == (False, "changed")
    assert run(root, "removal_files", "delete", str(path), sha256("changed")).returncode == 0
    assert not path.exists()


def test_an_edited_file_gets_a_name_that_is_free(root: Path) -> None:
    path = root / "etc/file"
    for text in ("first", "second", "third"):
        put(path, text)
        assert run(root, "removal_files", "aside", str(path), ".wslgpu-edited").returncode == 0
    names = ("", "-2", "-3")
    assert [(root / f"etc/file.wslgpu-edited{name}").read_text() for name in names] == ["first", "second", "third"]


def test_a_folder_goes_with_what_a_cut_off_run_left_and_with_nothing_else(root: Path) -> None:
    ours, theirs = root / "etc/containerd", root / "etc/cdi"
    put(ours / ".config.toml.wslgpu-AbCdEf")
    put(ours / ".wslgpu-stage/config.toml")
    put(theirs / ".mine")
    (root / "etc/link").symlink_to(theirs)
    words = [word for name in ("containerd", "cdi", "link", "none") for word in ("folder", str(root / "etc" / name))]
    assert run(root, "removal_files", *words).returncode == 0
    assert not ours.exists()
    assert (theirs / ".mine").exists()
    assert (root / "etc/link").is_symlink()


@pytest.mark.parametrize("how", ["all", "all-but-copies"])
def test_at_the_end_nothing_of_ours_stays(root: Path, how: str) -> None:
    own = root / "var/lib/wslgpu"
    names = ["manifest.json", "apt-holds", "apt-holds.AbCdEf", "apt-automatic", "apt-automatic.new", "kubernetes.new"]
    for name in (*names, "manifest.json.damaged-1", "manifest.json.damaged-2/x", "containerd-last-good.new/x"):
        put(own / name)
    put(own / "before" / sha256("theirs"), "theirs")
    put(root / "var/cache/wslgpu-bundle/incoming/x")
    left = [put(root / place / ".x.wslgpu-AbCdEf") for place in ("etc/apt", "usr/local/bin", "usr/share/keyrings")]
    theirs = [put(root / "etc/x.wslgpu-edited"), put(root / "etc/apt/x.wslgpu-before")]
    done = run(root, "removal_end", str(own / "before"), how)
    assert (done.returncode, done.stderr) == (0, "")
    assert not any(path.exists() for path in (*left, root / "var/cache/wslgpu-bundle"))
    assert all(path.exists() for path in theirs)
    if how == "all":
        assert not own.exists()
    else:
        assert [str(path.relative_to(own)) for path in own.rglob("*")] == ["before", f"before/{sha256('theirs')}"]


def test_our_folder_that_is_a_link_is_left_alone(root: Path) -> None:
    own = root / "var/lib/wslgpu"
    own.rmdir()
    put(root / "far/manifest.json")
    own.symlink_to(root / "far")
    done = run(root, "removal_end", str(own / "before"), "all")
    assert (done.returncode, "wslgpu [safety]" in done.stderr) == (1, True)
    assert (root / "far/manifest.json").exists()


def test_clean_finds_and_deletes_in_our_places_alone(root: Path) -> None:
    version = put(root / "opt/wslgpu/ffmpeg/old/.wslgpu/digest").parent.parent
    put(root / "opt/wslgpu/ffmpeg/new/.wslgpu/digest")
    put(root / "opt/wslgpu/ffmpeg/mine/file")
    (root / "opt/wslgpu/ffmpeg/current").symlink_to("new")
    bundle = put(root / "var/cache/wslgpu-bundle/files/x").parent.parent
    damaged = root / "var/lib/wslgpu/manifest.json.damaged-1"
    damaged.symlink_to("/nowhere")
    copy = put(root / "var/lib/wslgpu/before" / sha256("a"))
    young = put(root / "etc/.x.wslgpu-AbCdEf")
    found = run(root, "clutter", "k8s.io", folder=FACTS).stdout.splitlines()[1:]
    seen = {(line.split("\t")[0], line.split("\t")[2]) for line in found}
    paths = {"version": version, "bundle": bundle, "damaged": damaged}
    assert seen == {(kind, str(path)) for kind, path in paths.items()} | {("copy", copy.name)}
    assert run(root, "clean_node", *(str(path) for path in (*paths.values(), copy))).returncode == 0
    assert not any(path.exists() or path.is_symlink() for path in (*paths.values(), copy))
    assert sorted(path.name for path in version.parent.iterdir()) == ["current", "mine", "new"]
    assert young.exists()
    for outside in (root / "etc/passwd", root / "var/lib/wslgpu/../x", root / "home/x"):
        put(outside)
        done = run(root, "clean_node", str(outside))
        assert (done.returncode, "wslgpu [internal]" in done.stderr) == (1, True)
        assert outside.exists()
