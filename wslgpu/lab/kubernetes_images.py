"""Images of workloads for the lab's registry: vLLM, and for a cluster the device plugin and pause; all stand in.

They lie under the names that the genuine ones have, so that what is rendered for a user's node runs in a lab with the
lab's digests in place of the genuine ones. Which versions there are say the project's own tables.

====================================  ==========================================  =======================
image                                 what is in it                               which labs have it
====================================  ==========================================  =======================
nvcr.io/nvidia/k8s-device-plugin      stand_ins/device_plugin, or the program of  those with Kubernetes
                                      ``lab up --device-plugin``
registry.k8s.io/pause                 stand_ins/src/pause.c                       those with Kubernetes
docker.io/vllm/vllm-openai            stand_ins/src/vllm_server.c                 all
====================================  ==========================================  =======================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wslgpu.lab import image
from wslgpu.lab.image import Image, Layer
from wslgpu.lab.stand_ins import driver
from wslgpu.settings import DEVICE_PLUGINS_FILE, VLLM_FILE
from wslgpu.workloads import plugin_pins, vllm_pins

PAUSE = "registry.k8s.io/pause"
#: What containerd 1.6 to 2.2 ask for unless told otherwise; by tag, which is why that mirror may resolve.
PAUSE_TAGS = ("3.6", "3.8", "3.9", "3.10", "3.10.1")
#: As stand_ins/device_plugin/src/main.go and stand_ins/src/vllm_server.c call it.
VERSION_VARIABLE = "WSLGPU_STAND_IN_VERSION"
PATH_VARIABLE = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SEEN = {"seen": "the lab's own registry", "verified": True}


@dataclass(frozen=True)
class Programs:
    """What is put into the images, as bytes.

    :param plugin: the device plugin, empty for a lab without a cluster
    """

    pause: bytes
    vllm: bytes
    plugin: bytes


def programs(plugin: Path | None) -> Programs:
    """Compile what has to be; ``plugin`` is the program nvidia-device-plugin."""
    return Programs(
        # nothing but itself is in its image
        pause=driver.compile_program("pause", "-static"),
        vllm=driver.compile_program("vllm_server", "-ldl"),
        plugin=plugin.read_bytes() if plugin else b"",
    )


def build(shared: Layer, found: Programs) -> list[Image]:
    """The images, upon the layer that all images of a lab share."""
    images = _vllm(shared, found.vllm)
    if found.plugin:
        images += [*_device_plugins(shared, found.plugin), *_pause(found.pause)]
    return images


def _vllm(shared: Layer, program: bytes) -> list[Image]:
    own = image.layer({"etc/wslgpu-lab-image": b"wslgpu lab stand-in for vLLM\n"}, {"usr/local/bin/vllm": program})
    images = []
    for version, row in vllm_pins.load_vllm(VLLM_FILE)[0].versions.items():
        # row.without_pinned_memory: genuine ones of that kind end at start, often enough to be taken for always here
        needs = int(row.without_pinned_memory == "may-die")
        environment = [*image.ENVIRONMENT, f"{VERSION_VARIABLE}={version}", f"WSLGPU_STAND_IN_NEEDS_PINNED={needs}"]
        config = {"Env": environment, "Entrypoint": ["vllm", "serve"], "WorkingDir": "/"}
        images.append(image.assemble(row.image.repository, row.image.tag, (shared, own), config))
    return images


def _device_plugins(shared: Layer, program: bytes) -> list[Image]:
    own = image.layer({}, {"usr/bin/nvidia-device-plugin": program})
    images = []
    for version, row in plugin_pins.load_device_plugins(DEVICE_PLUGINS_FILE)[0].device_plugins.items():
        # what the genuine image asks the runtime for, with which its pod finds NVML
        asks = ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=utility,compute"]
        environment = [PATH_VARIABLE, *asks, f"{VERSION_VARIABLE}={version}"]
        config = {"Env": environment, "Entrypoint": ["nvidia-device-plugin"]}
        images.append(image.assemble(row.repository, row.tag, (shared, own), config))
    return images


def _pause(program: bytes) -> list[Image]:
    own = image.layer({}, {"pause": program})
    config = {"Env": [PATH_VARIABLE], "Entrypoint": ["/pause"], "User": "65535:65535"}
    return [image.assemble(PAUSE, tag, (own,), config) for tag in PAUSE_TAGS]


def mirrors(repositories: Iterable[str], url: str) -> list[dict[str, Any]]:
    """``containerd_mirrors`` for site.yml: a row for each registry that the lab's has something of."""
    registries = {name.partition("/")[0] for name in repositories}
    resolving = PAUSE.partition("/")[0]
    return [
        {
            "registry": name,
            "url": url,
            # only pause is asked for by tag
            "capabilities": ["pull", "resolve"] if name == resolving else ["pull"],
        }
        for name in sorted(registries)
    ]


def tables(digests: Mapping[str, str]) -> dict[str, Any]:
    """``device_plugins`` and ``vllm_versions`` for site.yml: the project's rows, with the lab's digests.

    :param digests: ``repository:tag`` -> digest, of what the lab's registry has
    """
    plugins = plugin_pins.as_data(plugin_pins.load_device_plugins(DEVICE_PLUGINS_FILE)[0])["device_plugins"]
    versions = vllm_pins.as_data(vllm_pins.load_vllm(VLLM_FILE)[0])["vllm_versions"]
    found = {
        "device_plugins": {name: _ours(row, digests) for name, row in plugins.items() if _name(row) in digests},
        "vllm_versions": {
            name: {**row, "image": _ours(row["image"], digests)}
            for name, row in versions.items()
            if _name(row["image"]) in digests
        },
    }
    return {table: rows for table, rows in found.items() if rows}


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['repository']}:{row['tag']}"


def _ours(row: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    return {**row, **SEEN, "digest": digests[_name(row)]}
