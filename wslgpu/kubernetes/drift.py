"""What of an object on the cluster is not as it was rendered, and whose doing that is. Pure.

Compared is what we say, and no more: the server fills in defaults, and others own the rest (status, what an autoscaler
sets, labels and annotations that somebody added). What was last applied stands in kubectl's own annotation; ours beside
it says that it was wslgpu who applied that. A field that differs from what was last applied was edited by hand.

Source: kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config (how apply merges, and the annotation).
"""

from __future__ import annotations

import base64
import copy
import enum
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wslgpu.kubernetes.pods import rows, table
from wslgpu.kubernetes.requests import quantity
from wslgpu.report.plain import clean
from wslgpu.workloads.manifest import Identity, identity

Object = Mapping[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
DIGEST = "wslgpu.dev/applied-digest"
MANAGED_BY = "app.kubernetes.io/managed-by"
SHOWN_CHARACTERS = 80
_MERGE_KEYS = ("name", "mountPath", "containerPort", "devicePath", "key", "topologyKey", "ip", "type", "port")
CLOSED = frozenset(
    {"data", "binaryData", "nodeSelector", "matchLabels", "limits", "requests", "selector", "podSelector"}
)
"""Maps that nobody fills in by default: what is in them beside ours was put there."""
_SECRET = re.compile(r"\.env(\[[^\]]*(KEY|TOKEN|SECRET|PASSW|CREDENTIAL)[^\]]*\](\.value)?)?$", re.IGNORECASE)
"""Environment that somebody may have written a key into by hand; a whole list of it may hold one."""
_QUANTITIES = frozenset({"limits", "requests", "capacity", "sizeLimit"})


class State(str, enum.Enum):
    """How an object on the cluster stands to ours."""

    MISSING = "missing"
    SAME = "same"
    CHANGED = "changed"
    """What is rendered now is another than what was applied: the data changed."""
    EDITED = "edited"
    """Somebody changed it on the cluster."""
    FOREIGN = "foreign"
    """Not ours, and another than ours would be."""
    FOREIGN_SAME = "foreign-same"
    """Not ours, and says what ours would: it is left as it is."""


@dataclass(frozen=True)
class Difference:
    """One field.

    :param path: such as ``spec.template.spec.containers[vllm].image``
    :param ours: as rendered; empty where only the cluster has the field
    :param live: as it is; empty where it is not there
    """

    path: str
    ours: str
    live: str

    def __str__(self) -> str:
        return f"{self.path}: {self.live or 'missing'} instead of {self.ours or 'nothing'}"


@dataclass(frozen=True)
class Drift:
    """One object.

    :param differences: between what is rendered and what is there
    :param edited: of these, and of what was applied before, the fields that were changed by hand
    """

    who: Identity
    state: State
    differences: tuple[Difference, ...] = ()
    edited: tuple[Difference, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "object": str(self.who),
            "state": self.state.value,
            "differences": [vars(one) for one in self.differences],
            "edited": [vars(one) for one in self.edited],
        }


def marked(document: Object) -> dict[str, Any]:
    """The object with our annotation, as it is applied."""
    made = copy.deepcopy(dict(document))
    metadata = made.setdefault("metadata", {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), DIGEST: digest(document)}
    return made


def digest(document: Object) -> str:
    """Of an object without our annotation, however its keys are ordered."""
    plain = copy.deepcopy(dict(document))
    annotations = table(plain.get("metadata")).get("annotations")
    if isinstance(annotations, dict):
        annotations.pop(DIGEST, None)
        if not annotations:
            plain["metadata"].pop("annotations")
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def is_ours(live: Object) -> bool:
    """By its label."""
    return table(table(live.get("metadata")).get("labels")).get(MANAGED_BY) == "wslgpu"


def judge(document: Object, live: Object | None, *, autoscaled: bool = False) -> Drift:
    """One rendered object beside the one on the cluster.

    :param live: None or empty when it is not there
    :param autoscaled: an autoscaler owns its replicas
    """
    who = identity(document)
    if not live:
        return Drift(who, State.MISSING)
    found = tuple(differences(document, live, autoscaled=autoscaled))
    if not is_ours(live):
        # labels and annotations are how we know our own: another's has others
        other = tuple(one for one in found if not one.path.startswith(("metadata.labels", "metadata.annotations")))
        return Drift(who, State.FOREIGN if other else State.FOREIGN_SAME, other)
    if document.get("kind") == "Secret":
        return Drift(who, State.CHANGED if found else State.SAME, found)
    if not found:
        return Drift(who, State.SAME)
    last = last_applied(live)
    by_us = last is not None and _annotation(live, DIGEST) == digest(last)
    edited = tuple(differences(last, live, autoscaled=autoscaled)) if last is not None and by_us else found
    return Drift(who, State.EDITED if edited else State.CHANGED, found, edited)


def last_applied(live: Object) -> dict[str, Any] | None:
    """What kubectl applied last, by its annotation; None where it did not, or the annotation is garbage."""
    try:
        value = json.loads(_annotation(live, LAST_APPLIED) or "null")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _annotation(live: Object, name: str) -> str:
    return str(table(table(live.get("metadata")).get("annotations")).get(name) or "")


def differences(wanted: Object, live: Object, *, autoscaled: bool = False) -> Iterator[Difference]:
    """Every field that an object says and the one on the cluster does not have so."""
    ours, theirs = _plain(wanted), _plain(live)
    if autoscaled:
        table(ours.get("spec")).pop("replicas", None)
    found = _compare("", ours, theirs, quantities=False)
    for one in found:
        if wanted.get("kind") == "Secret" or _SECRET.search(one.path):
            # never the value
            yield Difference(one.path, "***" if one.ours else "", "***" if one.live else "")
        else:
            yield one


def _plain(document: Object) -> dict[str, Any]:
    """What is compared: no status, of metadata labels and annotations; a Secret's texts as the server keeps them."""
    # the version is the one in which kubectl asked
    left_out = ("status", "apiVersion", "kind")
    made = copy.deepcopy({key: value for key, value in document.items() if key not in left_out})
    metadata = table(made.get("metadata"))
    annotations = {
        key: value for key, value in table(metadata.get("annotations")).items() if key not in (DIGEST, LAST_APPLIED)
    }
    made["metadata"] = {"labels": table(metadata.get("labels")), "annotations": annotations}
    if document.get("kind") == "Secret":
        texts = {
            key: base64.b64encode(str(text).encode()).decode()
            for key, text in table(made.pop("stringData", {})).items()
        }
        made["data"] = {**table(made.get("data")), **texts}
    return made


def _compare(path: str, ours: Any, live: Any, *, quantities: bool) -> Iterator[Difference]:
    if _empty(ours) and _empty(live):
        return
    if isinstance(ours, dict) and isinstance(live, dict):
        name = path.rpartition(".")[2]
        for key, value in ours.items():
            yield from _compare(_join(path, key), value, live.get(key), quantities=quantities or key in _QUANTITIES)
        if name in CLOSED:
            for key in sorted(set(live) - set(ours)):
                yield Difference(_join(path, key), "", _text(live[key]))
    elif isinstance(ours, list) and isinstance(live, list):
        yield from _compare_lists(path, ours, live, quantities=quantities)
    elif ours != live and not (quantities and _same_quantity(ours, live)):
        yield Difference(path, _text(ours), _text(live))


def _compare_lists(path: str, ours: list[Any], live: list[Any], *, quantities: bool) -> Iterator[Difference]:
    key = merge_key(ours, live)
    if not key:
        if len(ours) != len(live):
            yield Difference(path, _text(ours), _text(live))
            return
        for number, (one, other) in enumerate(zip(ours, live, strict=True)):
            yield from _compare(f"{path}[{number}]", one, other, quantities=quantities)
        return
    there = {str(row[key]): row for row in rows(live)}
    for row in rows(ours):
        name = str(row[key])
        yield from _compare(f"{path}[{name}]", row, there.pop(name, None), quantities=quantities)
    for name, row in there.items():
        yield Difference(f"{path}[{name}]", "", _text(row))


def merge_key(ours: list[Any], live: list[Any]) -> str:
    """The key by which rows of two lists belong together; empty where they do by their place."""
    key = next((key for key in _MERGE_KEYS if _identifies(key, ours)), "")
    return key if key and _identifies(key, live) else ""


def _identifies(key: str, values: list[Any]) -> bool:
    """Each has it, and no two the same."""
    found = [str(row.get(key)) for row in values if isinstance(row, dict) and row.get(key) is not None]
    return bool(values) and len(found) == len(values) == len(set(found))


def _empty(value: Any) -> bool:
    return value is None or value in ("", [], {}) or value is False


def _same_quantity(ours: Any, live: Any) -> bool:
    one, other = quantity(ours), quantity(live)
    return one is not None and one == other


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else str(key)


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return clean(text, SHOWN_CHARACTERS).replace("\n", " ")
