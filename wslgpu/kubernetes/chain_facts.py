"""What a node and its cluster said about the chain from CDI spec to pod, read as typed values. Pure.

What the probe sees already is its observation; the rest are the pieces of ``scripts/chain.sh``. A value that nobody saw
is a :class:`NotSeenError` with the reason, never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wslgpu.kubernetes.kubectl import Answer
from wslgpu.kubernetes.plugin_version import version_of
from wslgpu.kubernetes.pods import PodState, read_pod
from wslgpu.probe.document import Observations
from wslgpu.report.plain import clean
from wslgpu.verdict.derived import with_derived
from wslgpu.verdict.seen import NotSeenError, Seen

RESOURCE = "nvidia.com/gpu"
LOG_LINES = 40


@dataclass(frozen=True)
class Spec:
    """One CDI spec file.

    :param missing: host paths that it names and that do not exist
    """

    file: str
    kind: str
    devices: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Its devices by qualified name, ``KIND=NAME``."""
        return tuple(f"{self.kind}={name}" for name in self.devices)


@dataclass(frozen=True)
class RunningEngine:
    """The CRI configuration that the running containerd works with.

    :param handlers: its runtimes; each with the program that it starts, empty for the engine's own default
    """

    handlers: Mapping[str, str]
    default: str
    cdi: bool | None


@dataclass(frozen=True)
class PluginDaemonSet:
    """The DaemonSet whose image is NVIDIA's device plugin."""

    image: str
    version: str
    desired: int
    ready: int
    runtime_class: str | None


@dataclass(frozen=True)
class ClusterNode:
    """The node as the API server has it."""

    ready: bool
    capacity: int
    allocatable: int
    labels: Mapping[str, str]


@dataclass(frozen=True)
class PodView:
    """What a pod saw that asked for one GPU.

    :param ran: it came to its end; else ``reason`` says why not
    :param lines: what it printed, ``KEY VALUE``
    """

    ran: bool
    reason: str = ""
    lines: tuple[str, ...] = ()

    def values(self, key: str) -> tuple[str, ...]:
        return tuple(line.partition(" ")[2] for line in self.lines if line.partition(" ")[0] == key)


