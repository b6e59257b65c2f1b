"""Questions about Kubernetes objects, as plain values. Pure.

Sources: kubernetes.io/docs/reference/kubernetes-api (where a pod's specification stands in each kind),
kubernetes.io/docs/concepts/workloads/pods/init-containers (what a pod with init containers asks for).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from wslgpu.errors import DataError
from wslgpu.yaml_source import parse_documents

Object = Mapping[str, Any]
GPU_RESOURCE = "nvidia.com/gpu"
_POD_PATHS = {
    "Pod": (),
    "PodTemplate": ("template",),
    **dict.fromkeys(
        ("Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"), ("spec", "template")
    ),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


class Identity(NamedTuple):
    """What makes an object that one; the namespace is empty where the object has none, or names none."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def parse(text: str, name: str) -> list[dict[str, Any]]:
    """The objects of a YAML text; documents that hold nothing are left out.

    :param name: what the text is called in errors
    :raises DataError: not YAML, a key twice, or something that is no Kubernetes object
    """
    objects = []
    for document in parse_documents(text, Path(name)):
        data = document.data
        if data is None:
            continue
        if not isinstance(data, dict) or not {"apiVersion", "kind", "metadata"} <= data.keys():
            raise DataError("is no Kubernetes object: it needs apiVersion, kind and metadata", document.where())
        objects.append(data)
    return objects


def identity(item: Object) -> Identity:
    """Kind, namespace and name of an object."""
    metadata = item.get("metadata") or {}
    return Identity(str(item.get("kind", "")), str(metadata.get("namespace", "")), str(metadata.get("name", "")))


def pod_template(item: Object) -> Object | None:
    """What has the metadata and the spec of the pods that an object makes; None where it makes none."""
    path = _POD_PATHS.get(str(item.get("kind", "")))
    if path is None:
        return None
    found: Any = item
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def pod_spec(item: Object) -> Object | None:
    """The specification of the pods that an object makes; None where it makes none."""
    template = pod_template(item)
    return template.get("spec") or {} if template is not None else None


def containers(spec: Object) -> Iterator[tuple[str, Object]]:
    """Each container of a pod's specification with its place, such as ``initContainers[0]``."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            yield f"{field}[{index}]", container


def images(item: Object) -> tuple[str, ...]:
    """The images of an object's pods, each once, in order."""
    spec = pod_spec(item)
    found = [str(container.get("image", "")) for _, container in containers(spec)] if spec is not None else []
    return tuple(dict.fromkeys(found))


def gpus_asked(item: Object, resource: str = GPU_RESOURCE) -> int:
    """How many of a resource each pod of an object asks for; 0 where it asks for none, or makes no pods.

    Init containers run before the others and one after the other, so the largest of them counts against the sum of
    the rest; those that stay (restartPolicy Always) count with the rest.

    :raises ValueError: not a whole number
    """
    spec = pod_spec(item)
    if spec is None:
        return 0
    together = sum(_asked(container, resource) for container in spec.get("containers") or ())
    largest = 0
    for container in spec.get("initContainers") or ():
        asked = _asked(container, resource)
        if container.get("restartPolicy") == "Always":
            together += asked
        else:
            largest = max(largest, asked)
    return max(together, largest)


def _asked(container: Object, resource: str) -> int:
    # for an extended resource the limit is the request, and one that stands alone is given to the other
    resources = container.get("resources") or {}
    for field in ("limits", "requests"):
        value = (resources.get(field) or {}).get(resource)
        if value is not None:
            return int(value)
    return 0
