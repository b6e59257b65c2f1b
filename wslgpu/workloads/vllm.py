"""vLLM on Kubernetes: one pod that serves one model, with a key, from a persistent volume.

What the source document's deployment lacked is named in the templates, each with its reason. What an image in its place
has to do (the lab's stand-in does): ``vllm serve MODEL --host --port --served-model-name ...`` on the PATH, GET /health
for everybody once the model is there, /v1 for who has the bearer token of VLLM_API_KEY, a shell for the start check;
all of it as user 2000 on a read-only root.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from pathlib import Path

from wslgpu.errors import UsageError
from wslgpu.settings import Settings
from wslgpu.workloads import shared_memory, vllm_ranks, vllm_sleep
from wslgpu.workloads.kubernetes_form import from_templates, labels
from wslgpu.workloads.manifest import GPU_RESOURCE
from wslgpu.workloads.model import NodeTruth, Rendered
from wslgpu.workloads.quantity import as_bytes, as_quantity
from wslgpu.workloads.vllm_arguments import HOME, MODELS, USER, environment, literal, model, words
from wslgpu.workloads.vllm_key import ENTRY
from wslgpu.workloads.vllm_pins import VllmImage

NAME = "vllm"
RUNTIME_CLASS = "nvidia"
TEMPLATES = (
    "/etc/wslgpu/kubernetes/vllm/serviceaccount.yaml",
    "/etc/wslgpu/kubernetes/vllm/configmap.yaml",
    "/etc/wslgpu/kubernetes/vllm/service.yaml",
    "/etc/wslgpu/kubernetes/vllm/deployment.yaml",
)
_PROBE_PERIOD_S = 10
PULL_S = 1800
"""Beyond the loading of the model: an image of ten gigabytes has to arrive too."""
_UNGUARDED = (
    "vLLM asks for the key below /v1, and not for all that it answers: /invocations, which does the same, and others"
    " need none (https://docs.vllm.ai/en/stable/usage/security/); let nobody reach it whom you do not trust, or put a"
    " proxy before it that passes /v1 alone"
)
START_CHECK = Path(__file__).with_name("vllm_start_check.sh")


@dataclass(frozen=True)
class Plan:
    """What all forms of vLLM share, decided before any is rendered.

    :param asked: ``nvidia.com/gpu`` of the pod
    :param shared_memory_bytes: size of /dev/shm
    :param notes: what the user should know
    """

    image: str
    ranks: int
    asked: int
    sleep: bool
    shared_memory_bytes: int
    notes: tuple[str, ...]


def plan(settings: Settings, truth: NodeTruth, *, kubernetes: bool) -> Plan:
    """Decide, or say why not.

    :raises UsageError: too few GPUs, too little memory for /dev/shm, an image without a digest, a judgement unread
    """
    request = vllm_ranks.request(settings, truth, kubernetes=kubernetes)
    ranks = vllm_ranks.ranks(settings, truth)
    try:
        shared = shared_memory.size_bytes(ranks, settings.vllm_shared_memory)
    except ValueError as error:
        raise UsageError(str(error), "vllm_shared_memory", "Raise it, or set it to auto.") from error
    if truth.shared_memory_bytes is not None and shared > truth.shared_memory_bytes:
        raise UsageError(
            f"shared memory is to be {as_quantity(shared)}, and the node has {truth.shared_memory_bytes} bytes for it",
            "vllm_shared_memory",
            "Give WSL more (memory= in .wslconfig), use fewer GPUs, or set vllm_shared_memory.",
        )
    sleep, why = vllm_sleep.enabled(settings)
    notes = [why, *_notes(settings, sleep=sleep)]
    if kubernetes or not ipaddress.ip_address(settings.vllm_listen).is_loopback:
        notes.append(_UNGUARDED)
    if kubernetes and request.note:
        notes.append(request.note)
    if settings.vllm_tensor_parallel_size == "auto" and truth.gpus is None:
        notes.append(
            "how many GPUs the node has is not known here, so one is used; vllm_tensor_parallel_size says otherwise"
        )
    image = reference(settings.vllm.image)
    return Plan(image, ranks, request.ask, sleep, shared, tuple(notes))


def _notes(settings: Settings, *, sleep: bool) -> list[str]:
    found = []
    version = settings.vllm
    if not version.image.verified:
        found.append(
            f"{version.image.name}: nobody has compared its digest with the registry ({version.image.seen or 'unseen'})"
        )
    if version.note:
        found.append(f"vLLM {settings.vllm_version}: {version.note}")
    if settings.vllm_pin_memory == "on" and version.pin_memory == "off":
        found.append(f"vLLM {settings.vllm_version} never pins memory on WSL2: vllm_pin_memory has no effect")
    if settings.vllm_pin_memory == "off" and version.without_pinned_memory == "may-die":
        found.append(
            f"vLLM {settings.vllm_version} can die at start on WSL2 without pinned memory (UVA is not available)"
        )
    if sleep:
        found.append("the addresses of sleep mode ask for no key: let nobody reach them whom you do not trust")
    return found


def reference(image: VllmImage) -> str:
    """``repository@digest``.

    :raises UsageError: it has no digest yet
    """
    try:
        return image.reference
    except ValueError as error:
        step = "`wslgpu pins resolve` asks the registry; or write the digest into site.yml (vllm_versions)."
        raise UsageError(f"{error}: images are used by digest only", "vllm_version", step) from error


def namespace(settings: Settings, truth: NodeTruth) -> Rendered:  # noqa: ARG001  as all renderers
    """The namespace that vLLM and FFmpeg live in."""
    profile = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    values = {"namespace": settings.workload_namespace, "labels": {**labels("namespace"), **profile}}
    notes = ("removing the namespace removes all that is in it",)
    return from_templates("namespace", ("/etc/wslgpu/kubernetes/namespace/namespace.yaml",), values, notes)


def kubernetes(settings: Settings, truth: NodeTruth) -> Rendered:
    """vLLM as Deployment, Service, ServiceAccount and the ConfigMap of its start check."""
    decided = plan(settings, truth, kubernetes=True)
    text = START_CHECK.read_text(encoding="utf-8")
    gpus = {GPU_RESOURCE: str(decided.asked)}
    memory = as_quantity(as_bytes(settings.vllm_memory) + decided.shared_memory_bytes)
    local = settings.vllm_model_source == "local"
    values = {
        "namespace": settings.workload_namespace,
        "claim": settings.vllm_storage.claim_name,
        "name": NAME,
        "selector": {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": "wslgpu"},
        "runtime_class": RUNTIME_CLASS,
        "user": USER,
        "home": HOME,
        "image": decided.image,
        # every address of the pod's: the kubelet's probes and the Service come from outside of it
        "args": [literal(one) for one in words(settings, decided.ranks, host="0.0.0.0", sleep=decided.sleep)],  # noqa: S104
        "environment": [one.values for one in environment(settings, decided.ranks, sleep=decided.sleep)],
        "secret": settings.vllm_api_key_secret,
        "port": settings.vllm_port,
        "stands_for_all": decided.asked < decided.ranks,
        "gpus_used": decided.ranks,
        "requests": {"cpu": settings.vllm_cpu_request, "memory": memory, **gpus},
        "limits": {"cpu": settings.vllm_cpu_limit, "memory": memory, **gpus},
        "start_check": f"vllm-start-check-{hashlib.sha256(text.encode()).hexdigest()[:8]}",
        "start_check_text": text,
        "start_check_command": _start_check(settings, decided),
        "start_check_requests": {"cpu": "100m", "memory": "128Mi", **gpus},
        "start_check_limits": {"cpu": "1", "memory": "512Mi", **gpus},
        "mounts_models": local,
        "models_read_only": local,
        "startup_failures": math.ceil(settings.vllm_load_timeout_s / _PROBE_PERIOD_S),
        "progress_deadline_s": settings.vllm_load_timeout_s + PULL_S,
        "shared_memory": as_quantity(decided.shared_memory_bytes),
    }
    return from_templates(NAME, TEMPLATES, values, (*decided.notes, *_prerequisites(settings)))


def _start_check(settings: Settings, decided: Plan) -> list[str]:
    command = ["/bin/sh", "/etc/wslgpu/start-check.sh", str(decided.ranks)]
    command.append(str(shared_memory.least_bytes(decided.ranks)))
    return [*command, model(settings)] if settings.vllm_model_source == "local" else command


def _prerequisites(settings: Settings) -> list[str]:
    space, secret = settings.workload_namespace, settings.vllm_api_key_secret
    file = settings.vllm_api_key_file or "FILE"
    # without the end of line, which kubectl would make a part of the key
    make = f"tr -d '\\n' <{file} | kubectl -n {space} create secret generic {secret} --from-file={ENTRY}=/dev/stdin"
    found = [
        f"the namespace must be there: `wslgpu workload apply namespace`, or kubectl create namespace {space}",
        f"the key must be there: {make}",
        f"a key that changes is read at the next start: kubectl -n {space} rollout restart deployment {NAME}",
    ]
    if settings.vllm_storage.create:
        found.append("the storage must be there: `wslgpu workload apply vllm-storage`")
    if settings.vllm_model_source == "local":
        place = settings.vllm_storage.host_path or f"the volume of {settings.vllm_storage.claim_name}"
        found.append(
            f"the model must be in {place}, as {settings.vllm_model} ({MODELS}/{settings.vllm_model} in the pod)"
        )
    return found