@dataclass(frozen=True)
class ChainFacts:
    """Everything that was seen of one node; each method raises NotSeenError where that was not.

    :param pieces: of ``chain.sh``, by label
    :param pod: None when no pod was asked for
    :param versions: of the plugin, those of which the table knows what they do: by digest, and by themselves
    """

    document: Observations
    pieces: Mapping[str, Answer]
    pod: PodView | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> Seen:
        return Seen(with_derived(self.document))

    @property
    def stand_in(self) -> bool:
        """The node is a lab's."""
        return self.document.stand_in

    def node_name(self) -> str:
        answer = self.pieces.get("node")
        return clean(answer.out.strip(), 100) if answer else ""

    def specs(self) -> tuple[Spec, ...]:
        """The CDI specs of the node."""
        return tuple(
            Spec(row["file"], row["kind"], tuple(row["devices"]), tuple(row["missing"]))
            for row in self.seen.value("toolkit.cdi_specs")
        )

    def driver_gpus(self) -> int | None:
        """GPUs that the driver shows on the node now; None where nobody could ask."""
        count = self.seen.or_none("nvml.device_count")
        return count if isinstance(count, int) else None

    def dxg(self) -> bool:
        """/dev/dxg is there."""
        return bool(self.seen.value("wsl.dxg")["exists"])

    def engine(self) -> RunningEngine:
        """What the running containerd says of itself."""
        value = self._json("cri")
        if "reason" in value:
            raise NotSeenError(f"the running containerd was not asked: {clean(str(value['reason']), 200)}")
        handlers = value.get("handlers")
        return RunningEngine(
            {str(key): str(name) for key, name in handlers.items()} if isinstance(handlers, dict) else {},
            str(value.get("default") or ""),
            value["cdi"] if isinstance(value.get("cdi"), bool) else None,
        )

    def filed_runtimes(self) -> tuple[str, ...] | None:
        """The runtimes of containerd's files, which the running one need not have read; None where not seen."""
        config = self.seen.or_none("containerd.config")
        return tuple(config["runtimes"]) if config else None

    def runtime_classes(self) -> dict[str, str]:
        """Handler by name."""
        rows = self.seen.value("k8s.runtime_classes")
        if rows is None:
            raise NotSeenError("there is no kubelet on this node")
        return {row["name"]: row["handler"] for row in rows}

    def plugin(self) -> PluginDaemonSet | None:
        """None when the cluster has none."""
        row = self.seen.value("k8s.device_plugin")
        if row is None:
            return None
        version = version_of(row["image"], self.versions) or row["version"]
        return PluginDaemonSet(row["image"], version, row["desired"], row["ready"], row["runtime_class"])

    def plugin_pods(self) -> tuple[PodState, ...]:
        """The plugin's pods on this node, whoever made them."""
        self._text("plugin-pods", may_be_empty=True)
        found = []
        for number in range(1, 4):
            if f"pod-{number}" in self.pieces:
                row = self._json(f"pod-{number}")
                found.append(read_pod(row, self._lines(f"previous-{number}") + self._lines(f"log-{number}")))
        return tuple(found)

    def registered(self) -> dict[str, tuple[str, ...]]:
        """Healthy devices by resource, as the kubelet wrote them down (its checkpoint; empty before it wrote one).

        Source: kubernetes/pkg/kubelet/cm/devicemanager/checkpoint (RegisteredDevices holds the healthy ones).
        """
        answer = self.pieces.get("checkpoint")
        if answer is not None and not answer.ok and "No such file" in answer.errors:
            return {}
        data = self._json("checkpoint").get("Data")
        rows = data.get("RegisteredDevices") if isinstance(data, dict) else None
        if not isinstance(rows, dict):
            return {}
        return {str(name): _devices(value) for name, value in rows.items()}

    def sockets(self) -> tuple[str, ...]:
        """File names in the kubelet's folder of device plugins."""
        names = self._text("sockets").split()
        return tuple(clean(name, 100) for name in names if name != "kubelet_internal_checkpoint")

    def kubelet_log(self) -> tuple[str, ...]:
        """The kubelet's last lines about device plugins; none where they cannot be read."""
        return self._lines("kubelet-log")

    def node(self) -> ClusterNode:
        """The node as the cluster has it."""
        row = self.seen.value("k8s.node")
        if row is None:
            raise NotSeenError("there is no kubelet on this node")
        return ClusterNode(row["ready"], row["capacity_gpus"], row["allocatable_gpus"], row["labels"])

    def kubelet_active(self) -> bool | None:
        """None where the node has no kubelet."""
        row = self.seen.value("k8s.kubelet")
        return None if row is None else bool(row["active"])

    def _text(self, label: str, *, may_be_empty: bool = False) -> str:
        answer = self.pieces.get(label)
        if answer is None:
            raise NotSeenError(f"{label} was not asked")
        # grep ends with 1 when it found nothing
        if not answer.ok and not (may_be_empty and answer.status == 1 and not answer.errors.strip()):
            said = clean((answer.errors.strip() or f"status {answer.status}").splitlines()[-1], 200)
            raise NotSeenError(f"{label} was not read: {said}")
        return answer.out

    def _json(self, label: str) -> dict[str, Any]:
        text = self._text(label)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise NotSeenError(f"{label} holds no JSON") from None
        return value if isinstance(value, dict) else {}

    def _lines(self, label: str) -> tuple[str, ...]:
        answer = self.pieces.get(label)
        text = answer.out if answer is not None and answer.status in (0, 1) else ""
        return tuple(clean(line, 400).strip() for line in text.splitlines() if line.strip())[-LOG_LINES:]


def _devices(value: Any) -> tuple[str, ...]:
    """A list of ids; newer kubelets write them by NUMA node."""
    if isinstance(value, dict):
        value = [one for rows in value.values() for one in (rows if isinstance(rows, list) else [])]
    return tuple(clean(str(one), 100) for one in value) if isinstance(value, list) else ()
