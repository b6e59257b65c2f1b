"""Every workload by name: what renders it, in which forms.

To add one: a function ``(Settings, NodeTruth) -> Rendered``, whose documentation begins with what the workload is, and
its line in the table.
"""

from __future__ import annotations

from collections.abc import Callable

from wslgpu.errors import UsageError
from wslgpu.settings import Settings
from wslgpu.workloads import compose, ffmpeg, plugin, quadlet, storage_form, vllm
from wslgpu.workloads.model import Form, NodeTruth, Rendered

Renderer = Callable[[Settings, NodeTruth], Rendered]

RENDERERS: dict[Form, dict[str, Renderer]] = {
    "kubernetes": {
        "runtime-class": plugin.runtime_class,
        "device-plugin": plugin.device_plugin,
        "gpu-feature-discovery": plugin.gpu_feature_discovery,
        "namespace": vllm.namespace,
        "vllm-storage": storage_form.vllm,
        "vllm": vllm.kubernetes,
        "ffmpeg-storage": storage_form.ffmpeg,
        "ffmpeg": ffmpeg.deployment,
        "ffmpeg-job": ffmpeg.job,
    },
    "helm": {"device-plugin": plugin.helm_values},
    "compose": {"vllm": compose.compose},
    "quadlet": {"vllm": quadlet.quadlet},
}
"""In the order in which they are applied: what others need comes first."""


def names(form: Form = "kubernetes") -> tuple[str, ...]:
    """The workloads that there are in a form, in the order in which they are applied."""
    return tuple(RENDERERS[form])


def summary(name: str) -> str:
    """What a workload is, in a line: the first one of its renderer's documentation."""
    renderer = next(table[name] for table in RENDERERS.values() if name in table)
    return (renderer.__doc__ or "").strip().splitlines()[0].rstrip(".")


def render(name: str, settings: Settings, truth: NodeTruth, form: Form = "kubernetes") -> Rendered:
    """One workload in one form.

    :raises UsageError: there is no such workload, or not in this form
    :raises WslgpuError: the settings do not allow it, as its renderer says
    """
    table = RENDERERS[form]
    if name not in table:
        elsewhere = [other for other, rows in RENDERERS.items() if name in rows]
        what = f"there is no workload {name!r}"
        if elsewhere:
            has = " and ".join(elsewhere)
            raise UsageError(f"{name} has no form {form}", name, f"It has {has}: --form {elsewhere[0]}.")
        raise UsageError(what, form, f"Known: {', '.join(table) or 'none in this form'}.")
    return table[name](settings, truth)
