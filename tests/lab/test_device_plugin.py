"""The device plugin's images of the lab under a genuine kubelet, held against what the genuine plugin did there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.lab.support.cluster import namespace, wait_for_phase, wait_until
from tests.plugin_capture import Captured, captured, names_gpus
from wslgpu.lab import Lab, host, shape
from wslgpu.lab.persona import STORE_HASH

NAMESPACE = "plugin-test"
FOUR = [f"GPU-0{number}111111-2222-3333-4444-555555555555" for number in (1, 2, 6, 7)]
SOCKETS = "/var/lib/kubelet/device-plugins"

pytestmark = pytest.mark.skipif(
    not set(host.cgroup_mounts()) - {"v2"}, reason="this host has no cgroup v1 hierarchy, which the kubelet needs"
)


def set_driver(lab: Lab, scenario: str) -> None:
    """Another driver scenario under the same store, so that the node's CDI spec stays right."""
    node = lab.node()
    shape.make_driver(node.root / shape.HERE / "driver", scenario, STORE_HASH)
    node.nsenter(f"sh /{shape.HERE}/mount-driver.sh")


@pytest.fixture
def place(cluster: Lab) -> Iterator[Lab]:
    """The cluster with a namespace and two runtime classes, and the driver that it came with afterwards."""
    before = str(cluster.persona.driver)
    classes = [
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": name},
            "handler": name,
        }
        for name in ("nvidia", "runc")
    ]
    cluster.kubernetes.apply(*classes)
    try:
        with namespace(cluster, NAMESPACE):
            yield cluster
    finally:
        set_driver(cluster, before)


def site(lab: Lab) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(lab.site_file.read_text())
    return data


def pod(name: str, container: dict[str, Any], runtime: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "runtimeClassName": runtime,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", **container}],
            **spec,
        },
    }


def start_plugin(lab: Lab, version: str, runtime: str = "nvidia", **environment: str) -> str:
    """A pod of the plugin, and its name. Two of them would serve one socket: the one before it must be gone."""
    row = site(lab)["device_plugins"][version]
    name = f"plugin-{version.replace('.', '-')}-{runtime}"
    container = {
        "image": f"{row['repository']}@{row['digest']}",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "volumeMounts": [{"name": "sockets", "mountPath": SOCKETS}],
    }
    sockets = {"name": "sockets", "hostPath": {"path": SOCKETS, "type": "Directory"}}
    lab.kubernetes.apply(pod(name, container, runtime, volumes=[sockets]))
    wait_for_phase(lab, NAMESPACE, name, "Running")
    return name


def remove(lab: Lab, name: str) -> None:
    lab.kubernetes.kubectl("delete", "pod", name, f"--namespace={NAMESPACE}", "--timeout=60s", check=True, timeout_s=70)


def log(lab: Lab, name: str) -> str:
    """A pod's log; empty while no kubelet answers for it."""
    return lab.kubernetes.kubectl("logs", name, f"--namespace={NAMESPACE}").stdout


def wait_for_log(lab: Lab, name: str, text: str, times: int = 1) -> None:
    wait_until(lambda: log(lab, name).count(text) >= times, f"{text!r} in the plugin's log")


def allocatable(lab: Lab) -> str | None:
    """What the node advertises; None where no plugin has ever registered."""
    found: str | None = lab.kubernetes.get("nodes", "node1")["status"]["allocatable"].get("nvidia.com/gpu")
    return found


def asking(lab: Lab, name: str, count: int) -> dict[str, Any]:
    """A pod under runc, so that whatever it sees of the GPU is the plugin's doing."""
    row = next(row for row in site(lab)["cuda_images"] if row["role"] == "base")
    container = {
        "image": f"{row['repository']}@{row['digest']}",
        "command": ["sh", "-c", "echo $NVIDIA_VISIBLE_DEVICES; ls /dev"],
        "resources": {"limits": {"nvidia.com/gpu": str(count)}},
    }
    return pod(name, container, "runc")


