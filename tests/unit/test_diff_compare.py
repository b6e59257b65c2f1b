"""Two snapshots compared, and reasons.yml with its schema."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from wslgpu.diff.compare import HIDDEN, compare, differences
from wslgpu.diff.reasons import Comparing, Reason, Reasons, load_reasons
from wslgpu.diff.tree import Snapshot, TreePackage, TreePath
from wslgpu.errors import DataError

NONE = Reasons()
ONE, OTHER = "1" * 64, "2" * 64
WHY = "because it is so by its nature"


def node(**paths: TreePath) -> Snapshot:
    return Snapshot("debian 13", paths={f"/{name}": path for name, path in paths.items()})


def file(sha256: str = ONE, mode: str = "644", **more: float) -> TreePath:
    return TreePath("file", mode, "root:root", sha256, modified_s=more.get("modified_s", 0.0))


def test_times_are_not_compared() -> None:
    assert differences(node(a=file()), node(a=file(modified_s=5.0))) == []


def test_added_changed_and_removed() -> None:
    found = differences(node(a=file(), b=file()), node(b=file(OTHER, "600"), c=TreePath("link", "", "root:root")))
    assert [(one.change, one.name, one.what) for one in found] == [
        ("removed", "/a", ("there",)),
        ("changed", "/b", ("mode", "content")),
        ("added", "/c", ("there",)),
    ]


def test_a_digest_is_shown_only_of_what_everybody_may_read() -> None:
    found = differences(node(a=file(ONE, "600"), b=file()), node(a=file(OTHER, "600"), b=file(OTHER)))
    assert (found[0].first, found[0].second) == (HIDDEN, HIDDEN)
    assert (found[1].first, found[1].second) == (f"sha256 {ONE[:12]}", f"sha256 {OTHER[:12]}")
    for one in differences(node(a=file(ONE, "640")), node()):
        assert ONE[:12] not in one.first


def test_files_too_large_for_a_digest_are_compared_by_length() -> None:
    small, large = (
        TreePath("file", "644", "root:root", size_bytes=1),
        TreePath("file", "644", "root:root", size_bytes=2),
    )
    assert [one.what for one in differences(node(a=small), node(a=large))] == [("content",)]


@pytest.mark.parametrize(
    ("field", "first", "second", "what"),
    [
        ("packages", TreePackage("1", "installed"), TreePackage("2", "installed"), "version"),
        ("packages", TreePackage("1", "installed"), TreePackage("1", "installed", automatic=True), "mark"),
        ("packages", TreePackage("1", "installed"), TreePackage("1", "installed", held=True), "hold"),
        ("packages", TreePackage("1", "installed"), TreePackage("1", "config-files"), "status"),
        ("units", "enabled", "masked", "state"),
        ("users", "0:0:/root:/bin/sh", "0:0:/root:/bin/bash", "account"),
        ("groups", "4:", "4:lab", "account"),
        ("images", "sha256:1", "sha256:2", "digest"),
    ],
)
def test_everything_else_is_compared(field: str, first: object, second: object, what: str) -> None:
    found = differences(Snapshot("d", **{field: {"x": first}}), Snapshot("d", **{field: {"x": second}}))  # type: ignore[arg-type]
    assert [(one.section, one.name, one.what) for one in found] == [(field[:-1], "x", (what,))]


def reason(**fields: object) -> Reason:
    return Reason.model_validate({"id": "one", "comparing": ["rebuild"], "why": WHY, **fields})


def test_a_reason_explains_what_it_names_and_no_more() -> None:
    reasons = Reasons(reasons=[reason(paths=["/a"], what=["content"]), reason(id="two", paths=["/nowhere"])])
    result = compare(node(a=file(), b=file()), node(a=file(OTHER), b=file(OTHER)), reasons)
    assert [one.name for one in result.differences] == ["/b"]
    assert [(one.name, why.id) for one, why in result.allowed] == [("/a", "one")]
    assert [why.id for why in result.unused] == ["two"]
    assert not result.same


def test_a_reason_for_content_is_none_for_mode_or_absence() -> None:
    reasons = Reasons(reasons=[reason(paths=["/a"], what=["content"])])
    assert not compare(node(a=file()), node(a=file(OTHER, "666")), reasons).same
    assert not compare(node(a=file()), node(), reasons).same
    assert compare(node(a=file()), node(a=file(OTHER)), reasons).same


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/var/log/**", "/var/log", True),
        ("/var/log/**", "/var/log/a/b", True),
        ("/var/log/**", "/var/logs", False),
        ("/etc/ssh/ssh_host_*", "/etc/ssh/ssh_host_rsa_key", True),
        ("/etc/ssh/*", "/etc/ssh/a/b", False),
        ("/a/**/b", "/a/x/y/b", True),
        ("/a.b", "/axb", False),
        ("/a?", "/ab", True),
        ("/a", "/a\nb", False),
    ],
)
def test_patterns(pattern: str, path: str, fits: bool) -> None:
    assert reason(paths=[pattern]).explains("path", path, ("there",)) is fits
    assert not reason(paths=[pattern]).explains("unit", path, ("there",))


@pytest.mark.parametrize("comparing", get_args(Comparing))
def test_the_shipped_reasons_are_few_and_each_says_why(comparing: Comparing) -> None:
    reasons = load_reasons(comparing).reasons
    assert 1 <= len(reasons) <= 20
    for one in reasons:
        assert not one.explains("path", "/etc/containerd/config.toml", ("content",)), one.id
        assert not one.explains("path", "/usr/bin/nvidia-ctk", ("content",)), one.id


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("schema: 1\nreasons:\n  - id: a1\n    comparing: [rebuild]\n    paths: [/x]\n    why: short\n", 6, "why"),
        (f"schema: 1\nreasons:\n  - id: a1\n    comparing: [once]\n    paths: [/x]\n    why: {WHY}\n", 4, "comparing"),
        (f"schema: 1\nreasons:\n  - id: a1\n    comparing: [rebuild]\n    why: {WHY}\n", 3, "names nothing"),
        (
            f"schema: 1\nreasons:\n  - id: a1\n    comparing: [rebuild]\n    path: [/x]\n    why: {WHY}\n",
            5,
            "not a key",
        ),
        (f"schema: 1\nreasons:\n  - id: a1\n    comparing: [rebuild]\n    paths: [x]\n    why: {WHY}\n", 5, "paths"),
        ("schema: 2\nreasons: []\n", 1, "schema"),
    ],
)
def test_a_wrong_reason_is_told_by_file_and_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = tmp_path / "reasons.yml"
    path.write_text(text)
    with pytest.raises(DataError, match=what) as error:
        load_reasons("rebuild", path)
    assert error.value.where == f"{path}:{line}"


def test_a_reason_may_be_there_once(tmp_path: Path) -> None:
    row = f"  - id: a1\n    comparing: [rebuild]\n    paths: [/x]\n    why: {WHY}\n"
    path = tmp_path / "reasons.yml"
    path.write_text(f"schema: 1\nreasons:\n{row}{row}")
    with pytest.raises(DataError, match="twice"):
        load_reasons("rebuild", path)
