"""Over how many GPUs one model is spread. Pure.

What a pod has to ask for to get them is another number on WSL2: :mod:`wslgpu.workloads.gpu_request`.
"""

from __future__ import annotations

from wslgpu.errors import UsageError
from wslgpu.settings import Settings
from wslgpu.workloads.gpu_request import GpuRequest, gpu_request
from wslgpu.workloads.model import NodeTruth


def ranks(settings: Settings, truth: NodeTruth) -> int:
    """Processes of vLLM, one for each GPU: the tensor-parallel size."""
    wanted = settings.vllm_tensor_parallel_size
    return max(truth.gpus or 1, 1) if wanted == "auto" else wanted


def request(settings: Settings, truth: NodeTruth, *, kubernetes: bool) -> GpuRequest:
    """What is asked for, before anything is rendered.

    :param kubernetes: False: no scheduler has a say, as with Compose and Podman
    :raises UsageError: more GPUs are needed than there are, or than the scheduler will ever have
    """
    seen = truth if kubernetes else NodeTruth(gpus=truth.gpus)
    if kubernetes and truth.advertised == 0:
        raise UsageError(
            "the cluster has no nvidia.com/gpu to give: a pod that asks for one stays Pending",
            "device-plugin",
            "`wslgpu workload chain` shows where it breaks.",
        )
    try:
        return gpu_request(settings, seen, ranks(settings, truth))
    except UsageError as error:
        step = f"{error.next_step} vllm_tensor_parallel_size is {settings.vllm_tensor_parallel_size}."
        raise UsageError(error.what, "vllm_tensor_parallel_size", step) from error
