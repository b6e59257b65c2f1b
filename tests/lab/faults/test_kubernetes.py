"""What goes wrong between a cluster and its GPU node, through `wslgpu workload`: found, named, mended; nothing lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.support.apply import apply, site
from tests.lab.support.cluster import restore, wait_for_phase, wait_until
from tests.lab.support.nodes import wait_until as wait_in_node
from tests.lab.support.workloads import NAMESPACE, gpu_pod, image, workload
from wslgpu.lab import Lab, Node, host

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        not set(host.cgroup_mounts()) - {"v2"}, reason="this host has no cgroup v1 hierarchy, which the kubelet needs"
    ),
]

PLUGIN = "nvidia-device-plugin"
REFRESH_UNITS = "wslgpu-cdi-refresh.path nvidia-cdi-refresh.path"


@pytest.fixture(scope="module")
def platform(provisioned_cluster: Lab) -> Iterator[Lab]:
    """The session's cluster with RuntimeClass and device plugin on it; each test leaves it so."""
    done = workload(provisioned_cluster, "apply", "runtime-class", "device-plugin", "--wait", "120")
    assert done.code == 0, done
    wait_until(lambda: advertised(provisioned_cluster) == 1, "a GPU to be had")
    yield provisioned_cluster
    restore(provisioned_cluster)


@pytest.fixture
def node(platform: Lab) -> Node:
    return platform.node()


def advertised(lab: Lab) -> int:
    allocatable = lab.kubernetes.get("node", lab.kubernetes.node.name)["status"]["allocatable"]
    return int(allocatable.get("nvidia.com/gpu", "0"))


@contextlib.contextmanager
def running(lab: Lab, name: str, script: str = "sleep 3600") -> Iterator[dict[str, Any]]:
    """A pod with a GPU that runs; it is gone at the end."""
    lab.kubernetes.apply(gpu_pod(lab, name, script))
    try:
        yield wait_for_phase(lab, NAMESPACE, name, "Running", "Succeeded")
    finally:
        lab.kubernetes.kubectl("delete", "pod", name, "--force", "--grace-period=0", "--timeout=60s")


def still_runs(lab: Lab, before: dict[str, Any]) -> None:
    """It is the same container, and nobody started it again."""
    now = lab.kubernetes.get("pod", before["metadata"]["name"], f"--namespace={NAMESPACE}")
    [old], [new] = before["status"]["containerStatuses"], now["status"]["containerStatuses"]
    assert now["status"]["phase"] == "Running", now["status"]
    assert (new["containerID"], new["restartCount"]) == (old["containerID"], 0)


def manifest(folder: Path, document: dict[str, Any]) -> str:
    path = folder / "own.json"
    path.write_text(json.dumps(document))
    return str(path)


