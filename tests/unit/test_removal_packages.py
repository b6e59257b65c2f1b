"""Which packages may go: what others that stay need is kept, and by whom."""

from __future__ import annotations

import pytest

from wslgpu.manifest.state import InstalledPackage
from wslgpu.removal.packages import groups, kept_by


def package(depends: str = "", recommends: str = "", provides: str = "", status: str = "installed") -> InstalledPackage:
    return InstalledPackage("1", status, depends=depends, recommends=recommends, provides=provides)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", []),
        ("a", [("a",)]),
        ("a (>= 1.0~rc1), b:any | c (<< 2)", [("a",), ("b", "c")]),
        ("libstdc++6, python3:any (>= 3.9~)", [("libstdc++6",), ("python3",)]),
        (" , ${broken}, a", [("a",)]),
    ],
)
def test_groups_of_a_field(field: str, expected: list[tuple[str, ...]]) -> None:
    assert list(groups(field)) == expected


CASES = {
    "nothing needs them": ({"a": package(), "b": package()}, ["a", "b"], {}),
    "they need each other": ({"a": package("b"), "b": package("a")}, ["a", "b"], {}),
    "somebody's needs it": ({"a": package(), "x": package("a (>= 1)")}, ["a"], {"a": "x"}),
    "somebody's recommends it": ({"a": package(), "x": package("", "a")}, ["a"], {"a": "x"}),
    "one that stays keeps what it needs": (
        {"a": package("b"), "b": package(), "x": package("a")},
        ["a", "b"],
        {"a": "x", "b": "a"},
    ),
    "what only one that stays of ours recommends goes": (
        {"a": package("", "b"), "b": package(), "x": package("a")},
        ["a", "b"],
        {"a": "x"},
    ),
    "another that stays is the alternative": (
        {"a": package(), "c": package(), "x": package("a | c")},
        ["a"],
        {},
    ),
    "both alternatives were to go": (
        {"a": package(), "c": package(), "x": package("a | c")},
        ["a", "c"],
        {"a": "x", "c": "x"},
    ),
    "needed under another name": (
        {"a": package(provides="virtual (= 2), other"), "x": package("virtual")},
        ["a"],
        {"a": "x"},
    ),
    "of another architecture": ({"a:i386": package(), "x": package("a")}, ["a:i386"], {"a:i386": "x"}),
    "the one that needs it is removed": (
        {"a": package(), "x": package("a", status="config-files")},
        ["a"],
        {},
    ),
    "one half configured counts": (
        {"a": package(), "x": package("a", status="half-configured")},
        ["a"],
        {"a": "x"},
    ),
    "gone already": ({"x": package("a")}, ["a"], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_kept_by(case: str) -> None:
    packages, going, expected = CASES[case]
    assert kept_by(going, packages) == expected


def test_a_long_chain_is_kept_as_a_whole() -> None:
    names = [f"p{number}" for number in range(60)]
    packages = {name: package(f"p{number + 1}") for number, name in enumerate(names)}
    packages["x"] = package("p0")
    assert set(kept_by(names, packages)) == set(names)
