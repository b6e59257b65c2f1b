"""Every workload rendered, over the versions and nodes that a site can have: what the tests of manifests look at."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from wslgpu.errors import DataError
from wslgpu.settings import Settings, load
from wslgpu.workloads.model import Form, NodeTruth, Rendered
from wslgpu.workloads.render import names, render

ONES = "sha256:" + "1" * 64
TRUTHS = {
    "nobody asked": NodeTruth(),
    "one GPU": NodeTruth((1, 34), 1, 1, "wslgpu.dev/gpu=video", 8 << 30),
    "four GPUs behind one": NodeTruth((1, 37), 4, 1, "wslgpu.dev/gpu=video", 64 << 30),
    "old cluster, no codecs": NodeTruth((1, 20), 1, 1, "", 2 << 30),
}
SITES: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "folders of the node": {
        "vllm_storage": {"claim": "vllm-models", "host_path": "/srv/models"},
        "ffmpeg_storage": {"claim": "ffmpeg-media", "host_path": "/srv/media"},
        "device_plugin_health_checks": "off",
    },
    "all that is not as shipped": {
        "device_plugin_namespace": "gpus",
        "device_plugin_health_checks": "on",
        "vllm_model_source": "hub",
        "vllm_sleep_mode": "on",
        "vllm_pin_memory": "on",
        "vllm_extra_arguments": ["--chat-template", "{{ x }}", "- a: 'b' # c"],
        "ffmpeg_pod_program": "image",
        "ffmpeg_pod_image": f"docker.io/x/ffmpeg@{ONES}",
    },
}
"""What sites choose; the plugin's versions are gone through besides."""


def settings(**changed: Any) -> Settings:
    """The shipped settings with some changed, and a digest for each image."""
    return _settings(json.dumps(changed))


@functools.cache
def _settings(changed: str) -> Settings:
    data = load(Path("/dev/null")).as_data()
    for row in data["device_plugins"].values():
        row["digest"] = ONES
    for row in data["vllm_versions"].values():
        row["image"]["digest"] = ONES
    for row in data["cuda_images"]:
        row["digest"] = ONES
    return Settings.model_validate({**data, **json.loads(changed)})


def plugin_versions() -> tuple[str, ...]:
    """The versions in the shipped table, oldest first."""
    return tuple(load(Path("/dev/null")).device_plugins)


@functools.cache
def renderings(form: Form = "kubernetes") -> dict[str, Rendered]:
    """Each rendering by what it is of; the only refusal is GPU Feature Discovery where it crashes."""
    found = {}
    chosen = [(f"plugin {version}", settings(device_plugin_version=version)) for version in plugin_versions()]
    chosen += [(site, settings(**changed)) for site, changed in SITES.items()]
    for what, each in chosen:
        for node, truth in TRUTHS.items():
            for name in names(form):
                try:
                    found[f"{name}, {what}, {node}"] = render(name, each, truth, form)
                except DataError:
                    assert name == "gpu-feature-discovery", name
                    assert each.device_plugin.gpu_feature_discovery == "crashes", what
    return found


@functools.cache
def different(form: Form = "kubernetes") -> dict[str, Rendered]:
    """The renderings whose files differ, each once."""
    once = {tuple(sorted(each.files.items())): what for what, each in reversed(renderings(form).items())}
    return {what: renderings(form)[what] for what in sorted(once.values())}
