"""The engine: names, forms, files and objects that agree, and values that stay values."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rendered_workloads import different, renderings, settings
from wslgpu.errors import DataError, UsageError
from wslgpu.templates import FOLDER, render_yaml
from wslgpu.workloads.kubernetes_form import from_templates
from wslgpu.workloads.manifest import parse
from wslgpu.workloads.model import NodeTruth
from wslgpu.workloads.render import RENDERERS, names, render, summary
from wslgpu.yaml_text import Comment, flow

YAML_TEMPLATES = sorted((FOLDER / "etc/wslgpu").rglob("*.y*ml.j2"))
EXPRESSION = re.compile(r"\{\{.*?\}\}")
DAEMONSET = "/etc/wslgpu/kubernetes/device-plugin/daemonset.yaml"
PLAIN = {"namespace": "NAMESPACE", "version": "VERSION", "image": "IMAGE", "health_checks_off": "REASON"}


def test_what_others_need_comes_first() -> None:
    assert names()[:3] == ("runtime-class", "device-plugin", "gpu-feature-discovery")


def test_each_workload_says_what_it_is() -> None:
    for table in RENDERERS.values():
        for name in table:
            assert 10 < len(summary(name)) < 100, name


def test_an_unknown_workload_names_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no workload 'devise-plugin'") as error:
        render("devise-plugin", settings(), NodeTruth())
    assert "device-plugin" in error.value.next_step


def test_a_form_that_a_workload_has_not_names_one_that_it_has() -> None:
    with pytest.raises(UsageError, match="runtime-class has no form helm") as error:
        render("runtime-class", settings(), NodeTruth(), "helm")
    assert "--form kubernetes" in error.value.next_step


@pytest.mark.parametrize("what", different(), ids=str)
def test_files_and_objects_are_the_same(what: str) -> None:
    rendered = renderings()[what]
    listed = yaml.safe_load(rendered.files["kustomization.yaml"])
    assert listed["resources"] == [name for name in rendered.files if name != "kustomization.yaml"]
    assert set(listed) == {"apiVersion", "kind", "resources"}
    found = [item for name in listed["resources"] for item in yaml.safe_load_all(rendered.files[name])]
    assert found == list(rendered.documents)


@pytest.mark.parametrize("what", different(), ids=str)
def test_every_object_says_whose_it_is(what: str) -> None:
    for item in renderings()[what].documents:
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"], item["kind"]
        assert labels["app.kubernetes.io/part-of"] == labels["app.kubernetes.io/managed-by"] == "wslgpu"


def test_two_workloads_never_bring_the_same_object() -> None:
    owners: dict[tuple[str, str, str], str] = {}
    for name in names():
        for item in render(name, settings(), NodeTruth()).documents:
            metadata = item["metadata"]
            key = (item["kind"], metadata.get("namespace", ""), metadata["name"])
            assert owners.setdefault(key, name) == name, key


def test_there_are_templates_to_look_at() -> None:
    assert len(YAML_TEMPLATES) >= 5


@pytest.mark.parametrize("template", YAML_TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_expression_is_one_whole_value(template: Path) -> None:
    """Half a value could begin a comment or a mapping in the middle of a plain scalar."""
    for number, line in enumerate(template.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{template.name}:{number}: {line}"
        if line.lstrip().startswith("#"):
            continue
        for match in EXPRESSION.finditer(line):
            before, after = line[: match.start()].rstrip(), line[match.end() :].strip()
            assert "| comment" not in match[0], where
            assert not before or before.endswith((":", "-", "[", ",", "%}")), where
            assert not after or after[0] in ",]}" or after.startswith("{%") or (not before and after[0] == ":"), where


@given(st.fixed_dictionaries(dict.fromkeys(PLAIN, st.text(min_size=1))))
def test_no_value_breaks_out_of_its_scalar(values: dict[str, str]) -> None:
    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: replaced(value) for key, value in node.items()}
        if isinstance(node, list):
            return [replaced(value) for value in node]
        key = next((key for key, marker in PLAIN.items() if node == marker), None)
        return values[key] if key else node

    plain = from_templates("x", (DAEMONSET,), PLAIN).documents
    assert from_templates("x", (DAEMONSET,), values).documents == tuple(replaced(list(plain)))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_what_is_written_is_what_is_read(value: Any) -> None:
    text = flow(value)
    assert text.isascii()
    assert text.isprintable()
    assert yaml.safe_load(f"key: {text} # comment\n") == {"key": value}


@given(st.text())
def test_a_comment_stays_one(text: str) -> None:
    assert yaml.safe_load(f"before: 1\n# {Comment(text)}\nafter: 2\n") == {"before": 1, "after": 2}


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match=r"U\+D83D"):
        flow("\ud83d")


def test_a_value_that_is_none_of_yaml_is_refused() -> None:
    with pytest.raises(TypeError, match="set cannot be written"):
        flow({"x"})


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="labels"):
        render_yaml("/etc/wslgpu/kubernetes/runtime-class/runtimeclass.yaml")


def test_a_key_twice_is_an_error() -> None:
    with pytest.raises(DataError, match="names the key 'name' twice") as error:
        parse("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n", "x/pod.yaml")
    assert error.value.where == "x/pod.yaml:5"


def test_what_is_no_object_is_an_error() -> None:
    with pytest.raises(DataError, match="is no Kubernetes object"):
        parse("kind: Pod\n", "x/pod.yaml")


@pytest.mark.installed
def test_go_reads_strings_as_python_does(tmp_path: Path) -> None:
    """kubectl is written in Go, whose YAML reader refuses what JSON's escapes make of characters beyond U+FFFF."""
    hard = [
        "\U0001f600",
        "a\u2028b",
        '"quoted" \\ #',
        "- x: y\n---\n",
        "\x07\x1b[31m",
        "é",
        "~",
        "0x10",
        "1e3",
        "no",
    ]
    annotations = {f"n{number}": text for number, text in enumerate(hard)}
    (tmp_path / "object.yaml").write_text(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  annotations: {flow(annotations)}\n"
    )
    (tmp_path / "kustomization.yaml").write_text("resources: [object.yaml]\n")
    done = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True, check=True, timeout=60)
    assert yaml.safe_load(done.stdout)["metadata"]["annotations"] == annotations
