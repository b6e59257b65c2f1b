"""What `wslgpu apply` would build before it deploys, by the hosts' own data and this machine's store."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.artifact_records import store_one
from wslgpu.apply.builds import missing_builds
from wslgpu.errors import UsageError

HOSTS = """\
gpu_nodes = ["@fake/one", ("@fake/two", {"ffmpeg_build": "ffmpeg-8.1.2", "mesa_dozen_install": "absent"})]
others = ["@fake/three"]
"""


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSLGPU_STORE_DIR", str(tmp_path / "store"))
    path = tmp_path / "hosts.py"
    path.write_text(HOSTS)
    return path


def missing(inventory: Path, *only: str, limit: tuple[str, ...] = ()) -> set[str]:
    return set(missing_builds(inventory, (), limit, None, only))


def test_what_hosts_of_the_two_groups_are_to_get_and_the_store_does_not_have(inventory: Path, tmp_path: Path) -> None:
    assert missing(inventory) == {"ffmpeg-7.1.5", "ffmpeg-8.1.2", "mesa-dozen-25.0.7"}
    assert missing(inventory, "mesa_dozen") == {"mesa-dozen-25.0.7"}
    assert missing(inventory, "containerd") == set()
    store_one(tmp_path / "store", tmp_path, "ffmpeg", "1", {"bin/ffmpeg": "1"})
    assert missing(inventory) == {"ffmpeg-8.1.2", "mesa-dozen-25.0.7"}


def test_a_limit_leaves_the_others_builds_out(inventory: Path) -> None:
    assert missing(inventory, limit=("@fake/two",)) == {"ffmpeg-8.1.2"}
    assert missing(inventory, limit=("others",)) == set()
    with pytest.raises(UsageError, match="matches no host"):
        missing(inventory, limit=("nobody",))


def test_what_is_named_by_its_digest_is_not_built(inventory: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text(f"ffmpeg_artifact: sha256:{'0' * 64}\n")
    assert set(missing_builds(inventory, (), ("@fake/one",), site, ())) == {"mesa-dozen-25.0.7"}


def test_what_a_lock_does_not_have_is_not_built(inventory: Path) -> None:
    inventory.write_text('gpu_nodes = [("@fake/one", {"lock_file": "/srv/wslgpu.lock.yml"}), "@fake/two"]\n')
    assert missing(inventory, limit=("@fake/one",)) == set()
    assert missing(inventory) == {"ffmpeg-7.1.5", "mesa-dozen-25.0.7"}