def seen(lab: Lab, name: str) -> tuple[str, list[str]]:
    """NVIDIA_VISIBLE_DEVICES and /dev of a pod that :func:`asking` made."""
    assert wait_for_phase(lab, NAMESPACE, name, "Succeeded", "Failed")["status"]["phase"] == "Succeeded"
    visible, *devices = log(lab, name).split("\n")
    assert "null" in devices
    return visible, devices


def start_as_captured(lab: Lab, scenario: str, version: str) -> tuple[Captured, str]:
    """Start the plugin of a capture, and see that it says and advertises what the genuine one did.

    The capture, and the name of the plugin's pod.
    """
    genuine = captured(version)
    set_driver(lab, scenario)
    plugin = start_plugin(lab, version)
    wait_for_log(lab, plugin, genuine.log[-1])
    for line in genuine.log:
        assert line in log(lab, plugin)
    wait_until(lambda: allocatable(lab) == str(genuine.allocatable), "as many GPUs advertised as the genuine one had")
    return genuine, plugin


def test_one_for_each_gpu_as_the_genuine_plugin_was_seen_to_do(place: Lab) -> None:
    genuine, plugin = start_as_captured(place, "four-gpus-events", "0.17.1")
    place.kubernetes.apply(asking(place, "one", 1))
    visible, devices = seen(place, "one")
    assert visible == genuine.for_one == FOUR[0]
    assert "dxg" not in devices
    place.kubernetes.apply(asking(place, "four", 4))
    visible, devices = seen(place, "four")
    assert (visible, genuine.for_four) == (",".join(FOUR), "<four UUIDs, comma separated>")
    assert "dxg" not in devices
    # what is refused makes GPUs unhealthy in this version
    remove(place, plugin)
    set_driver(place, "four-gpus")
    plugin = start_plugin(place, "0.17.1")
    wait_until(lambda: allocatable(place) == str(genuine.refused_allocatable), "no GPU advertised")
    assert all(names_gpus(line, log(place, plugin)) for line in genuine.refused_log)


def test_a_single_one_as_the_genuine_plugin_was_seen_to_do(place: Lab) -> None:
    genuine, plugin = start_as_captured(place, "four-gpus", "0.19.3")
    place.kubernetes.apply(asking(place, "one", 1), asking(place, "four", 4))
    visible, devices = seen(place, "one")
    assert visible == genuine.for_one
    assert "dxg" not in devices
    wait_until(lambda: genuine.pending in events(place, "four"), genuine.pending)
    assert wait_for_phase(place, NAMESPACE, "four", "Pending", "Running")["status"]["phase"] == "Pending"
    # the kubelet starts again: its socket is new, and the plugin registers once more
    place.node().nsenter("systemctl restart kubelet")
    wait_for_log(place, plugin, "inotify: /var/lib/kubelet/device-plugins/kubelet.sock created, restarting.")
    wait_for_log(place, plugin, genuine.log[-1], times=2)
    wait_until(lambda: allocatable(place) == str(genuine.allocatable), "one GPU advertised again")


def events(lab: Lab, name: str) -> str:
    selector = f"--field-selector=involvedObject.name={name}"
    found = lab.kubernetes.get("events", f"--namespace={NAMESPACE}", selector)["items"]
    return json.dumps([entry.get("message") for entry in found])


def test_started_before_the_driver_is_there(place: Lab) -> None:
    before = allocatable(place)
    # runc brings no driver into the pod, as nvidia does not where there is none
    plugin = start_plugin(place, "0.19.3", runtime="runc", FAIL_ON_INIT_ERROR="false")
    wait_for_log(place, plugin, "No devices found. Waiting indefinitely.")
    assert "Incompatible strategy detected auto" in log(place, plugin)
    assert allocatable(place) in (None, "0", before)
    remove(place, plugin)
    plugin = start_plugin(place, "0.19.3")
    wait_for_log(place, plugin, "Registered device plugin for 'nvidia.com/gpu' with Kubelet")
    wait_until(lambda: allocatable(place) == "1", "one GPU advertised")
