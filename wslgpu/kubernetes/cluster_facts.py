"""What a cluster and the machine that was asked say before something is put on them.

One session asks everything that is the same for all workloads, a second one what depends on it. What the cluster does
not show (credentials that may not list nodes, say) is a reason beside the others, and only the judgements that need it
cannot be made.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from wslgpu.errors import UnreachableError
from wslgpu.kubernetes.kubectl import Answer, Kubectl, Request, call, frames, script_text, session
from wslgpu.kubernetes.kubectl_errors import (
    ClusterUnreachableError,
    KubectlError,
    KubectlMissingError,
    NoCredentialsError,
    UntrustedError,
    of_answer,
)
from wslgpu.kubernetes.plugin_version import is_plugin
from wslgpu.kubernetes.pods import rows, table
from wslgpu.kubernetes.requests import quantity
from wslgpu.report.plain import clean
from wslgpu.verdict.seen import NotSeenError
from wslgpu.workloads.manifest import GPU_RESOURCE
from wslgpu.workloads.model import NodeTruth

T = TypeVar("T")
TIMEOUT_S = 120.0
_SCRIPT = Path(__file__).parent / "scripts" / "check_node.sh"
_GPU_PATH = r"resources.limits.nvidia\.com/gpu"
_FIELDS = ("metadata.namespace", "metadata.name", "spec.nodeName", "status.phase")
_POD = [
    *_FIELDS,
    *(f"spec.containers[*].{path}" for path in (_GPU_PATH, "ports[*].hostPort")),
    *(f"spec.containers[*].resources.requests.{name}" for name in ("cpu", "memory")),
]
_OURS = r"metadata.labels.app\.kubernetes\.io/name"


def _table(*paths: str) -> str:
    """A jsonpath that prints a line for each object, its fields between bars."""
    return "jsonpath={range .items[*]}" + '{"|"}'.join(f"{{.{path}}}" for path in paths) + '{"\\n"}{end}'


QUESTIONS: dict[str, tuple[str, ...]] = {
    "version": ("version", "-o", "json"),
    "nodes": ("get", "nodes", "-o", "json"),
    "runtime-classes": ("get", "runtimeclasses", "-o", _table("metadata.name", "handler")),
    "pods": ("get", "pods", "-A", "-o", _table(*_POD, _OURS)),
    "services": (
        "get",
        "services",
        "-A",
        "-o",
        _table("metadata.namespace", "metadata.name", "spec.ports[*].nodePort"),
    ),
    "namespaces": ("get", "namespaces", "-o", _table("metadata.name", "status.phase")),
    "daemonsets": (
        "get",
        "daemonsets",
        "-A",
        "-o",
        _table("metadata.namespace", "metadata.name", "spec.template.spec.containers[*].image"),
    ),
}
"""Words of kubectl by label. Only names and numbers of pods and services are asked for: a large cluster has many."""


@dataclass(frozen=True)
class NodeSeen:
    """One node of the cluster.

    :param why_not: the cluster's words when it is not ready
    :param gpus: allocatable ``nvidia.com/gpu``
    :param images: as the kubelet lists them: names and ``repository@digest``
    """

    name: str
    ready: bool
    why_not: str
    gpus: int
    memory_bytes: int | None
    cpus: Decimal | None
    labels: Mapping[str, str]
    images: frozenset[str]


@dataclass(frozen=True)
class PodSeen:
    """One pod of the cluster, as far as it takes something from others.

    :param workload: its label ``app.kubernetes.io/name``
    """

    namespace: str
    name: str
    node: str
    phase: str
    gpus: int
    host_ports: tuple[int, ...]
    workload: str
    cpus: Decimal = Decimal(0)
    memory_bytes: int = 0

    @property
    def alive(self) -> bool:
        return self.phase not in ("Succeeded", "Failed")


@dataclass(frozen=True)
class PathSeen:
    """A path of the machine: ``directory``, ``file`` or ``missing``, and the type of its file system."""

    path: str
    kind: str
    filesystem: str


@dataclass(frozen=True)
class ClusterFacts:
    """The answers by label; each method raises NotSeenError where its answer is none."""

    answers: Mapping[str, Answer]

    def version(self) -> tuple[int, int]:
        """The server's major and minor version; k3s and others write a ``+`` behind it."""

        def read(answer: Answer) -> tuple[int, int]:
            server = table(answer.document().get("serverVersion"))
            major, minor = ("".join(c for c in str(server.get(key, "")) if c.isdigit()) for key in ("major", "minor"))
            if not major or not minor:
                raise NotSeenError("the server does not tell its version")
            return int(major), int(minor)

        return self._read("version", read)

    def nodes(self) -> tuple[NodeSeen, ...]:
        return self._read("nodes", lambda answer: tuple(read_node(row) for row in answer.items()))

    def runtime_classes(self) -> dict[str, str]:
        """Handler by name."""
        return {row[0]: row[1] for row in self._rows("runtime-classes", 2)}

    def pods(self) -> tuple[PodSeen, ...]:
        return tuple(_pod(row) for row in self._rows("pods", 9))

    def node_ports(self) -> dict[int, str]:
        """``namespace/name`` of the Service that has a port."""
        return {port: f"{row[0]}/{row[1]}" for row in self._rows("services", 3) for port in _numbers(row[2])}

    def namespaces(self) -> dict[str, str]:
        """Phase by name: Active or Terminating."""
        return {row[0]: row[1] for row in self._rows("namespaces", 2)}

    def plugins(self) -> dict[str, str]:
        """Image of each device plugin's DaemonSet by ``namespace/name``."""
        found = {f"{row[0]}/{row[1]}": row[2] for row in self._rows("daemonsets", 3)}
        return {name: image for name, image in found.items() if is_plugin(name.partition("/")[2], image)}

    # the machine that was asked, where it is a node of the cluster

    def machine(self) -> str:
        """Name of the node that the machine is.

        :raises NotSeenError: it is none of the cluster's nodes: what it has says nothing of them
        """
        name = self._read("node", lambda answer: clean(answer.text().strip(), 253))
        if name not in {node.name for node in self.nodes()}:
            raise NotSeenError(f"the machine that was asked ({name}) is no node of the cluster: name one with --on")
        return name

    def memory_bytes(self) -> int:
        self.machine()
        return self._read("memory", lambda answer: int(answer.text()) * 1024)

    def listening(self) -> tuple[tuple[str, int], ...]:
        """Address and port of whatever listens."""
        self.machine()
        return self._read("listening", lambda answer: tuple(_listener(line) for line in answer.text().split()))

    def cdi_kinds(self) -> frozenset[str]:
        self.machine()
        return self._read("kinds", lambda answer: frozenset(answer.text().split()))

    def gpus(self) -> int:
        """That nvidia-smi lists."""
        self.machine()
        return self._read("gpus", lambda answer: int(answer.text()))

    def paths(self) -> dict[str, PathSeen]:
        """What was asked for, by path."""
        self.machine()
        found = {}
        for line in self._read("paths", lambda answer: answer.text()).splitlines():
            kind, filesystem, path = [*line.split(" ", 2), "", ""][:3]
            found[path] = PathSeen(path, kind, filesystem)
        return found

    def present(self, label: str) -> bool:
        """Whether an object that was asked for by name is there (``--ignore-not-found`` prints nothing else)."""
        return self._read(label, lambda answer: bool(answer.text().strip()))

    def _rows(self, label: str, width: int) -> list[list[str]]:
        text = self._read(label, lambda answer: answer.text())
        split = [clean(line, 2000).split("|") for line in text.splitlines() if line.strip()]
        return [row for row in split if len(row) == width]

    def _read(self, label: str, read: Callable[[Answer], T]) -> T:
        answer = self.answers.get(label)
        if answer is None:
            raise NotSeenError(f"{label} was not asked")
        try:
            return read(answer)
        except KubectlError as error:
            raise NotSeenError(error.what) from None
        except (ValueError, ArithmeticError):
            raise NotSeenError(f"the answer about {label} has another form") from None


