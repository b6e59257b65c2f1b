"""NVIDIA's device plugin on a WSL2 node, and what comes with it: RuntimeClass, GPU Feature Discovery, the node's label.

Sources: NVIDIA/k8s-device-plugin (deployments/static, deployments/helm/nvidia-device-plugin, internal/rm/health.go),
kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins, and
kubernetes-sigs.github.io/node-feature-discovery/stable/usage/customization-guide (local feature source).
"""

from __future__ import annotations

from wslgpu.errors import DataError
from wslgpu.pins import UNRESOLVED, PinnedImage
from wslgpu.settings import Settings
from wslgpu.templates import render, render_yaml
from wslgpu.workloads.kubernetes_form import from_templates
from wslgpu.workloads.model import NodeTruth, Rendered

RUNTIME_CLASS = "nvidia"
GPU_PRESENT = ("nvidia.com/gpu.present", "true")
"""The label that says that a node has a GPU, which Node Feature Discovery cannot find out on WSL2."""
FEATURE_FILE = "/etc/kubernetes/node-feature-discovery/features.d/wslgpu"
"""Read by Node Feature Discovery, which keeps the label as long as the file is there."""
HELM_REPOSITORY = "https://nvidia.github.io/k8s-device-plugin"


def runtime_class(settings: Settings, truth: NodeTruth) -> Rendered:  # noqa: ARG001  the signature of all renderers
    """The RuntimeClass nvidia, which pods with a GPU name."""
    return from_templates("runtime-class", ("/etc/wslgpu/kubernetes/runtime-class/runtimeclass.yaml",), {})


def device_plugin(settings: Settings, truth: NodeTruth) -> Rendered:  # noqa: ARG001  the signature of all renderers
    """NVIDIA's device plugin, which advertises GPUs to the kubelet, in a namespace of its own.

    :raises DataError: nobody knows the image's digest
    """
    templates = (
        "/etc/wslgpu/kubernetes/device-plugin/namespace.yaml",
        "/etc/wslgpu/kubernetes/device-plugin/networkpolicy.yaml",
        "/etc/wslgpu/kubernetes/device-plugin/daemonset.yaml",
    )
    plugin = settings.device_plugin
    values = {
        "namespace": settings.device_plugin_namespace,
        "version": settings.device_plugin_version,
        "image": reference(plugin, f"device_plugins.{settings.device_plugin_version}"),
        "health_checks_off": _health_checks_off(settings),
    }
    return from_templates("device-plugin", templates, values, _plugin_notes(settings))


def gpu_feature_discovery(settings: Settings, truth: NodeTruth) -> Rendered:  # noqa: ARG001  as above
    """NVIDIA's labels about the GPUs of a node, in the device plugin's namespace.

    :raises DataError: it crashes on WSL2 in this version, or nobody knows the image's digest
    """
    version = settings.device_plugin_version
    plugin = settings.device_plugin
    if plugin.gpu_feature_discovery == "crashes":
        able = [name for name, row in settings.device_plugins.items() if row.gpu_feature_discovery == "works"]
        raise DataError(
            f"GPU Feature Discovery {version} ends with an error on WSL2, where NVML does not tell the mode of a GPU",
            "device_plugin_version",
            f"Name one of {', '.join(able)}. The label {'='.join(GPU_PRESENT)} needs none of this: it comes from"
            f" {FEATURE_FILE} on the node.",
        )
    values = {
        "namespace": settings.device_plugin_namespace,
        "version": version,
        "image": reference(plugin, f"device_plugins.{version}"),
        "nodefeature_by_default": plugin.nodefeature_api == "by-default",
    }
    notes = (
        "It goes into the namespace that device-plugin makes: apply that first.",
        "The labels appear where Node Feature Discovery runs and accepts labels of nvidia.com (extraLabelNs).",
    )
    return from_templates(
        "gpu-feature-discovery", ("/etc/wslgpu/kubernetes/gpu-feature-discovery/daemonset.yaml",), values, notes
    )


def helm_values(settings: Settings, truth: NodeTruth) -> Rendered:  # noqa: ARG001  the signature of all renderers
    """Values for NVIDIA's own chart, which has the plugin's version.

    :raises DataError: nobody knows the image's digest
    """
    version = settings.device_plugin_version
    plugin = settings.device_plugin
    works = plugin.gpu_feature_discovery == "works"
    values = {
        "version": version,
        "repository": plugin.repository,
        "tag": f"{plugin.tag}@{reference(plugin, f'device_plugins.{version}').partition('@')[2]}",
        "gfd": works,
        "gfd_reason": "It works on WSL2 from 0.18.0 on; it brings Node Feature Discovery with it."
        if works
        else "Before 0.18.0 it ends with an error on WSL2.",
    }
    notes = [
        f"helm upgrade --install nvidia-device-plugin nvidia-device-plugin --repo {HELM_REPOSITORY}"
        f" --version {version} --namespace {settings.device_plugin_namespace} --create-namespace --values values.yaml",
        *_plugin_notes(settings),
    ]
    if _health_checks_off(settings):
        notes.append(
            f"The chart of {version} has no value that switches health checks off. If all GPUs are marked unhealthy,"
            " use the manifests instead: wslgpu workload render device-plugin."
        )
    text = render_yaml("/etc/wslgpu/helm/device-plugin/values.yaml", **values)
    return Rendered("device-plugin", "helm", {"values.yaml": text}, (), tuple(notes))


def feature_file_text(settings: Settings) -> str:  # noqa: ARG001  the label is the same for all so far
    """What stands in :data:`FEATURE_FILE` on a node: ``key=value`` lines, and comments (from NFD 0.14 on)."""
    label, value = GPU_PRESENT
    return render("/etc/kubernetes/node-feature-discovery/features.d/wslgpu", label=label, value=value)


def reference(image: PinnedImage, where: str) -> str:
    """``repository@digest`` of an image that goes into a manifest.

    :param where: the setting that names it
    :raises DataError: its digest is unresolved
    """
    if image.digest == UNRESOLVED:
        raise DataError(
            f"the digest of {image.name} is unresolved, and manifests name images by digest only",
            where,
            "On a connected machine `wslgpu pins resolve` asks the registry and writes it to site.yml; or write the row"
            " there with the digest that you know.",
        )
    return image.reference


def _health_checks_off(settings: Settings) -> str:
    """Why the plugin's health checks are off; empty: they are on."""
    if settings.device_plugin_checks_health:
        return ""
    if settings.device_plugin_health_checks == "off":
        return "device_plugin_health_checks is off."
    return (
        "This version takes a GPU whose events NVML refuses to register, as it may on WSL2, for a broken one, and then"
        " there is none to ask for."
    )


def _plugin_notes(settings: Settings) -> list[str]:
    version = settings.device_plugin_version
    if settings.device_plugin.advertises == "single-all":
        return [f"Plugin {version} advertises one nvidia.com/gpu on WSL2, which stands for all GPUs of the node."]
    return [
        f"Plugin {version} advertises one nvidia.com/gpu for each GPU, but WSL2 does not keep them apart: a pod that"
        " asks for one sees all of them."
    ]
