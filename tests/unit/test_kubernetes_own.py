"""Manifests of somebody's own: what is no manifest is named with its file, and nothing of it ends in a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cluster_answers import cluster, deployment
from wslgpu.errors import DataError, ErrorClass, WslgpuError
from wslgpu.kubernetes.checks import judge
from wslgpu.kubernetes.own import FILE_LIMIT_BYTES, read
from wslgpu.kubernetes.requests import quantity, requests
from wslgpu.settings import load


def pod(**fields: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "a/b:1", **fields}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}


def with_spec(spec: Any, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec, **fields}


def test_the_objects_of_a_list_are_objects(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [deployment(), pod()]}))
    assert [one["kind"] for one in read(path).documents] == ["Deployment", "Pod"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (with_spec({}, kind=["Pod"]), "has the kind"),
        (with_spec({}, kind="--raw=/api"), "has the kind"),
        (with_spec({}, metadata=["x"]), "metadata is not a table"),
        (with_spec({}, metadata={"name": "--all"}), "metadata.name"),
        (with_spec({}, metadata={"name": "x", "namespace": 7}), "metadata.namespace"),
        (with_spec({}, metadata={"name": "x", "labels": [1]}), "metadata.labels"),
        (with_spec(["x"]), "spec of Pod x is not a table"),
        (with_spec({"containers": "x"}), "containers of Pod x is not a list"),
        (with_spec({"containers": [None, "x"]}), "a container of Pod x is not a table"),
        (pod(command=5), "command of a container"),
        (pod(resources=[1]), "resources of a container"),
        (pod(resources={"limits": "x"}), "resources.limits"),
        (pod(resources={"limits": {"nvidia.com/gpu": "two"}}), "no whole number"),
        (pod(resources={"limits": {"nvidia.com/gpu": [1]}}), "no whole number"),
        ({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": 7}, "items of the List"),
        ({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [7]}, "an item of the List"),
        ({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": []}, "holds no Kubernetes object"),
    ],
)
def test_what_is_no_object(tmp_path: Path, document: dict[str, Any], words: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError) as caught:
        read(path)
    assert words in str(caught.value)
    assert str(path) in caught.value.where
    assert caught.value.next_step


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("a" * (FILE_LIMIT_BYTES + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "bomb").write_text("a: &a [x, x]\nb: &b [*a, *a]\n")
    (tmp_path / "empty").write_text("")
    # the last one has no end and no size
    for path in (
        tmp_path,
        *(tmp_path / name for name in ("none", "long", "binary", "bomb", "empty")),
        Path("/dev/zero"),
    ):
        with pytest.raises(WslgpuError) as caught:
            read(path)
        assert caught.value.error_class is ErrorClass.USAGE, path
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"resources": {"requests": {"cpu": "1e999999", "memory": "1e99999"}}},
        {"args": ["--tensor-parallel-size", "9" * 5000]},
        {"args": ["--tensor-parallel-size", "²"]},
        {"ports": [{"hostPort": "²"}]},
    ],
)
def test_numbers_that_are_none(fields: dict[str, Any]) -> None:
    settings = load(Path("/dev/null"))
    assert all(len(str(one)) < 2000 for one in judge(requests([pod(**fields)]), cluster(), settings))
    assert quantity("1e99999") == 2**63 - 1
