"""Answers of a cluster of one WSL2 node, and objects that ask it for something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wslgpu.kubernetes.cluster_facts import ClusterFacts
from wslgpu.kubernetes.kubectl import Answer
from wslgpu.settings import Settings, load

GIB = 1 << 30


def node(name: str = "node1", **fields: Any) -> dict[str, Any]:
    """A Node as the API has it."""
    ready = fields.get("ready", True)
    return {
        "kind": "Node",
        "metadata": {"name": name, "labels": fields.get("labels", {"nvidia.com/gpu.present": "true"})},
        "status": {
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "False",
                    "message": "kubelet is posting ready status" if ready else "cni plugin not initialized",
                }
            ],
            "allocatable": {
                "cpu": "2",
                "memory": fields.get("memory", "16Gi"),
                "nvidia.com/gpu": str(fields.get("gpus", 1)),
            },
            "images": [{"names": fields.get("images", [])}],
        },
    }


def listed(*rows: dict[str, Any]) -> Answer:
    return Answer(0, json.dumps({"kind": "List", "items": list(rows)}), "")


def answers(**changed: Answer | None) -> dict[str, Answer]:
    """All answers of a cluster in order; ``_`` in a name is ``-`` in its label, and None leaves one out."""
    plugin = f"gpu|plugin|nvcr.io/nvidia/k8s-device-plugin@{PLUGIN_DIGEST}\n"
    found: dict[str, Answer | None] = {
        "version": Answer(0, json.dumps({"serverVersion": {"major": "1", "minor": "34+"}}), ""),
        "nodes": listed(node()),
        "runtime-classes": Answer(0, "nvidia|nvidia\n", ""),
        "pods": Answer(0, "", ""),
        "services": Answer(0, "default|kubernetes|\n", ""),
        "namespaces": Answer(0, "default|Active\nold|Terminating\n", ""),
        "daemonsets": Answer(0, plugin, ""),
        "node": Answer(0, "node1\n", ""),
        "memory": Answer(0, f"{16 * GIB // 1024}\n", ""),
        "listening": Answer(0, "127.0.0.1:10248\n*:10250\n[::]:22\n", ""),
        "kinds": Answer(0, "nvidia.com/gpu\nwslgpu.dev/gpu\n", ""),
        "gpus": Answer(0, "4\n", ""),
        "paths": Answer(0, "", ""),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return {label: value for label, value in found.items() if value is not None}


def cluster(**changed: Answer | None) -> ClusterFacts:
    return ClusterFacts(answers(**changed))


PLUGIN_DIGEST = f"sha256:{'b' * 64}"
IMAGE = f"docker.io/nvidia/cuda@sha256:{'c' * 64}"


def deployment(name: str = "job", gpus: int = 1, **fields: Any) -> dict[str, Any]:
    """A Deployment of one container.

    :param fields: args, env, ports, volumes, mounts, and others of the pod's specification as they are
    """
    container: dict[str, Any] = {"name": "main", "image": IMAGE, "args": fields.pop("args", [])}
    container["env"] = fields.pop("env", [])
    container["ports"] = fields.pop("ports", [])
    container["volumeMounts"] = fields.pop("mounts", [])
    container["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}} if gpus else {}
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "wslgpu"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {
            "replicas": fields.pop("replicas", 1),
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"runtimeClassName": "nvidia", "containers": [container], **fields},
            },
        },
    }


def shared_memory(size: str) -> dict[str, Any]:
    """Fields of :func:`deployment` for a volume in memory at /dev/shm."""
    return {
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}}],
        "mounts": [{"name": "shm", "mountPath": "/dev/shm"}],
    }


def settings_of_the_cluster() -> Settings:
    """The shipped settings, with the digest that the plugin's image has in these answers."""
    made = load(Path("/dev/null"))
    row = made.device_plugins["0.20.0"].model_copy(update={"digest": PLUGIN_DIGEST})
    return made.model_copy(update={"device_plugins": {**made.device_plugins, "0.20.0": row}})
