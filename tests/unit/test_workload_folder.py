"""Renderings as folders: written whole, left alone when right, and nobody's changes lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from wslgpu.errors import UsageError, WslgpuError
from wslgpu.host_files import write_atomically
from wslgpu.workloads.folder import RECORD, check, write
from wslgpu.workloads.model import Rendered


def rendered(**files: str) -> Rendered:
    return Rendered("x", "kubernetes", {f"{name}.yaml": text for name, text in files.items()})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {RECORD}


def test_a_folder_is_made_and_then_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "x"
    assert write(rendered(a="1\n", b="2\n"), folder).changed == ("a.yaml", "b.yaml")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    check(rendered(a="1\n", b="2\n"), folder)
    assert write(rendered(a="1\n", b="2\n"), folder).changed == ()
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert (folder / "a.yaml").read_text() == "1\n"
    assert (folder / "a.yaml").stat().st_mode & 0o777 == 0o644


def test_what_a_new_version_has_replaces_the_old(tmp_path: Path) -> None:
    write(rendered(a="1\n", b="2\n"), tmp_path)
    check(rendered(a="3\n"), tmp_path)
    written = write(rendered(a="3\n"), tmp_path)
    assert (written.changed, written.removed) == (("a.yaml",), ("b.yaml",))
    assert names(tmp_path) == {"a.yaml"}


def test_what_was_edited_is_kept_unless_forced(tmp_path: Path) -> None:
    write(rendered(a="1\n", b="2\n"), tmp_path)
    (tmp_path / "a.yaml").write_text("mine\n")
    with pytest.raises(WslgpuError, match=r"not what wslgpu wrote.*a\.yaml") as error:
        check(rendered(a="3\n", b="4\n"), tmp_path)
    assert error.value.exit_code == 1
    assert "--force" in error.value.next_step
    assert "b.yaml" not in error.value.what
    assert (tmp_path / "a.yaml").read_text() == "mine\n"
    assert (tmp_path / "b.yaml").read_text() == "2\n"
    assert write(rendered(a="3\n", b="4\n"), tmp_path).changed == ("a.yaml", "b.yaml")
    check(rendered(a="5\n"), tmp_path)


def test_somebody_elses_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("theirs\n")
    with pytest.raises(WslgpuError, match=r"a\.yaml"):
        check(rendered(a="1\n"), tmp_path)
    check(rendered(a="theirs\n"), tmp_path)


def test_an_edited_file_that_is_no_longer_rendered_stays(tmp_path: Path) -> None:
    write(rendered(a="1\n", b="2\n"), tmp_path)
    (tmp_path / "b.yaml").write_text("mine\n")
    check(rendered(a="1\n"), tmp_path)
    assert write(rendered(a="1\n"), tmp_path).removed == ()
    assert (tmp_path / "b.yaml").read_text() == "mine\n"


def test_links_are_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("1\n")
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "a.yaml").symlink_to(other)
    with pytest.raises(WslgpuError, match=r"a\.yaml"):
        check(rendered(a="1\n"), folder)
    write(rendered(a="2\n"), folder)
    assert other.read_text() == "1\n"
    assert not (folder / "a.yaml").is_symlink()


@pytest.mark.parametrize("dies_at", range(4))
def test_a_run_that_dies_leaves_files_that_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """Whichever of the writes fails: no file is half, and the next run neither refuses nor forgets one."""
    write(rendered(a="1\n", b="2\n"), tmp_path)
    done = 0

    def once_too_often(path: Path, text: str) -> None:
        nonlocal done
        if done == dies_at:
            raise OSError(28, os.strerror(28), str(path))
        done += 1
        write_atomically(path, text)

    monkeypatch.setattr("wslgpu.workloads.folder.write_atomically", once_too_often)
    with pytest.raises(UsageError, match="No space left"):
        write(rendered(a="3\n", b="4\n"), tmp_path)
    monkeypatch.undo()
    assert {(tmp_path / "a.yaml").read_text(), (tmp_path / "b.yaml").read_text()} <= {"1\n", "2\n", "3\n", "4\n"}
    check(rendered(a="3\n", b="4\n"), tmp_path)
    write(rendered(a="3\n", b="4\n"), tmp_path)
    assert [(tmp_path / name).read_text() for name in ("a.yaml", "b.yaml")] == ["3\n", "4\n"]


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"a.yaml": "1"}'])
def test_a_record_that_cannot_be_read_says_nothing(tmp_path: Path, text: str) -> None:
    write(rendered(a="1\n"), tmp_path)
    (tmp_path / RECORD).write_text(text)
    check(rendered(a="1\n"), tmp_path)
    with pytest.raises(WslgpuError):
        check(rendered(a="2\n"), tmp_path)


def test_a_record_removes_nothing_outside_its_folder(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("1\n")
    folder = tmp_path / "x"
    write(rendered(a="1\n"), folder)
    record = json.loads((folder / RECORD).read_text())
    outside = {"../victim": record["a.yaml"], str(victim): record["a.yaml"]}
    (folder / RECORD).write_text(json.dumps({**record, **outside}))
    assert write(rendered(b="2\n"), folder).removed == ("a.yaml",)
    assert victim.read_text() == "1\n"


def test_a_place_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write(rendered(a="1\n"), tmp_path / "file" / "x")
