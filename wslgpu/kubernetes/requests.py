"""What rendered objects ask of a cluster and its node: GPUs, memory, ports, images, paths. Pure.

Sources: kubernetes.io/docs/reference/kubernetes-api (fields), kubernetes.io/docs/concepts/storage/volumes (emptyDir in
memory), kubernetes.io/docs/concepts/services-networking/service (who reaches a Service).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from wslgpu.kubernetes.plugin_version import is_plugin
from wslgpu.kubernetes.pods import rows, table
from wslgpu.workloads.manifest import Identity, containers, gpus_asked, identity, images, pod_spec, pod_template

Object = Mapping[str, Any]
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a mount point
_SUFFIXES: dict[str, Decimal | int] = {
    "": 1,
    "m": Decimal("0.001"),
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
    "E": 10**18,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
    "Pi": 1 << 50,
    "Ei": 1 << 60,
}
_LARGEST = Decimal(2**63 - 1)
"""What the API server makes of anything larger."""
_QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
_PARALLEL = re.compile(r"--(?:tensor|pipeline)-parallel-size(?:=(\d{1,4}))?|-(?:tp|pp)(?:=(\d{1,4}))?")
_NUMBER = re.compile(r"[0-9]{1,6}")
_KEY_WORDS = ("API_KEY", "APIKEY", "AUTH_TOKEN")


def quantity(value: Any) -> Decimal | None:
    """A Kubernetes quantity as a number: ``500m`` is 0.5, ``16Gi`` bytes; None when it is none."""
    match = _QUANTITY.fullmatch(str(value).strip())
    if match is None or match[2] not in _SUFFIXES:
        return None
    try:
        number: Decimal = Decimal(match[1]) * _SUFFIXES[match[2]]
    except ArithmeticError:
        return None
    return max(-_LARGEST, min(_LARGEST, number))


@dataclass(frozen=True)
class Asked:
    """The pods of one object.

    :param gpus: ``nvidia.com/gpu`` of each pod
    :param pods: how many pods run at once; 1 on each node for a DaemonSet
    :param ranks: processes that work on one model together, by the words of the command line; at least 1
    :param memory_bytes: that each pod asks of the scheduler; ``cpus`` likewise
    :param shared_memory_bytes: size of the volume at /dev/shm; None: the engine's own 64 MiB
    :param host_paths: path and type of each hostPath volume
    :param host_ports: of the node itself
    :param authenticated: a key is asked for, by its environment or command line
    :param needs: Secrets, ConfigMaps and claims that it names and cannot start without, as (resource, name)
    """

    who: Identity
    gpus: int
    pods: int
    ranks: int
    shared_memory_bytes: int | None
    memory_bytes: int
    cpus: Decimal
    images: tuple[str, ...]
    runtime_class: str
    host_paths: tuple[tuple[str, str], ...]
    host_ports: tuple[int, ...]
    host_network: bool
    authenticated: bool
    labels: Mapping[str, str]
    selector: Mapping[str, str]
    needs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reached:
    """One Service.

    :param node_ports: ports on every node; 0 where the cluster chooses
    """

    who: Identity
    type: str
    node_ports: tuple[int, ...]
    selector: Mapping[str, str]


@dataclass(frozen=True)
class Requests:
    """Everything that a set of objects asks for.

    :param made_namespaces: those among the objects
    :param made_runtime_classes: likewise
    :param volume_paths: folders of the node that PersistentVolumes among the objects are
    :param made: all objects, as (namespace, kind in small letters, name)
    :param brings_plugin: NVIDIA's device plugin is among them
    :param beside: pods of the workloads that the same call applies before these
    """

    pods: tuple[Asked, ...]
    services: tuple[Reached, ...]
    namespaces: frozenset[str]
    made_namespaces: frozenset[str]
    made_runtime_classes: frozenset[str]
    volume_paths: tuple[tuple[Identity, str], ...]
    made: frozenset[tuple[str, str, str]]
    brings_plugin: bool = False
    beside: tuple[Asked, ...] = ()

    @property
    def missing_parts(self) -> tuple[tuple[str, str, str], ...]:
        """What pods name and the objects do not bring: (namespace, resource, name)."""
        named = [(one.who.namespace, *need) for one in self.pods for need in one.needs]
        return tuple(dict.fromkeys(need for need in named if need not in self.made))

    @property
    def images(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(image for one in self.pods for image in one.images))

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path of the node that must be there."""
        asked = [path for one in self.pods for path, kind in one.host_paths if not kind.endswith("OrCreate")]
        return tuple(dict.fromkeys([*asked, *(path for _, path in self.volume_paths)]))


def requests(documents: Iterable[Object]) -> Requests:
    """Read objects; what is not understood asks for nothing."""
    found = list(documents)
    return Requests(
        pods=tuple(_asked(item) for item in found if pod_spec(item) is not None),
        services=tuple(_reached(item) for item in found if item.get("kind") == "Service"),
        namespaces=frozenset(identity(item).namespace for item in found if identity(item).namespace),
        made_namespaces=frozenset(identity(item).name for item in found if item.get("kind") == "Namespace"),
        made_runtime_classes=frozenset(identity(item).name for item in found if item.get("kind") == "RuntimeClass"),
        volume_paths=tuple(_volume_paths(found)),
        made=frozenset((who.namespace, who.kind.lower(), who.name) for who in map(identity, found)),
        brings_plugin=any(brings_plugin(item) for item in found),
    )


def brings_plugin(item: Object) -> bool:
    """It is the DaemonSet of NVIDIA's device plugin."""
    return item.get("kind") == "DaemonSet" and any(is_plugin(identity(item).name, image) for image in images(item))


