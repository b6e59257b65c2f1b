"""How large /dev/shm has to be for a number of ranks. Pure.

On WSL2 ranks talk through it: peer access is not to be had, so NCCL takes its shared memory transport
(https://github.com/NVIDIA/nccl/blob/master/src/transport/p2p.cc). What lies there, by the sources:

- NCCL keeps one buffer of NCCL_BUFFSIZE, 4 MiB, and one of its LL128 protocol, of about the same size, for each
  connection of each channel, up to 32 channels and two connections in practice
  (https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html): about half a GiB a rank and communicator, and
  vLLM makes more than one communicator.
- vLLM's own queue between its processes is ten chunks of 16 MiB
  (https://docs.vllm.ai/en/stable/configuration/env_vars/, VLLM_MQ_MAX_CHUNK_BYTES_MB), and PyTorch's workers pass
  tensors through it (https://docs.vllm.ai/en/stable/deployment/docker/).

Reports of WSL2 run with 4 GiB a rank (vllm-project/vllm#54652: two ranks, 16 GiB; the source document: four, 16 GiB).
The memory is only taken when it is written to, so the size is a bound and no cost; too little of it is a SIGBUS.
"""

from __future__ import annotations

from wslgpu.workloads.quantity import GIBIBYTE, as_bytes, as_quantity

LEAST_PER_RANK_BYTES = GIBIBYTE
"""Below this a setting is refused."""
_BASE_BYTES = GIBIBYTE
_PER_RANK_BYTES = 3 * GIBIBYTE


def least_bytes(ranks: int) -> int:
    """What must be there for a number of ranks."""
    return ranks * LEAST_PER_RANK_BYTES


def size_bytes(ranks: int, setting: str = "auto") -> int:
    """The size of /dev/shm: 1 GiB for one rank, that and 3 GiB a rank for several.

    :param setting: a quantity such as ``16Gi``, or ``auto``
    :raises ValueError: the setting is less than 1 GiB a rank
    """
    if setting == "auto":
        return _BASE_BYTES + (ranks * _PER_RANK_BYTES if ranks > 1 else 0)
    size = as_bytes(setting)
    if size < least_bytes(ranks):
        raise ValueError(
            f"{setting} of shared memory is too little for {ranks} ranks: {as_quantity(least_bytes(ranks))}"
        )
    return size
