"""What moves between locks, of one component or of all; and the table of upgrade paths from every earlier lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import lock_samples
from wslgpu.catalogue.load import load_catalogue
from wslgpu.errors import UsageError
from wslgpu.lock.debian_version import compare
from wslgpu.lock.known_bad import refuse_known_bad
from wslgpu.lock.load import load_lock
from wslgpu.lock.model import Download, Lock
from wslgpu.lock.moves import COMPONENTS, changelogs, expectations, moves, only
from wslgpu.lock.text import lock_text
from wslgpu.settings import PROJECT_ROOT, Settings, load

LOCKS = PROJECT_ROOT / "tests" / "fixtures" / "locks"
NEWEST = "0.1.0-toolkit-1.20.0-1"
EARLIER = sorted(path.stem for path in LOCKS.glob("*.yml") if path.stem != NEWEST)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    site = tmp_path / "site.yml"
    site.write_text("")
    return load(site)


def rows(old: Lock, new: Lock) -> list[tuple[str, str, str, str]]:
    return [(move.component, move.what, move.old, move.new) for move in moves(old, new)]


def test_nothing_moves_between_equal_locks(settings: Settings) -> None:
    assert moves(lock_samples.lock(settings), lock_samples.lock(settings)) == []


def test_moves_name_component_and_both_versions(settings: Settings) -> None:
    old, new = lock_samples.lock(settings), lock_samples.lock(settings, containerd="1.7.25", runc="1.2")
    assert rows(old, new) == [
        ("containerd", "containerd (debian 13)", "1.7.24", "1.7.25"),
        ("dependencies", "runc (debian 13)", "1.1.15", "1.2"),
    ]


def test_another_hash_under_the_same_version_is_a_move(settings: Settings) -> None:
    old = lock_samples.lock(settings)
    part = old.distributions["debian 13"]
    other = part.packages["runc"].model_copy(update={"sha256": "e" * 64})
    new = old.model_copy(
        update={"distributions": {"debian 13": part.model_copy(update={"packages": {**part.packages, "runc": other}})}}
    )
    assert [row[2:] for row in rows(old, new)] == [
        ("1.1.15 (" + part.packages["runc"].sha256[:12] + ")", "1.1.15 (eeeeeeeeeeee)")
    ]


def test_one_component_moves_with_what_it_needs_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    old = lock_samples.lock(settings)
    new = lock_samples.lock(settings, containerd="1.7.25", runc="1.2", curl="9", libc6="2.42")
    got = only(old, new, "containerd")
    versions = {name: row.version for name, row in got.distributions["debian 13"].packages.items()}
    assert versions == {
        "containerd": "1.7.25",
        "runc": "1.2",
        "curl": "8.14",
        "libc6": "2.42",
        "nvidia-container-toolkit": "1.20.0-1",
        "nvidia-container-toolkit-base": "1.20.0-1",
    }
    file = tmp_path / "lock.yml"
    file.write_text(lock_text(got))
    assert load_lock(file)[0] == got, "it closes over itself"


def test_a_component_moves_its_downloads_and_no_others(settings: Settings) -> None:
    def with_sums(digit: str) -> Lock:
        rows = {
            name: Download(url=f"http://x.invalid/{name}", sha256=digit * 64)
            for name in ("container-toolkit-key", "k3s", "source-mesa")
        }
        return lock_samples.lock(settings).model_copy(update={"downloads": rows})

    old, new = with_sums("1"), with_sums("2")
    for component, name in {
        "container_toolkit": "container-toolkit-key",
        "kubernetes": "k3s",
        "sources": "source-mesa",
    }.items():
        assert [row[:2] for row in rows(old, only(old, new, component))] == [(component, name)]


def test_an_unknown_component_and_other_inputs_are_refused(settings: Settings) -> None:
    lock = lock_samples.lock(settings)
    with pytest.raises(UsageError, match="no component 'nginx'"):
        only(lock, lock, "nginx")
    other = lock.model_copy(update={"inputs": {**lock.inputs, "vllm_version": "0.23.0"}})
    with pytest.raises(UsageError, match="something else than the lock was made for"):
        only(lock, other, "containerd")


def test_every_component_has_a_place_where_its_changes_are_written_down() -> None:
    assert set(changelogs()) == set(COMPONENTS)


def test_there_is_a_lock_of_every_toolkit_version_and_profile() -> None:
    names = {f"0.1.0-toolkit-{version}" for version in load(Path("/dev/null")).container_toolkit_versions}
    assert names | {"0.1.0-reference"} <= {*EARLIER, NEWEST}


@pytest.mark.parametrize("name", EARLIER)
def test_from_each_earlier_lock_to_the_newest(name: str) -> None:
    old, new = load_lock(LOCKS / f"{name}.yml")[0], load_lock(LOCKS / f"{NEWEST}.yml")[0]
    refuse_known_bad(old)
    refuse_known_bad(new)
    moved = moves(old, new)
    toolkit = [move for move in moved if move.component == "container_toolkit"]
    assert {move.what.split()[0] for move in toolkit} >= {"nvidia-container-toolkit", "libnvidia-container1"}
    for move in moved:
        if move.what.endswith("(debian 13)") and move.old and move.new:
            assert compare(move.old.split()[0], move.new.split()[0]) < 0, f"{move} would be a downgrade"
    changed = {row.capability: (row.old, row.new) for row in expectations(old, new, load_catalogue())}
    unsafe = compare(old.distributions["debian 13"].packages["nvidia-container-toolkit"].version, "1.19.1-1") < 0
    assert ("versions.toolkit_safe" in changed) is unsafe
    if unsafe:
        assert changed["versions.toolkit_safe"] == ("works, not met", "works, met")