def ask_cluster(kubectl: Kubectl) -> ClusterFacts:
    """Ask :data:`QUESTIONS` and the machine, in one session.

    :raises WslgpuError: the machine cannot be reached
    :raises KubectlError: nobody can be asked at all: no kubectl, no credentials, no API server
    """
    found = _ask(kubectl, {label: Request(words) for label, words in QUESTIONS.items()}, ())
    version = found.get("version")
    if version is None:
        raise UnreachableError("gave no whole answer", kubectl.target.name, "Run it again.")
    if not version.ok:
        # `kubectl version` asks no rights: when it gets no answer nobody does
        error = of_answer(version.status, version.errors, f"kubectl on {kubectl.target.name}")
        if isinstance(error, (KubectlMissingError, NoCredentialsError, ClusterUnreachableError, UntrustedError)):
            raise error
    return ClusterFacts(found)


def ask_more(kubectl: Kubectl, facts: ClusterFacts, paths: Sequence[str], more: Mapping[str, Request]) -> ClusterFacts:
    """The facts with what depends on them, in one further session.

    :param paths: of the machine, to be looked at
    :param more: calls of kubectl by label
    :raises WslgpuError: the machine cannot be reached
    """
    return ClusterFacts({**facts.answers, **_ask(kubectl, more, paths)})


