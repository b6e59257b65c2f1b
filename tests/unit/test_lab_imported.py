"""An image of anybody becomes a lab node, written to from outside: its links must not lead into this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from wslgpu.errors import ErrorClass
from wslgpu.lab.errors import LabError
from wslgpu.lab.imported import WRITTEN, check_links, require


def tree(folder: Path) -> Path:
    root = folder / "root"
    for name in ("etc/systemd/system", "usr/bin", "root", "mnt"):
        (root / name).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    return root


def test_usual_links_are_no_obstacle(tmp_path: Path) -> None:
    check_links(tree(tmp_path))


@pytest.mark.parametrize("name", [name for name in WRITTEN if not name.endswith("/x")])
def test_a_link_in_the_place_of_a_file(tmp_path: Path, name: str) -> None:
    root = tree(tmp_path)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to("/etc/passwd")
    with pytest.raises(LabError, match="is a link") as caught:
        check_links(root)
    assert caught.value.error_class is ErrorClass.SAFETY


@pytest.mark.parametrize(
    "name", ["etc/apt", "etc/systemd/system/sysinit.target.wants", "root/.ssh", "mnt/c", "usr/bin"]
)
def test_a_folder_that_leads_out(tmp_path: Path, name: str) -> None:
    root = tree(tmp_path)
    if (root / name).is_dir():
        (root / name).rmdir()
    (root / name).symlink_to(tmp_path)
    with pytest.raises(LabError, match="leads out of it"):
        check_links(root)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="there is no image"):
        require(tmp_path / "a.wsl", kind="node", kubernetes=False)
