"""Templates into a folder of Kubernetes manifests that kustomize and kubectl take as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from wslgpu.templates import render_yaml
from wslgpu.workloads.manifest import parse
from wslgpu.workloads.model import Rendered

_HEADER = "# Made by wslgpu; changes here are overwritten.\n"


def labels(name: str) -> dict[str, str]:
    """The labels that every object of a workload carries."""
    return {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": "wslgpu",
        "app.kubernetes.io/managed-by": "wslgpu",
    }


def from_templates(
    name: str, templates: Sequence[str], values: Mapping[str, Any], notes: Sequence[str] = ()
) -> Rendered:
    """One workload as Kubernetes manifests.

    :param templates: the manifests in the order in which they are applied, each as the template's path without
        ``templates`` and ``.j2``: ``/etc/wslgpu/kubernetes/vllm/deployment.yaml``
    :param values: what the templates use; ``labels`` is there besides
    :raises DataError: a template whose text is no Kubernetes object, or names a key twice
    """
    files: dict[str, str] = {}
    documents: list[dict[str, Any]] = []
    for template in templates:
        file = PurePosixPath(template).name
        files[file] = render_yaml(template, **{"labels": labels(name), **values})
        documents += parse(files[file], f"{name}/{file}")
    files = {"kustomization.yaml": kustomization(list(files)), **files}
    return Rendered(name, "kubernetes", files, tuple(documents), tuple(notes))


def kustomization(files: Sequence[str]) -> str:
    """A kustomization of plain files, in words that kubectl 1.20 and today's kustomize both know."""
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", "resources:"]
    return _HEADER + "\n".join([*lines, *(f"  - {file}" for file in files)]) + "\n"
