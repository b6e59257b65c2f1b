"""Nodes of a cluster for tests of the chain: one in order, and changes to it."""

from __future__ import annotations

import json
from typing import Any

from tests.observation_documents import healthy
from tests.unit.catalogue_more_nodes import KUBERNETES
from wslgpu.kubernetes.chain_facts import ChainFacts, PodView
from wslgpu.kubernetes.kubectl import Answer

DIGEST = f"sha256:{'a' * 64}"
VERSIONS = {DIGEST: "0.20.0", "0.20.0": "0.20.0", "0.17.1": "0.17.1"}
GPU_SPEC = {
    "file": "/var/run/cdi/nvidia.yaml",
    "kind": "nvidia.com/gpu",
    "cdi_version": "0.5.0",
    "devices": ["all"],
    "device_nodes": ["/dev/dxg"],
    "mounts": ["/usr/lib/wsl/drivers/nv_AAAA/libcuda.so.1.1"],
    "missing": [],
    "hooks": ["update-ldcache"],
}
VIDEO_SPEC = {**GPU_SPEC, "file": "/etc/cdi/wslgpu-video.yaml", "kind": "wslgpu.dev/gpu", "devices": ["video"]}
OBSERVED: dict[str, Any] = {
    "toolkit.cdi_specs": [GPU_SPEC, VIDEO_SPEC],
    "nvml.device_count": 1,
    **{id: KUBERNETES[id] for id in ("k8s.kubelet", "k8s.node", "k8s.runtime_classes")},
    "k8s.device_plugin": {
        **KUBERNETES["k8s.device_plugin"],
        "image": f"nvcr.io/nvidia/k8s-device-plugin@{DIGEST}",
        "version": "",
    },
}
ENGINE = {
    "socket": "/run/containerd/containerd.sock",
    "handlers": {"nvidia": "/usr/bin/nvidia-container-runtime", "runc": ""},
    "default": "runc",
    "cdi": True,
}


def answer(text: str = "", status: int = 0, errors: str = "") -> Answer:
    return Answer(status, text, errors)


def plugin_pod(**fields: Any) -> dict[str, Any]:
    """The plugin's pod as the API has it; ``waiting`` is the reason why its container does not run."""
    waiting = fields.get("waiting")
    state = {"waiting": {"reason": waiting, "message": "back-off"}} if waiting else {"running": {}}
    ready = "False" if waiting else "True"
    return {
        "kind": "Pod",
        "metadata": {"namespace": "gpu", "name": "plugin-x7"},
        "spec": {"runtimeClassName": fields.get("runtime_class", "nvidia")},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [{"restartCount": fields.get("restarts", 0), "state": state}],
        },
    }


def checkpoint(**devices: list[str]) -> str:
    """kubelet_internal_checkpoint, as kubelet 1.20 writes it."""
    return json.dumps({"Data": {"PodDeviceEntries": None, "RegisteredDevices": devices}, "Checksum": 1})


def pieces(**changed: Answer | None) -> dict[str, Answer]:
    """chain.sh's answers of a node in order; a name with ``_`` is a label with ``-``, and None leaves one out."""
    all_of_them: dict[str, Answer | None] = {
        "node": answer("node1\n"),
        "cri": answer(json.dumps(ENGINE)),
        "sockets": answer("kubelet.sock\nkubelet_internal_checkpoint\nnvidia-gpu.sock\n"),
        "checkpoint": answer(checkpoint(**{"nvidia.com/gpu": ["all"]})),
        "kubelet-log": answer("Got registration request from device plugin with resource name nvidia.com/gpu\n"),
        "plugin-pods": answer("gpu plugin-x7 nvcr.io/nvidia/k8s-device-plugin\n"),
        "pod-1": answer(json.dumps(plugin_pod())),
        "log-1": answer("Registered device plugin for 'nvidia.com/gpu' with Kubelet\n"),
        "previous-1": answer("", 1, "previous terminated container not found"),
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return {label: value for label, value in all_of_them.items() if value is not None}


def facts(observed: dict[str, Any] | None = None, pod: PodView | None = None, **changed: Answer | None) -> ChainFacts:
    """A node in order but for what is named."""
    return ChainFacts(healthy({**OBSERVED, **(observed or {})}), pieces(**changed), pod, VERSIONS)
