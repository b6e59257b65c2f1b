"""The shell that reads a node for its manifest, and the one that writes it, in folders of a test's own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from wslgpu.facts.script import SCRIPTS as FACTS
from wslgpu.manifest.model import Entry
from wslgpu.manifest.state import NodeState
from wslgpu.manifest.state_text import parse_node_state
from wslgpu.node_script import program
from wslgpu.operations.script import SCRIPTS

# changing the owner needs root, which these tests do without
NO_ROOT = "chown() { :; }\n"


def run(
    root: Path, script: Path, *arguments: str, stdin: str = "", before: str = ""
) -> subprocess.CompletedProcess[str]:
    text = program(script).replace("/var/lib/wslgpu", f"{root}/wslgpu").replace("/opt/wslgpu", f"{root}/opt")
    text = text.replace("/var/log/dpkg.log", f"{root}/dpkg.log")
    words = ["sh", "-c", f"{NO_ROOT}{before}{text}", "test", *arguments]
    return subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=60)


def read(root: Path, *words: str) -> NodeState:
    done = run(root, FACTS / "node_state.sh", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    state = parse_node_state(done.stdout.splitlines())
    assert state.complete
    return state


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write(
    root: Path, text: str, *keep: str, aside: str = "no", expected: str = "", before: str = ""
) -> subprocess.CompletedProcess[str]:
    encoded = base64.b64encode(text.encode()).decode()
    script = SCRIPTS / "manifest_write.sh"
    return run(root, script, expected or sha256(text), aside, *keep, stdin=encoded, before=before)


def test_names_of_any_kind(tmp_path: Path) -> None:
    folder = tmp_path / "a place"
    folder.mkdir()
    names = ["plain", "two words", "tab\there", "back\\slash", "star*", "ümläut", "-dash"]
    for name in names:
        (folder / name).write_text(name)
    (folder / "line\nbreak").write_text("x")
    (folder / "link").symlink_to("/nowhere at all")
    os.mkfifo(folder / "pipe")
    state = read(tmp_path, f"path={folder}/*", f"path={folder}/none", f"path={folder}")
    # a tab would end the field, so such a name is not seen; nothing is made of it
    seen = {str(folder / name): sha256(name) for name in names if "\t" not in name}
    files = {path: entry.sha256 for path, entry in state.entries.items() if entry.kind == "file"}
    assert files == seen
    assert state.entries[str(folder / "link")].target == "/nowhere at all"
    assert state.entries[str(folder)].kind == "directory"
    assert not any("break" in path or "pipe" in path for path in state.entries)
    assert state.modified[str(folder / "plain")].endswith("Z")


def test_modes_and_whole_folders(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    (folder / "deep/er").mkdir(parents=True)
    (folder / ".hidden").write_text("# Made by wslgpu; changes here are overwritten.\n")
    (folder / ".hidden").chmod(0o640)
    (folder / "deep/er/other").write_text("a\n# Made by wslgpu\n")
    state = read(tmp_path, f"tree={folder}")
    assert {path[len(str(folder)) :] for path in state.entries} == {
        "",
        "/.hidden",
        "/deep",
        "/deep/er",
        "/deep/er/other",
    }
    assert state.entries[f"{folder}/.hidden"].mode == "640"
    assert state.made == {f"{folder}/.hidden"}


def test_a_link_in_the_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/file").write_text("x")
    (tmp_path / "near").symlink_to(tmp_path / "far")
    assert {entry.kind for entry in read(tmp_path, f"tree={tmp_path}/near").entries.values()} == {"link"}


def test_packages_users_and_log_of_this_machine(tmp_path: Path) -> None:
    state = read(tmp_path, "with=packages", "with=depends", "with=log", "unit=no-such-unit.service")
    assert state.packages["dpkg"].status == "installed"
    assert "libc6" in state.packages["dpkg"].depends
    assert state.users["root"] == state.groups["root"] == 0
    assert state.distribution.split()[0] in ("debian", "ubuntu")
    assert state.manifest_kind == "none"
    assert set(state.active) <= {"no-such-unit.service"}
    assert read(tmp_path).packages == {}


def test_the_log_of_a_year_is_read_oldest_first(tmp_path: Path) -> None:
    line = "2026-0{}-01 10:00:00 {} a:amd64 1 2"
    for name, text in {
        "dpkg.log": line.format(4, "upgrade"),
        "dpkg.log.1": line.format(3, "remove") + "\n2026-03-01 10:00:00 status installed a:amd64 1",
        "dpkg.log.10.gz": line.format(1, "install"),
        "dpkg.log.2.gz": line.format(2, "purge"),
    }.items():
        path = tmp_path / name
        path.write_bytes(gzip.compress(f"{text}\n".encode()) if name.endswith(".gz") else f"{text}\n".encode())
    assert [row.split()[2] for row in read(tmp_path, "with=log").package_log] == [
        "install",
        "purge",
        "remove",
        "upgrade",
    ]
    assert read(tmp_path).package_log == ()


def test_what_was_to_be_marked_as_a_dependency_counts_as_one(tmp_path: Path) -> None:
    def automatic() -> list[str]:
        lines = run(tmp_path, FACTS / "node_state.sh", "with=packages").stdout.splitlines()
        return [line for line in lines if line.startswith("automatic lib-of-mine")]

    assert automatic() == []
    (tmp_path / "wslgpu").mkdir()
    (tmp_path / "wslgpu/apt-automatic").write_text("lib-of-mine\nlib-of-mine no such\n")
    assert automatic() == ["automatic lib-of-mine\t"]


def test_parsing_is_of_untrusted_lines() -> None:
    state = parse_node_state(
        [
            "entry f\t644\troot:root\t1.5\trelative\t",
            "entry f\t644",
            "entry f\t644\troot:root\tNaN\t/x\t",
            f"hash {'a' * 64}  /x",
            "hash nonsense",
            "user x\tmany",
            "package a",
            "image ns\tr:1\tsha1:12",
            "kept ../../etc/passwd",
            "unit a\tloaded",
            "manifest !!!",
        ]
    )
    assert state.entries == {"/x": Entry(kind="file", mode="644", owner="root:root", sha256="a" * 64)}
    assert (state.users, state.packages, state.images, state.kept, state.units) == ({}, {}, {}, frozenset(), {})
    assert state.manifest == "\ufffd"
    assert not state.complete


def test_units_by_what_systemd_says() -> None:
    lines = ["unit a\tnot-found\t\tinactive", "unit b\tmasked\tmasked\tinactive", "unit c\tloaded\t\tactive"]
    state = parse_node_state([*lines, "unit d\tloaded\tdisabled\tactive", "enabled e", "enabled d", "masked f"])
    expected = {"a": "absent", "b": "masked", "c": "transient", "d": "disabled", "e": "enabled", "f": "masked"}
    assert state.units == expected
    assert state.active["d"] == "active"


def test_packages_of_another_architecture_have_its_name() -> None:
    rows = ["architecture amd64", "package a\tamd64\t1\tinstalled\thold", "package a\ti386\t2\tinstalled\tinstall"]
    auto = [
        "automatic a\ti386",
        "package b\tall\t3\tconfig-files\tdeinstall",
        "package c\tamd64\t\tnot-installed\tunknown",
    ]
    state = parse_node_state([*rows, *auto])
    assert {name: (one.version, one.automatic, one.held) for name, one in state.packages.items()} == {
        "a": ("1", False, True),
        "a:i386": ("2", True, False),
        "b": ("3", False, False),
    }


def test_the_manifest_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    assert write(tmp_path, '{"é": 1}\n').returncode == 0
    state = read(tmp_path)
    assert (state.manifest_kind, state.manifest) == ("file", '{"é": 1}\n')
    assert (tmp_path / "wslgpu/manifest.json").stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_manifests_place_is_replaced_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "wslgpu").mkdir()
    (tmp_path / "victim").write_text("theirs")
    (tmp_path / "wslgpu/manifest.json").symlink_to(tmp_path / "victim")
    state = read(tmp_path)
    assert (state.manifest_kind, state.manifest) == ("link", None)
    assert write(tmp_path, "{}", aside="yes").returncode == 0
    assert (tmp_path / "victim").read_text() == "theirs"
    assert (tmp_path / "wslgpu/manifest.json").read_text() == "{}"
    assert (tmp_path / "wslgpu/manifest.json.damaged-1").is_symlink()


def test_what_is_damaged_is_kept_aside_each_time(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "wslgpu").mkdir(exist_ok=True)
        (tmp_path / "wslgpu/manifest.json").write_text(f"damage {number}")
        done = write(tmp_path, "{}", aside="yes")
        assert f"damaged-{number}" in done.stdout
        assert (tmp_path / f"wslgpu/manifest.json.damaged-{number}").read_text() == f"damage {number}"


def test_files_are_kept_by_their_hash_for_root_alone(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other one"
    one.write_text("a")
    other.write_text("b")
    done = write(tmp_path, "{}", sha256("a"), str(one), sha256("b"), str(other))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "wslgpu/before"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.read_text() for path in folder.iterdir()} == {sha256("a"): "a", sha256("b"): "b"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert read(tmp_path).kept == {sha256("a"), sha256("b")}


@pytest.mark.parametrize("what", ["changed", "a link now", "gone"])
def test_what_changed_meanwhile_is_not_taken_for_what_was_seen(tmp_path: Path, what: str) -> None:
    path = tmp_path / "file"
    if what == "changed":
        path.write_text("b")
    elif what == "a link now":
        (tmp_path / "elsewhere").write_text("a")
        path.symlink_to(tmp_path / "elsewhere")
    done = write(tmp_path, "{}", sha256("a"), str(path))
    assert done.returncode == 1
    assert "wslgpu [platform retryable]" in done.stderr
    assert not (tmp_path / "wslgpu/manifest.json").exists()
    assert list((tmp_path / "wslgpu/before").iterdir()) == []


def test_links_among_what_is_kept_are_never_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    folder = tmp_path / "wslgpu/before"
    folder.mkdir(parents=True)
    (tmp_path / "victim").write_text("theirs")
    (folder / sha256("a")).symlink_to(tmp_path / "victim")
    assert read(tmp_path).kept == frozenset()
    assert write(tmp_path, "{}", sha256("a"), str(tmp_path / "file")).returncode == 0
    assert (folder / sha256("a")).read_text() == "a"
    assert not (folder / sha256("a")).is_symlink()
    assert (tmp_path / "victim").read_text() == "theirs"


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    (tmp_path / "wslgpu").mkdir()
    (tmp_path / "far").mkdir()
    (tmp_path / "wslgpu/before").symlink_to(tmp_path / "far")
    done = write(tmp_path, "{}", sha256("a"), str(tmp_path / "file"))
    assert done.returncode == 1
    assert "wslgpu [safety]" in done.stderr
    assert list((tmp_path / "far").iterdir()) == []


def test_the_old_manifest_stays_whole_where_the_new_one_does_not_arrive(tmp_path: Path) -> None:
    assert write(tmp_path, "old").returncode == 0
    assert write(tmp_path, "new", expected=sha256("other")).returncode == 1
    full = write(tmp_path, "new", before="base64() { printf ne; return 1; }\n")
    assert full.returncode == 1
    assert "no space, or read-only" in full.stderr
    assert (tmp_path / "wslgpu/manifest.json").read_text() == "old"
    assert [path.name for path in (tmp_path / "wslgpu").iterdir()] == ["manifest.json"]


def test_what_a_run_that_was_killed_left_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / "wslgpu/before"
    folder.mkdir(parents=True)
    left = (folder / f".{sha256('a')}.wslgpu-AbCdEf", tmp_path / "wslgpu/.manifest.json.wslgpu-AbCdEf")
    for path in left:
        path.write_text("half")
    (tmp_path / "file").write_text("b")
    assert write(tmp_path, "{}", sha256("b"), str(tmp_path / "file")).returncode == 0
    assert not any(path.exists() for path in left)


def test_the_version_of_an_artifact_that_is_in_use(tmp_path: Path) -> None:
    version = tmp_path / "opt/ffmpeg/7.1"
    (version / ".wslgpu").mkdir(parents=True)
    digest = f"sha256:{'a' * 64}"
    (version / ".wslgpu/digest").write_text(f"{digest}\n")
    (tmp_path / "opt/ffmpeg/current").symlink_to("7.1")
    assert read(tmp_path, "artifact=ffmpeg", "artifact=other").artifacts == {"ffmpeg": digest}
    # nothing says that it is whole
    assert read(tmp_path, "artifact=ffmpeg", "with=whole").artifacts == {"ffmpeg": "damaged"}
