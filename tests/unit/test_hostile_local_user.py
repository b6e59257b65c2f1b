"""A user of the node puts things where an administrator's probe, which runs as root, may come by."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from wslgpu.probe.document import Level
from wslgpu.probe.node import windows_drive
from wslgpu.probe.node.files import Mount, trusted_folders
from wslgpu.probe.program import answer, payload

DRIVE = Mount("/c", "9p", "C:\\\\", "rw", "aname=drvfs;path=C:\\\\")


def test_nothing_is_started_from_a_windows_drive_wherever_it_is_mounted() -> None:
    path = "/usr/bin:/c/Users/ada/AppData/Local/Microsoft/WindowsApps:/mnt/d/tools:relative::."
    assert trusted_folders(path, [DRIVE], 1000) == ["/usr/bin"]


def test_root_starts_nothing_that_others_may_have_put_there(tmp_path: Path) -> None:
    open_to_all, theirs, ours = (tmp_path / name for name in ("open", "theirs", "ours"))
    for folder in (open_to_all, theirs, ours):
        folder.mkdir(mode=0o755)
    open_to_all.chmod(0o777)
    path = f"{open_to_all}:{theirs}:/usr/bin:{tmp_path}/missing"
    assert str(theirs) in trusted_folders(path, [], 1000)
    assert str(open_to_all) not in trusted_folders(path, [], 0)
    assert "/usr/bin" in trusted_folders(path, [], 0)
    if os.geteuid() == 0:
        os.chown(theirs, 1000, 1000)
        assert trusted_folders(f"{path}:{ours}", [], 0) == ["/usr/bin", str(ours)]


def test_a_wslconfig_that_leads_off_the_drive_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("root:$6$secret")
    drive = tmp_path / "c"
    for user in ("ada", "bob", "eve"):
        (drive / "Users" / user).mkdir(parents=True)
    (drive / "Users/ada/.wslconfig").symlink_to(secret)
    (drive / "Users/eve").rmdir()
    (drive / "Users/eve").symlink_to(tmp_path)
    assert windows_drive.wslconfig(str(drive)) is None
    # as people do who keep their settings in one folder
    (drive / "dotfiles").write_text("[wsl2]\n")
    (drive / "Users/bob/.wslconfig").symlink_to(drive / "dotfiles")
    assert windows_drive.wslconfig(str(drive)) == {"text": "[wsl2]\n", "users": 1}


@pytest.mark.parametrize("place", ["relative", "open"])
def test_the_shell_s_part_starts_nothing_from_such_places_either(place: str, tmp_path: Path) -> None:
    traps, tools = tmp_path / "traps", tmp_path / "tools"
    for folder in (traps, tools):
        folder.mkdir(mode=0o755)
    (traps / "podman").write_text(f"#!/bin/sh\necho >{tmp_path}/ran\necho podman version 5.0.0\n")
    (traps / "podman").chmod(0o755)
    for name in "date tr head sed uname stat cat timeout grep readlink id nproc ls".split():
        (tools / name).symlink_to(f"/usr/bin/{name}")
    path = f"{tools}:."
    if place == "open":
        if os.geteuid() != 0:
            pytest.skip("only root is that careful")
        traps.chmod(0o777)
        path = f"{traps}:{tools}"
    # a node without Python: the two places where it is looked for besides PATH are taken away
    text = payload(Level.QUICK).replace(b"/usr/bin/python3 ", b"").replace(b" /usr/local/bin/python3;", b";")
    done = subprocess.run(
        ["/bin/sh", "-s"], input=text, capture_output=True, env={"PATH": path}, cwd=traps, check=True, timeout=120
    )
    assert answer(done.stdout, "here").probe.interpreter == "sh"
    assert not (tmp_path / "ran").exists()
