"""What vLLM is started with: words and environment, the same in a pod, a Compose service and a Podman container. Pure.

No shell reads them: the program is vLLM's own, ``vllm serve MODEL ...``, each word an argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wslgpu.settings import Settings
from wslgpu.workloads.vllm_pins import PIN_MEMORY_VARIABLE
from wslgpu.yaml_text import Comment

MODELS = "/models"
"""Where the storage is mounted."""
HOME = "/home/vllm"
"""Writable, whatever the image's own folders are."""
USER = 2000
"""The image's own user ``vllm`` where it has one (https://github.com/vllm-project/vllm/pull/40275); with USER and HOME
set, as below, any other number does too."""


@dataclass(frozen=True)
class Variable:
    """One environment variable and the reason for it."""

    name: str
    value: str
    reason: str

    @property
    def values(self) -> dict[str, str]:
        """As a template of YAML takes it."""
        return {"name": self.name, "value": self.value, "reason": Comment(self.reason)}


def served_name(settings: Settings) -> str:
    """What clients call the model."""
    return settings.vllm_served_name or settings.vllm_model.rpartition("/")[2]


def model(settings: Settings) -> str:
    """Path in the container, or name at Hugging Face."""
    return f"{MODELS}/{settings.vllm_model}" if settings.vllm_model_source == "local" else settings.vllm_model


def words(settings: Settings, ranks: int, *, host: str, sleep: bool) -> list[str]:
    """The arguments after the program ``vllm``.

    :param host: address within the container that it listens on
    """
    found = ["serve", model(settings), "--served-model-name", served_name(settings)]
    found += ["--host", host, "--port", str(settings.vllm_port), "--tensor-parallel-size", str(ranks)]
    for option, value in (
        ("--max-model-len", settings.vllm_max_model_len),
        ("--gpu-memory-utilization", settings.vllm_gpu_memory_utilization),
        ("--max-num-seqs", settings.vllm_max_num_seqs),
        ("--max-num-batched-tokens", settings.vllm_max_num_batched_tokens),
        ("--dtype", settings.vllm_dtype),
    ):
        if value is not None:
            found += [option, str(value)]
    if ranks > 1:
        # it shares memory by legacy CUDA IPC, which WSL2 refuses (https://github.com/sgl-project/sglang/issues/35385)
        found.append("--disable-custom-all-reduce")
    if sleep:
        found.append("--enable-sleep-mode")
    return [*found, *settings.vllm_extra_arguments]


def literal(text: str) -> str:
    """A text in which neither Kubernetes nor Compose puts a variable: ``$(VLLM_API_KEY)`` would show the key.

    Both read two dollar signs as one, also before a parenthesis that would begin a variable.
    Sources: kubernetes.io/docs/reference/kubernetes-api, Container v1 core, ``args``;
    https://docs.docker.com/reference/compose-file/interpolation/.
    """
    return text.replace("$", "$$")


def environment(settings: Settings, ranks: int, *, sleep: bool) -> list[Variable]:
    """The environment, without the key."""
    return list(_variables(settings, ranks, sleep=sleep))


def _variables(settings: Settings, ranks: int, *, sleep: bool) -> Iterator[Variable]:
    # PyTorch asks for the user's name when it is imported, and dies where a number has none
    # (https://github.com/vllm-project/vllm/issues/44548)
    named = "PyTorch dies at import for a user without a name (vllm-project/vllm#44548)"
    yield Variable("USER", "vllm", named)
    yield Variable("HOME", HOME, "caches go where something may be written: the root is read-only")
    yield Variable("VLLM_CACHE_ROOT", f"{HOME}/.cache/vllm", "as HOME, for what does not follow it")
    yield Variable("TORCHINDUCTOR_CACHE_DIR", f"{HOME}/.cache/torchinductor", "as HOME, for what does not follow it")
    yield Variable("TRITON_CACHE_DIR", f"{HOME}/.cache/triton", "as HOME, for what does not follow it")
    yield Variable("VLLM_NO_USAGE_STATS", "1", "nothing is reported to anybody (docs.vllm.ai, usage stats)")
    if settings.vllm_model_source == "local":
        yield Variable("HF_HOME", f"{HOME}/.cache/huggingface", "as HOME; the models' volume is read-only")
        yield Variable("HF_HUB_OFFLINE", "1", "the model is local: nothing is asked of the hub")
    else:
        yield Variable("HF_HOME", f"{MODELS}/huggingface", "what is fetched stays in the storage")
    if pins := pin_memory(settings):
        yield pins
    if ranks > 1:
        yield from _nccl()
    if sleep:
        yield Variable("VLLM_SERVER_DEV_MODE", "1", "the addresses of sleep mode are there only with it")


def _nccl() -> Iterator[Variable]:
    source = "NVIDIA/nccl src/transport/p2p.cc"
    yield Variable(
        "NCCL_CUMEM_ENABLE", "0", f"only then NCCL tests legacy IPC and falls back to shared memory on WSL ({source})"
    )
    yield Variable(
        "NCCL_CUMEM_HOST_ENABLE", "0", "the same for buffers of the host, which CUDA 12.6 and later take from cuMem too"
    )
    yield Variable(
        "NCCL_P2P_DISABLE", "1", "WSL2 gives no peer access that could be relied on; the way is shared memory"
    )


def pin_memory(settings: Settings) -> Variable | None:
    """The switch for pinned memory, where the version has one and it is to be on."""
    version = settings.vllm
    if version.pin_memory == "off":
        return None
    needed = version.without_pinned_memory == "may-die"
    if settings.vllm_pin_memory == "on" or (settings.vllm_pin_memory == "auto" and needed):
        why = (
            "without it this version can die at start on WSL2: UVA is not available" if needed else "the site wants it"
        )
        return Variable(PIN_MEMORY_VARIABLE, "1", why)
    return None