def test_the_chain_holds_and_a_pod_sees_the_gpu(platform: Lab) -> None:
    done = workload(platform, "chain", "--pod")
    assert done.code == 0, done
    links = {link["id"]: link for link in done.document["links"]}
    assert {link["state"] for link in links.values()} == {"holds"}, done
    assert "device /dev/dxg" in links["pod"]["evidence"], links["pod"]
    pods = platform.kubernetes.get("pods", f"--namespace={NAMESPACE}")["items"]
    assert [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")] == []


def test_more_gpus_asked_for_than_advertised(platform: Lab, tmp_path: Path) -> None:
    four = gpu_pod(platform, "four", gpus=4)
    done = workload(platform, "check", "--offline", "--file", manifest(tmp_path, four))
    assert done.code == 1, done
    assert "asks for 4 nvidia.com/gpu where 1 is advertised" in done.judgements("refused")["gpus"], done
    # the genuine scheduler's word for what would have been
    platform.kubernetes.apply(four)
    try:
        waited = wait_for_phase(platform, NAMESPACE, "four", "Pending")
        wait_until(
            lambda: "Insufficient nvidia.com/gpu" in platform.kubernetes.kubectl("get", "events").stdout, "its refusal"
        )
        assert waited["status"]["phase"] == "Pending"
    finally:
        platform.kubernetes.kubectl("delete", "pod", "four", "--force", "--grace-period=0")


def test_plugin_version_unknown(platform: Lab, tmp_path: Path) -> None:
    with site(platform, device_plugin_version="9.9.9"):
        done = workload(platform, "apply", "device-plugin")
    assert done.code == 2, done
    assert "9.9.9 is not in the table" in done.error["what"], done
    labels = {"wslgpu-test": "other-plugin"}
    container = {"name": "p", "image": "nvcr.io/nvidia/k8s-device-plugin:v9.9.9"}
    template = {"metadata": {"labels": labels}, "spec": {"nodeSelector": {"no": "node"}, "containers": [container]}}
    other = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "other", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    platform.kubernetes.apply(other)
    try:
        own = manifest(tmp_path, gpu_pod(platform, "one"))
        done = workload(platform, "check", "--offline", "--file", own)
        assert "9.9.9" in done.judgements("warning")["device-plugin"], done
    finally:
        platform.kubernetes.kubectl("delete", "daemonset", "other", f"--namespace={NAMESPACE}")


def test_fault_29_spec_stale_while_a_pod_runs(platform: Lab, node: Node) -> None:
    """And 28: the store's folder has another name; the pod that runs goes on, a new one sees the new store."""
    node.nsenter(f"systemctl stop {REFRESH_UNITS}", check=False)
    with running(platform, "before") as before:
        node.replace_driver_store("c0ffee0123456789", "32.0.15.9999")
        done = workload(platform, "chain")
        assert (done.code, done.finding()) == (1, ("cdi-spec", "spec-stale")), done
        still_runs(platform, before)
        states = {link["id"]: link["state"] for link in done.document["links"]}
        assert states["allocatable"] == "holds", "one cause, one finding"
        mended = apply(platform, "--only", "container_toolkit", "--only", "video_cdi")
        assert mended.code == 0, mended
        assert workload(platform, "chain").code == 0
        still_runs(platform, before)
    script = "ldconfig -p | grep -o '/usr/lib/wsl/drivers/[^ ]*' | head -n 1; sleep 3600"
    with running(platform, "after", script):
        log = platform.kubernetes.kubectl("logs", "after")
        assert "c0ffee0123456789" in log.stdout, log
    node.nsenter(f"systemctl start {REFRESH_UNITS}", check=False)


def test_fault_30_two_specs_claim_one_device(platform: Lab, node: Node) -> None:
    [spec] = node.nsenter(
        "grep -l '^kind: nvidia.com/gpu' /etc/cdi/*.yaml /var/run/cdi/*.yaml", check=False
    ).stdout.split()
    node.nsenter(f"mkdir -p /etc/cdi && cp {spec} /etc/cdi/by-hand.yaml")
    try:
        done = workload(platform, "chain")
        assert (done.code, done.finding()) == (1, ("cdi-spec", "device-claimed-twice")), done
        assert "/etc/cdi/by-hand.yaml" in done.document["finding"]["what"], done
        assert spec in done.document["finding"]["what"], done
        assert node.nsenter("test -e /etc/cdi/by-hand.yaml").ok, "nothing of others is removed"
    finally:
        node.nsenter("rm /etc/cdi/by-hand.yaml")
    assert workload(platform, "chain").code == 0


def test_fault_31_containerd_restarted_under_a_pod_with_a_gpu(platform: Lab, node: Node) -> None:
    with running(platform, "goes-on") as before:
        node.nsenter("systemctl restart containerd")
        wait_until(lambda: advertised(platform) == 1, "the plugin to be there")
        still_runs(platform, before)
        assert workload(platform, "chain").code == 0


def test_kubelet_restarted(platform: Lab, node: Node) -> None:
    with running(platform, "goes-on") as before:
        node.nsenter("systemctl restart kubelet")
        platform.kubernetes.wait_for_node()
        # it took the plugin's socket away, and what the API says of GPUs is for a while that of before
        wait_in_node(node, "test -S /var/lib/kubelet/device-plugins/nvidia-gpu.sock", 60)
        wait_until(lambda: workload(platform, "chain").code == 0, "the plugin to register again", 60)
        assert advertised(platform) == 1
        still_runs(platform, before)


def test_shared_memory_too_small_for_the_ranks(platform: Lab, tmp_path: Path) -> None:
    pod = gpu_pod(platform, "ranks", "exec vllm serve m --tensor-parallel-size 4")
    pod["spec"]["volumes"] = [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "shm", "mountPath": "/dev/shm"}]
    done = workload(platform, "check", "--offline", "--file", manifest(tmp_path, pod))
    assert done.code == 1, done
    assert "1Gi at /dev/shm, and 4 ranks need 4Gi" in done.judgements("refused")["shared-memory"], done


