"""Every rendered manifest against the schemas of Kubernetes, kustomize, and the rules that hold for all of them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.unit.rendered_workloads import different, renderings
from wslgpu.workloads.manifest import GPU_RESOURCE, gpus_asked, identity, images, pod_spec

MINORS = tuple(f"1.{minor}" for minor in range(25, 38))


@pytest.mark.parametrize("minor", MINORS)
def test_manifests_are_right_for_every_supported_kubernetes(minor: str) -> None:
    objects = {json.dumps(item): dict(item) for each in different().values() for item in each.documents}
    assert len(objects) >= 10
    for item in objects.values():
        kubernetes_validate.validate(item, minor, strict=True)


@pytest.mark.parametrize("minor", MINORS)
def test_the_schemas_find_a_wrong_key(minor: str) -> None:
    wrong = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}, "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, minor, strict=True)


@pytest.mark.installed
@pytest.mark.parametrize("what", different(), ids=str)
def test_kustomize_makes_the_same_objects_of_them(what: str, tmp_path: Path) -> None:
    """With the kubectl of this machine; seen with 1.32.4, whose kustomize is 5.5.0."""
    rendered = renderings()[what]
    for name, text in rendered.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    made = {identity(item): item for item in yaml.safe_load_all(done.stdout)}
    assert made == {identity(item): item for item in rendered.documents}


@pytest.mark.parametrize("what", different(), ids=str)
def test_images_are_named_by_digest_only(what: str) -> None:
    for item in renderings()[what].documents:
        spec = pod_spec(item)
        if spec is not None:
            assert images(item)
            for image in images(item):
                assert re.fullmatch(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}", image), image


def test_pods_are_found_in_whatever_makes_them() -> None:
    spec = {"containers": [{"image": "a"}, {"image": "b"}], "initContainers": [{"image": "b"}]}
    template = {"template": {"spec": spec}}
    for kind in ("Deployment", "DaemonSet", "StatefulSet", "Job"):
        assert pod_spec({"kind": kind, "spec": template}) == spec
        assert images({"kind": kind, "spec": template}) == ("b", "a")
    assert pod_spec({"kind": "CronJob", "spec": {"jobTemplate": {"spec": template}}}) == spec
    assert pod_spec({"kind": "Pod", "spec": spec}) == spec
    assert pod_spec({"kind": "Service", "spec": {"ports": []}}) is None
    assert pod_spec({"kind": "Deployment"}) is None
    assert images({"kind": "Service"}) == ()


def _gpus(number: object, field: str = "limits", **more: Any) -> dict[str, Any]:
    return {"resources": {field: {GPU_RESOURCE: number}}, **more}


@pytest.mark.parametrize(
    ("spec", "gpus"),
    [
        ({"containers": [{}]}, 0),
        ({"containers": [_gpus(2), _gpus("1")]}, 3),
        ({"containers": [_gpus(1, "requests")]}, 1),
        ({"initContainers": [_gpus(4), _gpus(2)], "containers": [_gpus(1)]}, 4),
        ({"initContainers": [_gpus(1)], "containers": [_gpus(2)]}, 2),
        ({"initContainers": [_gpus(1, restartPolicy="Always")], "containers": [_gpus(2)]}, 3),
    ],
)
def test_what_a_pod_asks_for(spec: dict[str, Any], gpus: int) -> None:
    assert gpus_asked({"kind": "Pod", "spec": spec}) == gpus


def test_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="many"):
        gpus_asked({"kind": "Pod", "spec": {"containers": [_gpus("many")]}})
