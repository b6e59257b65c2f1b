"""The program's own readers of YAML and TOML, held against real ones, on what NVIDIA's tools write and on anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wslgpu.probe.node.toml_text import dig, keys, read_lines, read_toml
from wslgpu.probe.node.yaml_text import read_yaml

CAPTURES = Path(__file__).parents[1] / "fixtures" / "captures"
YAML = sorted(CAPTURES.glob("*.yaml"))
TOML = sorted(CAPTURES.glob("*.toml"))


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_cdi_specs_of_the_genuine_tool(path: Path) -> None:
    text = path.read_text()
    assert read_yaml(text) == yaml.safe_load(text)
    assert read_yaml(text)["kind"] == "nvidia.com/gpu"


SCALARS = st.one_of(st.booleans(), st.integers(0, 10**6), st.text("abc/.:#-= '\"", min_size=1, max_size=12), st.none())
NAMES = st.text("abcXYZ_-.", min_size=1, max_size=8)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, min_size=1, max_size=4) | st.dictionaries(NAMES, inner, min_size=1, max_size=4),
    max_leaves=12,
)


@given(TREES.filter(lambda tree: isinstance(tree, (dict, list))))
def test_what_a_real_writer_writes_is_read_rightly_or_refused(tree: Any) -> None:
    text = yaml.safe_dump(tree, default_flow_style=False, width=10000)
    try:
        found = read_yaml(text)
    except ValueError:
        return
    assert found == tree


@given(st.text("ab:-'\"#[]{}&*!|>%@`\\ \n\t", max_size=80))
def test_any_text_is_read_rightly_or_refused(text: str) -> None:
    try:
        found = read_yaml(text)
    except ValueError:
        return
    assert isinstance(found, (dict, list, type(None)))


def test_sequences_may_stand_as_far_left_as_their_key() -> None:
    text = "a:\n- b: 1\n  c: [] # none\n-\n  d: 'it''s'\n- - e\n  - \"f \\\\ g\"\nh: /x # why\n"
    assert read_yaml(text) == {"a": [{"b": 1, "c": []}, {"d": "it's"}, ["e", "f \\ g"]], "h": "/x"}


@pytest.mark.parametrize(
    "text",
    [
        *("a: &x 1", "a: *x", "a: |\n  b", "a: !t b", "a: {b: 1}", "a: [1, 2]"),
        *("a: 1\na: 2", "a\n", "a:\n\t- b", '"a', "a: 1\n  b: 2", "- a\n b: 1", "- " * 20 + "a"),
    ],
)
def test_what_is_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d+"):
        read_yaml(text)


def test_nothing_is_nothing() -> None:
    assert read_yaml("---\n# only a comment\n") is None
    assert read_toml("") == {}


@pytest.mark.parametrize("path", TOML, ids=lambda path: path.name)
def test_toml_of_the_genuine_tool(path: Path) -> None:
    text = path.read_text()
    assert read_lines(text) == tomlkit.parse(text).unwrap()
    assert read_toml(text) == read_lines(text)


def test_toml_by_lines() -> None:
    text = """
version = 3 # the schema
imports = [ "/etc/a#b.toml", 'c', # one
  "d=e" ]
empty = []
"quoted.key" = "a \\"b\\" \\\\c"
[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = "runc"
  on = true
[[rows]]
  name = "a"
[[rows]]
  name = "b"
"""
    assert read_lines(text) == tomlkit.parse(text).unwrap()


@pytest.mark.parametrize(
    "text", ["x", "a = [1", "a = 1\n[a]", "a = 1\n[[a]]", "[" + ".".join("abcdefghijklmnopqrs") + "]"]
)
def test_toml_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_lines(text)


@given(st.text("ab.=\"[]{}#' \n\\", max_size=80))
def test_any_text_is_toml_or_refused(text: str) -> None:
    try:
        found = read_lines(text)
    except ValueError:
        return
    assert isinstance(found, dict)


def test_paths_of_keys() -> None:
    assert keys("a.\"b.c\".'d'") == ["a", "b.c", "d"]
    assert dig({"a": {"b": 1}}, "a", "b") == 1
    assert dig({"a": [1]}, "a", "b") is None