def _asked(item: Object) -> Asked:
    template, spec = table(pod_template(item)), table(pod_spec(item))
    every = [table(container) for _, container in containers(spec)]
    volumes = rows(spec.get("volumes"))
    host_paths = [table(volume.get("hostPath")) for volume in volumes if table(volume.get("hostPath")).get("path")]
    ports = [port for container in every for port in rows(container.get("ports"))]
    words = [str(word) for container in every for key in ("command", "args") for word in container.get(key) or []]
    return Asked(
        who=identity(item),
        gpus=gpus_asked(item),
        pods=_count(item),
        ranks=_ranks(words),
        shared_memory_bytes=_shared_memory(every, volumes),
        memory_bytes=int(_together(spec, "memory")),
        cpus=_together(spec, "cpu"),
        images=images(item),
        runtime_class=str(spec.get("runtimeClassName") or ""),
        host_paths=tuple((str(one["path"]), str(one.get("type") or "")) for one in host_paths),
        host_ports=tuple(int(port["hostPort"]) for port in ports if _NUMBER.fullmatch(str(port.get("hostPort", "")))),
        host_network=bool(spec.get("hostNetwork")),
        authenticated=_authenticated(every, words),
        labels=_texts(table(template.get("metadata")).get("labels")),
        selector=_texts(spec.get("nodeSelector")),
        needs=tuple(dict.fromkeys(_needs(every, volumes))),
    )


def _count(item: Object) -> int:
    spec = table(item.get("spec"))
    key = "parallelism" if item.get("kind") == "Job" else "replicas"
    value = spec.get(key)
    return value if isinstance(value, int) else 1


def _ranks(words: list[str]) -> int:
    """Tensor by pipeline parallel size in a command line; a shell's line counts as its words."""
    split = [part for word in words for part in word.split()]
    ranks = 1
    for place, word in enumerate(split):
        match = _PARALLEL.fullmatch(word)
        if match:
            given = match[1] or match[2] or (split[place + 1] if place + 1 < len(split) else "")
            ranks *= max(1, int(given)) if _NUMBER.fullmatch(given) else 1
    return ranks


def _shared_memory(every: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> int | None:
    """Size of the volume that is mounted at /dev/shm; 0 where it has no limit of its own, and so all memory."""
    mounts = [mount for one in every for mount in rows(one.get("volumeMounts"))]
    for mount in (mount for mount in mounts if mount.get("mountPath") == SHARED_MEMORY):
        for volume in volumes:
            memory = table(volume.get("emptyDir"))
            if volume.get("name") == mount.get("name") and memory.get("medium") == "Memory":
                size = quantity(memory.get("sizeLimit", 0))
                return int(size) if size is not None else None
    return None


def _together(spec: dict[str, Any], resource: str) -> Decimal:
    """What a pod asks for of a resource: its containers together, or the largest init container."""
    main = sum((_request(one, resource) for one in rows(spec.get("containers"))), Decimal(0))
    return max([main, *(_request(one, resource) for one in rows(spec.get("initContainers")))])


def _request(container: dict[str, Any], resource: str) -> Decimal:
    # a limit that stands alone is a request too
    resources = table(container.get("resources"))
    for key in ("requests", "limits"):
        size = quantity(table(resources.get(key)).get(resource))
        if size is not None:
            return size
    return Decimal(0)


def _needs(every: list[dict[str, Any]], volumes: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What a pod names and waits for; a reference that is optional is none."""
    references = [
        (resource, table(table(entry.get("valueFrom")).get(key)))
        for container in every
        for entry in rows(container.get("env"))
        for resource, key in (("secret", "secretKeyRef"), ("configmap", "configMapKeyRef"))
    ]
    references += [
        (resource, table(entry.get(key)))
        for container in every
        for entry in rows(container.get("envFrom"))
        for resource, key in (("secret", "secretRef"), ("configmap", "configMapRef"))
    ]
    for volume in volumes:
        secret, claim = table(volume.get("secret")), table(volume.get("persistentVolumeClaim"))
        references.append(("secret", {"name": secret.get("secretName"), "optional": secret.get("optional")}))
        references.append(("configmap", table(volume.get("configMap"))))
        references.append(("persistentvolumeclaim", {"name": claim.get("claimName")}))
    for resource, reference in references:
        if reference.get("name") and reference.get("optional") is not True:
            yield resource, str(reference["name"])


def _authenticated(every: list[dict[str, Any]], words: list[str]) -> bool:
    names = [str(entry.get("name", "")) for container in every for entry in rows(container.get("env"))]
    by_environment = any(word in name for name in names for word in _KEY_WORDS)
    return by_environment or any(word.startswith(("--api-key", "--auth")) for word in words)


def _reached(item: Object) -> Reached:
    spec = table(item.get("spec"))
    kind = str(spec.get("type") or "ClusterIP")
    ports = [port.get("nodePort") or 0 for port in rows(spec.get("ports"))] if kind != "ClusterIP" else []
    return Reached(
        identity(item), kind, tuple(port for port in ports if isinstance(port, int)), _texts(spec.get("selector"))
    )


def _volume_paths(found: Iterable[Object]) -> Iterator[tuple[Identity, str]]:
    for item in found:
        if item.get("kind") == "PersistentVolume":
            spec = table(item.get("spec"))
            for key in ("hostPath", "local"):
                place = table(spec.get(key))
                if place.get("path") and not str(place.get("type") or "").endswith("OrCreate"):
                    yield identity(item), str(place["path"])


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(text) for key, text in table(value).items()}
