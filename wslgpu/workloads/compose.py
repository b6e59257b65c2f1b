"""vLLM as a Docker Compose project, for people without Kubernetes. The key lies in a file beside it, never in it."""

from __future__ import annotations

from wslgpu.errors import UsageError
from wslgpu.settings import Settings
from wslgpu.templates import render_yaml
from wslgpu.workloads.model import NodeTruth, Rendered
from wslgpu.workloads.quantity import as_bytes
from wslgpu.workloads.vllm import NAME, plan
from wslgpu.workloads.vllm_arguments import HOME, USER, environment, literal, words

TEMPLATE = "/etc/wslgpu/compose/vllm/compose.yaml"
KEY_FILE = "api-key.env"
"""Beside compose.yaml, mode 0600."""
REMEDY = (
    "Name the folder of the node that holds the models: vllm_storage: {claim: vllm-models, host_path: /srv/models}."
)


EVERYWHERE = "0.0.0.0"  # noqa: S104
"""Within the container's own network; who can reach it is decided by where the port is published."""


def health(settings: Settings) -> list[str]:
    """A program that ends with 0 when vLLM is well; /health asks for no key.

    Podman and Docker may hand a proxy on to the container (https://docs.docker.com/engine/cli/proxy/), which must not
    be asked for this.
    """
    address = f"http://127.0.0.1:{settings.vllm_port}/health"
    program = f"import urllib.request as r; r.build_opener(r.ProxyHandler({{}})).open('{address}', timeout=5)"
    return ["python3", "-c", program]


def host_path(settings: Settings, form: str) -> str:
    """The folder of the node that holds the models.

    :raises UsageError: the data name none
    """
    if not settings.vllm_storage.host_path:
        raise UsageError(f"vLLM as {form} needs a folder of the node", "vllm_storage", REMEDY)
    return settings.vllm_storage.host_path


def memory_bytes(settings: Settings, shared_memory_bytes: int) -> int:
    """The container's limit: what is written to /dev/shm counts."""
    return as_bytes(settings.vllm_memory) + shared_memory_bytes


def cpus(quantity: str) -> str:
    """CPUs as Docker and Podman write them: ``500m`` is ``0.5``."""
    return f"{int(quantity[:-1]) / 1000:g}" if quantity.endswith("m") else quantity


def compose(settings: Settings, truth: NodeTruth) -> Rendered:
    """One service, published on the address that the data say."""
    decided = plan(settings, truth, kubernetes=False)
    values = {
        "image": decided.image,
        "args": [literal(one) for one in words(settings, decided.ranks, host=EVERYWHERE, sleep=decided.sleep)],
        "user": f"{USER}:{USER}",
        "home": HOME,
        "shared_memory": decided.shared_memory_bytes,
        "environment": [one.values for one in environment(settings, decided.ranks, sleep=decided.sleep)],
        "key_file": KEY_FILE if settings.vllm_api_key_file else "",
        "port": settings.vllm_port,
        "published": str(settings.vllm_port),
        "listen": settings.vllm_listen,
        "host_path": host_path(settings, "compose"),
        "models_read_only": settings.vllm_model_source == "local",
        "health": ["CMD", *health(settings)],
        "start_period": f"{settings.vllm_load_timeout_s}s",
        "memory": str(memory_bytes(settings, decided.shared_memory_bytes)),
        "cpus": cpus(settings.vllm_cpu_limit),
    }
    notes = list(decided.notes)
    if settings.vllm_api_key_file:
        notes.append(
            f"{KEY_FILE} must lie beside compose.yaml, mode 0600: VLLM_API_KEY=...; vllm_install puts it there"
        )
    else:
        notes.append(f"it asks for no key, and only this machine can reach it ({settings.vllm_listen})")
    return Rendered(NAME, "compose", {"compose.yaml": render_yaml(TEMPLATE, **values)}, notes=tuple(notes))
