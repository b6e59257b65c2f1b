"""The workload images of a lab's registry: names, mirrors, and the rows that give a site their digests."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

import yaml

from wslgpu.lab import image
from wslgpu.lab import kubernetes_images as images
from wslgpu.lab.stand_ins import driver
from wslgpu.settings import DEVICE_PLUGINS_FILE, VLLM_FILE, load
from wslgpu.workloads import plugin_pins, vllm_pins

SHARED = image.layer({"etc/os-release": b"ID=debian\n"})
PROGRAMS = images.Programs(pause=b"pause", vllm=b"vllm", plugin=b"plugin")
PLUGINS = plugin_pins.load_device_plugins(DEVICE_PLUGINS_FILE)[0].device_plugins
VLLM = vllm_pins.load_vllm(VLLM_FILE)[0].versions


def named(found: list[image.Image]) -> dict[str, image.Image]:
    return {f"{entry.repository}:{entry.tag}": entry for entry in found}


def config(entry: image.Image) -> dict[str, list[str]]:
    body: dict[str, list[str]] = json.loads(entry.contents[0].data)["config"]
    return body


def test_every_version_of_the_tables_has_an_image() -> None:
    found = named(images.build(SHARED, PROGRAMS))
    for version, plugin in PLUGINS.items():
        said = config(found[plugin.name])
        assert f"WSLGPU_STAND_IN_VERSION={version}" in said["Env"]
        assert said["Entrypoint"] == ["nvidia-device-plugin"]
    for version, vllm in VLLM.items():
        said = config(found[vllm.image.name])
        needs = int(vllm.without_pinned_memory == "may-die")
        assert {f"WSLGPU_STAND_IN_VERSION={version}", f"WSLGPU_STAND_IN_NEEDS_PINNED={needs}"} <= set(said["Env"])
    assert {name for name in found if name.startswith("registry.k8s.io/")} == {
        f"registry.k8s.io/pause:{tag}" for tag in images.PAUSE_TAGS
    }
    assert len({entry.index.digest for entry in found.values()}) == len(PLUGINS) + len(VLLM) + 1


def test_without_a_cluster_there_is_vllm_only() -> None:
    found = named(images.build(SHARED, images.Programs(pause=b"pause", vllm=b"vllm", plugin=b"")))
    assert set(found) == {row.image.name for row in VLLM.values()}


def test_programs_may_be_run_and_the_rest_may_not() -> None:
    with tarfile.open(fileobj=io.BytesIO(image.layer({"etc/a": b"1"}, {"usr/bin/b": b"2"}).tar)) as archive:
        modes = {entry.name: entry.mode for entry in archive if entry.isfile()}
    assert modes == {"etc/a": 0o644, "usr/bin/b": 0o755}


def test_only_pauses_registry_may_resolve() -> None:
    names = [f"{name}:t" for name in ("docker.io/nvidia/cuda", "docker.io/vllm/vllm-openai", images.PAUSE)]
    assert images.mirrors(names, "http://10.0.0.1:8080") == [
        {"registry": "docker.io", "url": "http://10.0.0.1:8080", "capabilities": ["pull"]},
        {"registry": "registry.k8s.io", "url": "http://10.0.0.1:8080", "capabilities": ["pull", "resolve"]},
    ]


def test_a_site_gets_the_rows_with_the_labs_digests(tmp_path: Path) -> None:
    found = named(images.build(SHARED, PROGRAMS))
    site = tmp_path / "site.yml"
    site.write_text(yaml.safe_dump(images.tables({name: entry.index.digest for name, entry in found.items()})))
    settings = load(site)
    for version, plugin in settings.device_plugins.items():
        assert plugin.digest == found[plugin.name].index.digest
        assert (plugin.verified, plugin.advertises) == (True, PLUGINS[version].advertises)
    for version, row in settings.vllm_versions.items():
        assert row.image.digest == found[row.image.name].index.digest
        assert row.pin_memory == VLLM[version].pin_memory


def test_what_the_registry_lacks_keeps_its_own_row() -> None:
    assert images.tables({}) == {}
    name = PLUGINS["0.19.3"].name
    assert set(images.tables({name: f"sha256:{'1' * 64}"})["device_plugins"]) == {"0.19.3"}


def test_the_stand_in_behaves_as_the_table_says() -> None:
    text = (driver.SOURCES.parent / "device_plugin/src/versions.go").read_text()
    behaviours = dict(re.findall(r'^\t"([\d.]+)": \{(.*)\},$', text, re.MULTILINE))
    assert set(behaviours) == set(PLUGINS)
    for version, behaviour in behaviours.items():
        row = PLUGINS[version]
        assert ("single: true" in behaviour) == (row.advertises == "single-all"), version
        assert ("refusalIsUnhealthy: true" in behaviour) == (row.refused_events == "unhealthy"), version
