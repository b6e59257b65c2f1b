"""Fleet files: fault 37 (unknown key, duplicate host, empty file, alias bomb)."""

from __future__ import annotations

from pathlib import Path

import pytest

from wslgpu.errors import DataError
from wslgpu.fleet import add_host, groups_of, load_fleet
from wslgpu.settings import PROJECT_ROOT

HEAD = "schema: 1\nhosts:\n"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return tmp_path / "fleet.yml"


def test_the_example_is_well_formed_and_checks_host_keys() -> None:
    groups = groups_of(load_fleet(PROJECT_ROOT / "inventory" / "examples" / "fleet.yml"))
    rows = dict(groups["gpu_nodes"])
    assert set(rows) == {"node1", "node2"}
    for data in rows.values():
        assert data["ssh_strict_host_key_checking"] == "yes"
        assert data["ssh_known_hosts_file"].startswith("/")
    assert rows["node2"]["container_toolkit_default_runtime"] is False
    assert rows["node2"]["ssh_port"] == 2222


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ("", 1, "schema"),
        (HEAD, 2, "hosts"),
        (HEAD + "  a:\n    address: h\n    adress: h\n", 5, "not a key"),
        (HEAD + "  a:\n    address: h\n  a:\n    address: i\n", 5, "twice"),
        (HEAD + "  a:\n    address: h\n  b:\n    address: h\n", 6, "address and port of a"),
        (HEAD + "  a:\n    address: h\n    groups: [gpu]\n", 5, "groups"),
        (HEAD + "  a:\n    address: 'h; rm -rf'\n", 4, "address"),
        (HEAD + "  a:\n    address: h\n    data:\n      containerd_pakage: auto\n", 6, "not a key"),
        (HEAD + "  a: &x\n    address: h\n  b: *x\n", 5, "alias"),
    ],
)
def test_a_wrong_fleet_is_refused_by_line(fleet: Path, content: str, line: int, says: str) -> None:
    fleet.write_text(content)
    with pytest.raises(DataError) as error:
        load_fleet(fleet)
    assert says in error.value.what
    assert error.value.where == f"{fleet}:{line}"


def test_a_missing_file_names_the_example(fleet: Path) -> None:
    with pytest.raises(DataError, match="examples"):
        load_fleet(fleet)


def test_adding_a_host_keeps_comments_and_refuses_a_taken_name(fleet: Path) -> None:
    add_host(fleet, "a", "192.0.2.1", user="root", port=22, key_file="")
    fleet.write_text("# ours\n" + fleet.read_text())
    add_host(fleet, "b", "192.0.2.2", user="lab", port=2222, key_file="/k")
    assert fleet.read_text().startswith("# ours\n")
    assert load_fleet(fleet).hosts["b"].port == 2222
    with pytest.raises(DataError, match="already"):
        add_host(fleet, "b", "192.0.2.3", user="root", port=22, key_file="")


def test_an_entry_that_would_break_the_file_leaves_it_as_it_was(fleet: Path) -> None:
    add_host(fleet, "a", "192.0.2.1", user="root", port=22, key_file="")
    before = fleet.read_text()
    with pytest.raises(DataError):
        add_host(fleet, "b", "192.0.2.1", user="root", port=22, key_file="")
    assert fleet.read_text() == before
    assert [p.name for p in fleet.parent.iterdir()] == ["fleet.yml"]
