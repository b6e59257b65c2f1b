"""Somebody's own manifests from a file: read within bounds, and held to the form that everything after it relies on.

Source: kubernetes.io/docs/reference/kubernetes-api (fields and their types), kubernetes.io/docs/concepts/overview/
working-with-objects/names (what a name may be).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wslgpu.errors import DataError, UsageError
from wslgpu.workloads.manifest import GPU_RESOURCE, gpus_asked, parse, pod_template
from wslgpu.workloads.model import Rendered

FILE_LIMIT_BYTES = 1 << 20
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")
# they become words of kubectl: none begins with a dash
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?")
_POD: dict[str, type] = {
    "containers": list,
    "initContainers": list,
    "ephemeralContainers": list,
    "volumes": list,
    "nodeSelector": dict,
}
_CONTAINER: dict[str, type] = {
    "command": list,
    "args": list,
    "env": list,
    "envFrom": list,
    "ports": list,
    "volumeMounts": list,
    "resources": dict,
}
_WORDS: dict[type, str] = {list: "a list", dict: "a table"}


def read(file: Path) -> Rendered:
    """The objects of a file, those of a List among them, as one workload of the file's name.

    :raises UsageError: it cannot be read, or is too long to be one
    :raises DataError: not YAML, or no Kubernetes objects
    """
    try:
        with file.open("rb") as stream:
            # what is no plain file has no size
            raw = stream.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot be read ({error.strerror})", str(file), "Check the path.") from error
    if len(raw) > FILE_LIMIT_BYTES:
        raise UsageError("is longer than 1 MiB", str(file), "Give a file with manifests.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("is no UTF-8 text", str(file), "Give a file with manifests.") from error
    objects = [one for item in parse(text, str(file)) for one in _flat(item, str(file))]
    if not objects:
        raise DataError("holds no Kubernetes object", str(file), "Give a file with manifests.")
    for one in objects:
        _require_form(one, str(file))
    return Rendered(str(file), "kubernetes", {}, tuple(objects))


def _flat(item: dict[str, Any], file: str) -> Iterator[dict[str, Any]]:
    if item["kind"] != "List":
        yield item
        return
    for one in _typed(item.get("items"), list, "items of the List", file):
        yield _typed(one, dict, "an item of the List", file)


def _require_form(item: Mapping[str, Any], file: str) -> None:
    """Nothing in it has a type that the API server would refuse and a check would stumble over."""
    kind, metadata = item.get("kind"), _typed(item.get("metadata"), dict, "metadata", file)
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise DataError(f"an object has the kind {str(kind)[:80]!r}", file, "A kind is a word such as Deployment.")
    names = {"metadata.name": metadata.get("name"), "metadata.namespace": metadata.get("namespace", "default")}
    for field, name in names.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise DataError(f"a {kind} has the {field} {str(name)[:80]!r}", file, "Give it a name in letters.")
    where = f"{kind} {metadata['name']}"
    for field in ("labels", "annotations"):
        _typed(metadata.get(field), dict, f"metadata.{field} of {where}", file)
    _typed(item.get("spec"), dict, f"spec of {where}", file)
    template = pod_template(item)
    if template is None:
        return
    _typed(template.get("metadata"), dict, f"the pods' metadata of {where}", file)
    spec = _typed(template.get("spec"), dict, f"the pods' spec of {where}", file)
    for field, kind_of in _POD.items():
        _typed(spec.get(field), kind_of, f"{field} of {where}", file)
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            _require_container(container, f"a container of {where}", file)
    try:
        gpus_asked(item)
    except (ValueError, TypeError):
        raise DataError(f"{where} asks for {GPU_RESOURCE} in no whole number", file, "Such as 1.") from None


def _require_container(container: Any, where: str, file: str) -> None:
    made = _typed(container, dict, where, file)
    for field, kind in _CONTAINER.items():
        _typed(made.get(field), kind, f"{field} of {where}", file)
    for field in ("limits", "requests"):
        _typed((made.get("resources") or {}).get(field), dict, f"resources.{field} of {where}", file)


def _typed(value: Any, kind: type, what: str, file: str) -> Any:
    """The value, an empty one where there is none.

    :raises DataError: it is another type
    """
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise DataError(f"{what} is not {_WORDS[kind]}", file, "kubectl apply --dry-run=client says more.")
    return value
