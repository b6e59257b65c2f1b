"""How many ``nvidia.com/gpu`` a pod must ask for on a WSL2 node to get the GPUs that it wants. Pure.

On WSL2 every container with a GPU sees all of them. What is asked for only decides whether and where the scheduler lets
the pod run, and it depends on the device plugin's version: one for each GPU up to 0.19.0, one for all from 0.19.1 on.
"""

from __future__ import annotations

from dataclasses import dataclass

from wslgpu.errors import UsageError
from wslgpu.settings import Settings
from wslgpu.workloads.model import NodeTruth


@dataclass(frozen=True)
class GpuRequest:
    """What stands in a pod's resources.

    :param ask: ``nvidia.com/gpu`` in requests and limits
    :param sees: GPUs that the pod will see; None: the node has not been asked
    :param note: what the user should know about it, in whole sentences; empty: nothing
    """

    ask: int
    sees: int | None
    note: str


def gpu_request(settings: Settings, truth: NodeTruth, wanted: int) -> GpuRequest:
    """What a pod asks for that is to use so many GPUs. What the node says goes before what the plugin's version does.

    :raises UsageError: fewer than one, or more than the node has
    """
    if wanted < 1:
        raise UsageError(f"{wanted} GPUs cannot be asked for", "", "Ask for 1 or more.")
    if truth.gpus is not None and wanted > truth.gpus:
        raise UsageError(
            f"the workload wants {_gpus(wanted)}, and the node has {truth.gpus}",
            "",
            "Ask for fewer, or choose another node. `nvidia-smi -L` on the node lists what it has.",
        )
    if _one_for_all(settings, truth, wanted):
        return GpuRequest(1, truth.gpus, _one_for_all_note(settings, truth, wanted))
    if truth.advertised is not None and 0 < truth.advertised < wanted:
        raise UsageError(
            f"the workload wants {_gpus(wanted)}, and the cluster advertises {truth.advertised}",
            "",
            f"Ask for {truth.advertised} or fewer; `wslgpu workload chain` shows which link lost the others.",
        )
    if truth.gpus is not None and truth.gpus > wanted:
        note = f"WSL2 does not keep GPUs apart: the pod asks for {wanted} and sees all {truth.gpus} of the node."
        return GpuRequest(wanted, truth.gpus, note)
    return GpuRequest(wanted, truth.gpus, "")


def _one_for_all(settings: Settings, truth: NodeTruth, wanted: int) -> bool:
    if settings.device_plugin.advertises == "single-all":
        # a cluster that still runs an older plugin advertises each GPU
        return truth.advertised is None or truth.gpus is None or truth.advertised != truth.gpus or truth.gpus == 1
    return truth.advertised == 1 and wanted > 1 and truth.gpus is not None


def _one_for_all_note(settings: Settings, truth: NodeTruth, wanted: int) -> str:
    if wanted == 1 and truth.gpus in (None, 1):
        return ""
    who = (
        "the cluster"
        if settings.device_plugin.advertises == "per-gpu"
        else f"device plugin {settings.device_plugin_version}"
    )
    sees = f"all {truth.gpus}" if truth.gpus is not None else "all that the node has"
    return f"The pod asks for 1 nvidia.com/gpu and sees {sees}: {who} advertises one that stands for all GPUs."


def _gpus(number: int) -> str:
    return "1 GPU" if number == 1 else f"{number} GPUs"