def test_port_taken(platform: Lab, tmp_path: Path) -> None:
    pod = gpu_pod(platform, "port", gpus=0, ports=[{"containerPort": 22, "hostPort": 22}])
    done = workload(platform, "check", "--offline", "--file", manifest(tmp_path, pod))
    assert done.code == 1, done
    assert "the host's port 22, and a process of the node listens" in done.judgements("refused")["ports"], done


def test_model_path_missing(platform: Lab, tmp_path: Path) -> None:
    pod = gpu_pod(platform, "model", gpus=0)
    pod["spec"]["volumes"] = [{"name": "m", "hostPath": {"path": "/srv/no-model", "type": "Directory"}}]
    done = workload(platform, "check", "--offline", "--file", manifest(tmp_path, pod))
    assert done.code == 1, done
    assert "/srv/no-model is not there" in done.judgements("refused")["paths"], done


def test_image_digest_not_in_the_registry(platform: Lab, tmp_path: Path) -> None:
    pod = gpu_pod(platform, "lost", gpus=0)
    wrong = f"{image(platform).partition('@')[0]}@sha256:{'0' * 64}"
    pod["spec"]["containers"][0]["image"] = wrong
    done = workload(platform, "check", "--file", manifest(tmp_path, pod))
    # the mirror says no; what the registry itself says depends on the way to it from this machine
    assert done.code in (1, 2), done
    found = {**done.judgements("refused"), **done.judgements("cannot-tell")}
    assert wrong in found["images"], done
    assert any(
        "404" in line for plan in done.document["workloads"] for one in plan["judgements"] for line in one["evidence"]
    )


def test_node_not_ready_in_time(platform: Lab, node: Node) -> None:
    name = platform.kubernetes.node.name
    condition = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "cni is not there"}
    node.nsenter("systemctl stop kubelet")
    try:
        patch = json.dumps({"status": {"conditions": [condition]}})
        platform.kubernetes.kubectl("patch", "node", name, "--subresource=status", "-p", patch, check=True)
        done = workload(platform, "apply", "device-plugin", "--wait", "4")
        assert done.code == 1, done
        assert (done.error["class"], done.error["where"]) == ("timeout", "nothing was applied"), done
        assert f"{name}: cni is not there" in done.error["what"], done
    finally:
        node.nsenter("systemctl start kubelet")
        platform.kubernetes.wait_for_node()
        wait_until(lambda: advertised(platform) == 1, "the plugin to register again")