def _ask(kubectl: Kubectl, asked: Mapping[str, Request], paths: Sequence[str]) -> dict[str, Answer]:
    nonce = secrets.token_hex(16)
    script = kubectl.prelude(nonce) + "".join(f"wslgpu_label={label}\n{call(one)}" for label, one in asked.items())
    script += f"wslgpu_paths={shlex.quote(chr(10).join(paths))}\n{script_text(_SCRIPT)}"
    return dict(frames(session(kubectl.target, script, TIMEOUT_S), nonce))


def truth(facts: ClusterFacts, video_kind: str) -> NodeTruth:
    """What is rendered from: None wherever nobody said so."""

    def known(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except NotSeenError:
            return None

    nodes = known(facts.nodes) or ()
    kinds = known(facts.cdi_kinds)
    return NodeTruth(
        kubernetes=known(facts.version),
        gpus=known(facts.gpus),
        advertised=max((node.gpus for node in nodes if node.ready), default=None),
        video_device=None if kinds is None else (f"{video_kind}=video" if video_kind in kinds else ""),
        shared_memory_bytes=known(facts.memory_bytes),
    )


def read_node(row: Mapping[str, Any]) -> NodeSeen:
    """One Node object."""
    metadata, status = table(row.get("metadata")), table(row.get("status"))
    conditions = rows(status.get("conditions"))
    ready = next((one for one in conditions if one.get("type") == "Ready"), {})
    allocatable = table(status.get("allocatable"))
    gpus, memory = quantity(allocatable.get(GPU_RESOURCE, 0)), quantity(allocatable.get("memory", ""))
    images = [name for image in rows(status.get("images")) for name in image.get("names") or []]
    return NodeSeen(
        name=clean(str(metadata.get("name")), 253),
        ready=ready.get("status") == "True",
        why_not=clean(str(ready.get("message") or "it has told nothing yet"), 300),
        gpus=int(gpus or 0),
        memory_bytes=int(memory) if memory is not None else None,
        cpus=quantity(allocatable.get("cpu", "")),
        labels={str(key): str(value) for key, value in table(metadata.get("labels")).items()},
        images=frozenset(str(name) for name in images),
    )


def _pod(row: Sequence[str]) -> PodSeen:
    """A line of the table of pods."""
    space, name, node, phase, gpus, ports, cpus, memory, workload = row
    asked = [sum((quantity(word) or Decimal(0) for word in text.split()), Decimal(0)) for text in (cpus, memory)]
    return PodSeen(
        space, name, node, phase, sum(_numbers(gpus)), tuple(_numbers(ports)), workload, asked[0], int(asked[1])
    )


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split() if word.isdigit()]


def _listener(word: str) -> tuple[str, int]:
    address, _, port = word.rpartition(":")
    return address.strip("[]"), int(port)
