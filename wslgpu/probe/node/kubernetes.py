"""Kubernetes on this node: kubelet or k3s, its configuration, and what the cluster says where there are credentials."""

from __future__ import annotations

import os
from typing import Any

from . import services
from .base import CommandError, NotSeenError, Probe
from .containers import version_word
from .files import find_program, read_text
from .process import Done, Running
from .toml_text import dig

KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
_KINDS = {
    "kubelet": ("kubelet", ("kubelet.service",)),
    "k3s": ("k3s", ("k3s.service", "k3s-agent.service")),
    "microk8s": ("microk8s", ("snap.microk8s.daemon-kubelite.service",)),
}
_CREDENTIALS = ("/etc/kubernetes/admin.conf", "/etc/rancher/k3s/k3s.yaml")
_LABELS = ("nvidia.com/", "feature.node.kubernetes.io/")
_ANSWER_LIMIT = 8 << 20
# of the same image, and no device plugin (NVIDIA/k8s-device-plugin, deployments/helm)
_NO_PLUGINS = ("gpu-feature-discovery", "mps-control-daemon")
_CLUSTER = ("k8s.node", "k8s.runtime_classes", "k8s.device_plugin")


def observe(probe: Probe) -> None:
    kind = next((name for name, (program, _) in _KINDS.items() if find_program(program)), None)
    start = _start(probe) if kind is not None else None
    probe.look("k8s.kubelet", lambda: _kubelet(probe, kind))
    probe.look("k8s.kubelet_config", _kubelet_config)
    if start is None:
        for observation_id in _CLUSTER:
            if kind is None:
                # a kubectl alone may have the credentials of a cluster far away
                probe.observed(observation_id, None)
            else:
                probe.unknown(observation_id, "no kubectl with credentials that this user can read")
        return
    node, things = (probe.wait(one) for one in start)
    probe.look("k8s.node", lambda: node_row(_json(node)))
    probe.look("k8s.runtime_classes", lambda: runtime_classes(_json(things)))
    probe.look("k8s.device_plugin", lambda: device_plugin(_json(things)))


def _start(probe: Probe) -> tuple[Running, Running] | None:
    """Two questions to the cluster at once; None without kubectl or credentials."""
    program = find_program("kubectl")
    words = [program] if program else None
    if words is None and find_program("k3s"):
        words = ["k3s", "kubectl"]
    home = os.environ.get("HOME") or os.path.expanduser("~")
    own = os.environ.get("KUBECONFIG", "").split(":")[0] or f"{home}/.kube/config"
    config = next((path for path in (own, *_CREDENTIALS) if os.access(path, os.R_OK)), None)
    if words is None or config is None:
        return None
    words += [f"--kubeconfig={config}", f"--cache-dir={probe.folder()}", "--request-timeout=5s", "get", "-o", "json"]
    name = os.uname().nodename.lower()
    node = probe.start([*words, "node", name], timeout_s=7.0, limit=_ANSWER_LIMIT)
    return node, probe.start([*words, "runtimeclasses,daemonsets", "-A"], timeout_s=7.0, limit=_ANSWER_LIMIT)


def _json(done: Done) -> dict[str, Any]:
    import json

    if done.exit != 0 or done.hang or done.cut:
        raise CommandError(done, "kubectl")
    value = json.loads(done.out)
    if not isinstance(value, dict):
        raise NotSeenError("kubectl answered something else")
    return value


def _kubelet(probe: Probe, kind: str | None) -> dict[str, object] | None:
    if kind is None:
        return None
    program, units = _KINDS[kind]
    words = [program, "version"] if kind == "microk8s" else [program, "--version"]
    version = version_word(probe.ask(words, timeout_s=8.0).replace("Kubernetes", "").replace("MicroK8s", ""))
    return {"version": version, "active": services.is_active(probe, *units), "kind": kind}


def _kubelet_config() -> dict[str, object] | None:
    if not os.path.lexists(KUBELET_CONFIG):
        return None
    text = read_text(KUBELET_CONFIG)
    if text is None:
        raise NotSeenError(f"{KUBELET_CONFIG} cannot be read")
    return kubelet_config(text)


def kubelet_config(text: str) -> dict[str, object]:
    """The two keys at the left margin of KubeletConfiguration; null where it leaves them to their defaults."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, sign, value = line.partition(":")
        if sign and key in ("failSwapOn", "cgroupDriver"):
            found[key] = value.partition("#")[0].strip().strip("\"'")
    swap = {"true": True, "false": False}.get(found.get("failSwapOn", "").lower())
    return {"fail_swap_on": swap, "cgroup_driver": found.get("cgroupDriver") or None}


def node_row(node: dict[str, Any]) -> dict[str, object]:
    """Of one Node: whether it is Ready, its GPUs, and the labels about hardware."""
    conditions = [row for row in dig(node, "status", "conditions") or [] if isinstance(row, dict)]
    labels = dig(node, "metadata", "labels") or {}
    return {
        "ready": any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions),
        "capacity_gpus": _count(dig(node, "status", "capacity", "nvidia.com/gpu")),
        "allocatable_gpus": _count(dig(node, "status", "allocatable", "nvidia.com/gpu")),
        "labels": {key: str(value) for key, value in sorted(labels.items()) if key.startswith(_LABELS)},
    }


def _count(value: Any) -> int:
    return int(value) if str(value).isdigit() else 0


def _items(answer: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    rows = answer.get("items")
    return [row for row in rows if isinstance(row, dict) and row.get("kind") == kind] if isinstance(rows, list) else []


def runtime_classes(answer: dict[str, Any]) -> list[dict[str, str]]:
    """The RuntimeClasses of a List."""
    rows = _items(answer, "RuntimeClass")
    return [{"name": str(dig(row, "metadata", "name")), "handler": str(row.get("handler") or "")} for row in rows]


def device_plugin(answer: dict[str, Any]) -> dict[str, object] | None:
    """NVIDIA's device plugin among the DaemonSets of a List, by its image."""
    for row in _items(answer, "DaemonSet"):
        if any(other in str(dig(row, "metadata", "name")) for other in _NO_PLUGINS):
            continue
        pod = dig(row, "spec", "template", "spec") or {}
        for container in pod.get("containers") or []:
            image = str(container.get("image") or "") if isinstance(container, dict) else ""
            name = image.partition("@")[0]
            if name.rpartition(":")[0].endswith("k8s-device-plugin") or name.endswith("k8s-device-plugin"):
                tag = name.rpartition(":")[2] if ":" in name.rpartition("/")[2] else ""
                runtime = pod.get("runtimeClassName")
                return {
                    "image": image,
                    "version": tag[1:] if tag.startswith("v") else tag,
                    "desired": _count(dig(row, "status", "desiredNumberScheduled")),
                    "ready": _count(dig(row, "status", "numberReady")),
                    "runtime_class": runtime if isinstance(runtime, str) else None,
                }
    return None
