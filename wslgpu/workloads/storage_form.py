"""Storage as Kubernetes objects: a workload of its own, so that removing what uses it loses no file."""

from __future__ import annotations

from collections.abc import Sequence

from wslgpu.errors import UsageError
from wslgpu.settings import Settings
from wslgpu.workloads.ffmpeg_program import program_storage
from wslgpu.workloads.kubernetes_form import from_templates
from wslgpu.workloads.model import NodeTruth, Rendered
from wslgpu.workloads.storage import Storage
from wslgpu.workloads.vllm_arguments import USER

TEMPLATE = "/etc/wslgpu/kubernetes/storage/storage.yaml"


def vllm(settings: Settings, truth: NodeTruth) -> Rendered:  # noqa: ARG001  as all renderers
    """Where vLLM's models are."""
    return rendered("vllm-storage", [settings.vllm_storage], settings.workload_namespace)


def ffmpeg(settings: Settings, truth: NodeTruth) -> Rendered:  # noqa: ARG001  as all renderers
    """Where FFmpeg's input and output are, and the program itself where it is the node's."""
    storages = [settings.ffmpeg_storage]
    if settings.ffmpeg_pod_program == "artifact":
        storages.append(program_storage())
    return rendered("ffmpeg-storage", storages, settings.workload_namespace)


def rendered(name: str, storages: Sequence[Storage], namespace: str) -> Rendered:
    """The claims of a workload, and the volumes of those that are folders of the node, as a workload of their own.

    :raises UsageError: all of the claims are there already, by the data
    """
    made = [storage for storage in storages if storage.create]
    if not made:
        step = "Set create: true, or leave it out; there is nothing to do if the claims are there."
        raise UsageError(f"{name} has nothing to make: the data say that its claims are there", name, step)
    claims = [
        {
            "name": storage.claim_name,
            "volume": storage.volume_name(namespace) if storage.host_path else "",
            "host_path": storage.host_path,
            "size": storage.size,
            "access": [storage.access],
            "storage_class": storage.storage_class,
        }
        for storage in made
    ]
    notes = [
        f"pods read {storage.host_path} as user {USER}: it must be on each node that they may run on"
        for storage in made
        if storage.host_path
    ]
    return from_templates(name, (TEMPLATE,), {"namespace": namespace, "claims": claims}, notes)
