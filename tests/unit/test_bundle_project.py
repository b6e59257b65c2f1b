"""The project's files in a bundle: those that git knows, as they are now."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wslgpu.build.download import Limits
from wslgpu.bundle.project_files import bootstrap, gather
from wslgpu.bundle.work import Work
from wslgpu.errors import UsageError, WslgpuError


@pytest.fixture
def work(tmp_path: Path) -> Work:
    folder = tmp_path / "work"
    folder.mkdir()
    return Work(folder, Limits())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    (folder / "deploy.py").write_text("first")
    (folder / "gone.py").write_text("gone")
    (folder / "scripts" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "scripts" / "run.sh").chmod(0o755)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    (folder / "deploy.py").write_text("edited since")
    (folder / "gone.py").unlink()
    (folder / "site.yml").write_text("nobody's business")
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


def test_what_git_knows_as_it_is_now(checkout: Path, work: Work) -> None:
    members = gather(checkout, work)
    assert [(member.path, member.program) for member in members] == [
        ("project/deploy.py", False),
        ("project/scripts/run.sh", True),
    ]
    assert work.file(members[0].sha256).read_text() == "edited since"
    assert bootstrap(checkout, work) == []


def test_a_link_is_refused(checkout: Path, work: Work) -> None:
    (checkout / "link").symlink_to("/etc/passwd")
    git(checkout, "add", "link")
    with pytest.raises(WslgpuError, match="no plain file"):
        gather(checkout, work)


def test_no_checkout(tmp_path: Path, work: Work) -> None:
    with pytest.raises(UsageError, match="--without project"):
        gather(tmp_path, work)