def test_manifest_edited_by_hand(platform: Lab) -> None:
    """A value that was changed, and something that was added: apply by itself would leave the latter."""
    kubectl = platform.kubernetes.kubectl
    where = f"--namespace={PLUGIN}"
    assert workload(platform, "diff", "device-plugin").code == 0
    changed = json.dumps({"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}})
    added = json.dumps({"spec": {"podSelector": {"matchLabels": {"only": "these"}}}})
    kubectl("patch", "daemonset", PLUGIN, where, "--type=merge", "-p", changed, check=True)
    kubectl("patch", "networkpolicy", "no-network", where, "--type=merge", "-p", added, check=True)
    found = workload(platform, "diff", "device-plugin")
    assert found.code == 1, found
    edited = {path["path"] for one in found.document["objects"] if one["state"] == "edited" for path in one["edited"]}
    assert edited == {"spec.updateStrategy.rollingUpdate.maxUnavailable", "spec.podSelector.matchLabels"}, found
    refused = workload(platform, "apply", "device-plugin")
    assert (refused.code, refused.error["class"]) == (1, "safety"), refused
    assert "--restore" in refused.error["next_step"], refused
    policy = ("networkpolicy", "no-network", where)
    assert "these" in json.dumps(platform.kubernetes.get(*policy)["spec"]), "nothing is overwritten unasked"
    put_back = workload(platform, "apply", "device-plugin", "--restore", "--wait", "120")
    assert put_back.code == 0, put_back
    assert "these" not in json.dumps(platform.kubernetes.get(*policy)["spec"])
    assert workload(platform, "diff", "device-plugin").code == 0


def test_what_is_not_ours_is_left_alone(platform: Lab) -> None:
    with site(platform, device_plugin_namespace="taken"):
        platform.kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "taken"}})
        other = {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": PLUGIN, "namespace": "taken"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"nodeSelector": {"no": "node"}, "containers": [{"name": "x", "image": "x"}]},
                },
            },
        }
        platform.kubernetes.apply(other)
        before = platform.kubernetes.get("daemonset", PLUGIN, "--namespace=taken")["metadata"]["resourceVersion"]
        done = workload(platform, "apply", "device-plugin", "--force", "--restore")
        assert (done.code, done.error["class"]) == (1, "safety"), done
        after = platform.kubernetes.get("daemonset", PLUGIN, "--namespace=taken")["metadata"]["resourceVersion"]
        assert before == after
    platform.kubernetes.kubectl("delete", "namespace", "taken", "--timeout=60s")


def test_plugin_started_before_the_driver_is_there(platform: Lab, node: Node) -> None:
    """Its pods end until the driver comes; the chain says why meanwhile, and holds afterwards."""
    hide = "mount --bind /run/empty-store /usr/lib/wsl/lib"
    node.nsenter(f"mkdir -p /run/empty-store && {hide}")
    try:
        platform.kubernetes.kubectl("delete", "pods", "--all", f"--namespace={PLUGIN}", "--force", "--grace-period=0")
        wait_until(lambda: workload(platform, "chain").code == 1, "a finding", 90)
        found = workload(platform, "chain")
        assert found.document["finding"]["remedy"], found
    finally:
        node.nsenter("umount /usr/lib/wsl/lib")
    platform.kubernetes.kubectl("delete", "pods", "--all", f"--namespace={PLUGIN}", "--force", "--grace-period=0")
    wait_until(lambda: advertised(platform) == 1, "a GPU to be had")
    wait_until(lambda: workload(platform, "chain").code == 0, "a chain that holds", 60)


def test_remove_and_apply_again(platform: Lab) -> None:
    done = workload(platform, "remove", "device-plugin")
    assert done.code == 0, done
    assert f"DaemonSet {PLUGIN}/{PLUGIN}" in done.document["workloads"]["device-plugin"]["gone"], done
    assert not platform.kubernetes.kubectl("get", "daemonset", PLUGIN, f"--namespace={PLUGIN}").ok
    assert platform.kubernetes.kubectl("get", "runtimeclass", "nvidia").ok, "another workload's stays"
    chain = workload(platform, "chain")
    assert chain.code == 1, chain
    again = workload(platform, "apply", "device-plugin", "--wait", "120")
    assert again.code == 0, again
    wait_until(lambda: advertised(platform) == 1, "the plugin to register again")


def test_yaml_of_its_own_that_is_none(platform: Lab, tmp_path: Path) -> None:
    path = tmp_path / "none.yml"
    path.write_text(yaml.safe_dump({"hello": "world"}))
    done = workload(platform, "check", "--file", str(path))
    assert (done.code, done.error["class"]) == (2, "usage"), done
