"""A lab with Kubernetes: genuine servers, a node that joins by `wslgpu apply`, and nothing left of it at the end."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.conftest import LabFactory
from tests.lab.support.cluster import namespace, pod, wait_for_phase, wait_until
from tests.lab.test_lab import traces, wslgpu
from wslgpu.errors import ErrorClass
from wslgpu.lab import Lab, down, host
from wslgpu.lab.errors import LabError
from wslgpu.lab.kubernetes.control_plane import KUBELET, PROGRAMS, SYSCTLS, services

NAMESPACE = "lab-kubernetes"

pytestmark = pytest.mark.skipif(
    not set(host.cgroup_mounts()) - {"v2"}, reason="this host has no cgroup v1 hierarchy, which the kubelet needs"
)


def image(lab: Lab) -> str:
    """A small image of the lab's registry, by digest."""
    rows: list[dict[str, Any]] = yaml.safe_load(lab.site_file.read_text())["cuda_images"]
    row = next(row for row in rows if row["role"] == "base")
    return f"{row['repository']}@{row['digest']}"


def pod_of(lab: Lab, name: str, script: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": image(lab), "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, **spec},
    }


def runtime_class() -> dict[str, Any]:
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": "nvidia"},
        "handler": "nvidia",
    }


def test_the_servers_are_the_genuine_ones(cluster: Lab) -> None:
    version = json.loads(cluster.kubernetes.kubectl("get", "--raw=/version", check=True).stdout)
    assert (version["gitVersion"], version["compiler"]) == ("v1.20.2", "gc")
    nodes = cluster.kubernetes.get("nodes")["items"]
    assert [node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes] == ["v1.20.2"]
    node = cluster.node()
    for program in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        assert node.nsenter(f"{PROGRAMS}/{program} --version").stdout == "Kubernetes v1.20.2\n"
    for unit in services(node.address):
        assert node.nsenter(f"systemctl is-active {unit}", check=False).stdout == "active\n"


def test_a_node_cannot_change_the_programs(cluster: Lab) -> None:
    node = cluster.node()
    for path in (KUBELET, f"{PROGRAMS}/kube-apiserver"):
        assert node.nsenter(f"test -x {path}").ok
        tried = node.nsenter(f"chmod 777 {path}", check=False)
        assert "Read-only" in tried.stderr


def test_nobody_is_answered_without_a_certificate_or_token(cluster: Lab) -> None:
    ask = f"curl --silent --insecure {cluster.kubernetes.server}/api/v1/nodes"
    assert json.loads(cluster.node().nsenter(ask).stdout)["code"] == 401
    # only the API server listens on more than loopback
    listening = cluster.node().nsenter("ss --no-header --listening --tcp --numeric --processes").stdout
    assert "kube-apiserver" in listening
    for line in listening.splitlines():
        if any(name in line for name in ("etcd", "kube-controller", "kube-scheduler")):
            assert line.split()[3].startswith("127.0.0.1:"), line


def test_the_secrets_are_for_root_only(cluster: Lab) -> None:
    for name in ("kubeconfig", "bootstrap.kubeconfig"):
        assert stat.S_IMODE((cluster.directory / name).stat().st_mode) == 0o600
    modes = cluster.node().nsenter("stat --format='%a %n' /etc/kubernetes/*.conf /etc/kubernetes/pki/*").stdout
    for line in modes.splitlines():
        mode, name = line.split()
        assert mode == ("644" if name.endswith((".crt", ".pub")) else "600"), line


def test_a_pod_runs_under_the_runtime_class(cluster: Lab) -> None:
    with namespace(cluster, NAMESPACE):
        cluster.kubernetes.apply(
            runtime_class(), pod_of(cluster, "seen", "ls /dev/dxg && echo under nvidia", runtimeClassName="nvidia")
        )
        found = wait_for_phase(cluster, NAMESPACE, "seen", "Succeeded", "Failed")
        said = cluster.kubernetes.kubectl("logs", "seen", f"--namespace={NAMESPACE}").stdout
        assert (found["status"]["phase"], said) == ("Succeeded", "/dev/dxg\nunder nvidia\n")
        assert found["spec"]["nodeName"] == "node1"


CONNECT = """\
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
    print("answers")
except ConnectionRefusedError:
    print("is there")
"""


def connect(lab: Lab, source: dict[str, Any], address: str, port: int) -> str:
    """What comes of a connection from a pod's network, made by the node's Python."""
    ident = source["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    tasks = [line.split() for line in lab.node().nsenter("ctr -n k8s.io tasks ls").stdout.splitlines()]
    process = next(words[1] for words in tasks if words[0] == ident)
    inside = ["nsenter", f"--target={process}", "--net", "python3", "-c", CONNECT, address, str(port)]
    return lab.node().nsenter(inside, check=False).stdout.strip()


def test_pods_reach_each_other_the_node_and_what_it_reaches(cluster: Lab) -> None:
    with namespace(cluster, NAMESPACE):
        cluster.kubernetes.apply(pod_of(cluster, "one", "sleep 600"), pod_of(cluster, "two", "sleep 600"))
        one = wait_for_phase(cluster, NAMESPACE, "one", "Running")
        two = wait_for_phase(cluster, NAMESPACE, "two", "Running")
        assert one["status"]["podIP"] != two["status"]["podIP"]
        assert connect(cluster, one, two["status"]["podIP"], 9) == "is there"
        assert connect(cluster, one, cluster.node().address, 22) == "answers"
        assert connect(cluster, one, cluster.state.gateway, cluster.state.http_port) == "answers"
        # a control: an address of the pods' network that no pod has
        assert connect(cluster, one, "10.244.255.254", 9) == ""
        words = ("exec", "two", f"--namespace={NAMESPACE}", "--", "cat", "/etc/hostname")
        assert cluster.kubernetes.kubectl(*words, check=True).stdout == "two\n"


def test_everything_is_there_again_after_a_reboot(cluster: Lab) -> None:
    with namespace(cluster, NAMESPACE):
        always = pod_of(cluster, "stays", "sleep 600", restartPolicy="Always")
        cluster.kubernetes.apply(always)
        before = wait_for_phase(cluster, NAMESPACE, "stays", "Running")
        boot = cluster.node().nsenter("cat /proc/1/stat").stdout.split()[21]
        cluster.node().reboot()
        assert cluster.node().nsenter("cat /proc/1/stat").stdout.split()[21] != boot
        cluster.kubernetes.wait_for_server()

        def restarted() -> bool:
            statuses = pod(cluster, NAMESPACE, "stays").get("status", {}).get("containerStatuses", [])
            return bool(statuses) and statuses[0]["restartCount"] > 0 and statuses[0]["ready"]

        wait_until(restarted, "the pod's container runs again")
        assert pod(cluster, NAMESPACE, "stays")["metadata"]["uid"] == before["metadata"]["uid"]
        cluster.kubernetes.wait_for_node()
        for key, value in SYSCTLS.items():
            assert cluster.node().nsenter(f"cat /proc/sys/{key}").stdout.split() == [str(value)]


def test_a_second_up_changes_nothing_and_refuses_what_is_not_so(cluster: Lab) -> None:
    again = wslgpu("up", "--name", cluster.name, "--kubernetes", "--json")
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)["kubernetes"]
    assert (told["server"], told["answers"]) == (cluster.kubernetes.server, True)
    other = wslgpu("up", "--name", cluster.name, "--cgroup", "v2")
    assert (other.returncode, "with cgroup v1, not v2" in other.stderr) == (2, True)
    plugin = wslgpu("up", "--name", cluster.name, "--kubernetes", "--device-plugin", "/bin/true")
    assert (plugin.returncode, "--device-plugin" in plugin.stderr) == (2, True)
    assert cluster.kubernetes.server in wslgpu("list").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kubernetes", "--device-plugin", "/nowhere/plugin"), "no such file"),
        (("--kubernetes", "--device-plugin", __file__), "no Linux program"),
        (("--device-plugin", "/bin/true"), "add --kubernetes"),
        (("--kubernetes", "--cgroup", "v2"), "control groups version 1"),
        (("--kubernetes", "--nodes", "2"), "one node"),
        (("--kubernetes", "--kind", "fresh"), "control plane"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(words: tuple[str, ...], said: str) -> None:
    name = f"t{os.getpid()}-refused"
    tried = wslgpu("up", "--name", name, *words)
    assert (tried.returncode, said in tried.stderr) == (2, True), tried.stderr
    assert "Traceback" not in tried.stderr
    with pytest.raises(LabError) as there:
        Lab.load(name)
    assert there.value.error_class is ErrorClass.USAGE


def test_a_lab_without_kubernetes_says_so(lab: Lab) -> None:
    assert lab.describe()["kubernetes"] is None
    with pytest.raises(LabError) as refused:
        _ = lab.kubernetes
    assert "no Kubernetes" in refused.value.what


@pytest.mark.parametrize("crashed", [False, True])
def test_down_leaves_nothing(new_lab: LabFactory, crashed: bool) -> None:
    made = new_lab(kubernetes=True, servers=False)
    programs = Path(made.state.programs)
    assert (programs / "bin/kubelet").is_file()
    made.node().nsenter("systemctl is-active kube-apiserver")
    before = traces(made)
    assert before.processes
    assert before.mounts
    assert before.cgroups
    if crashed:
        for pid in made.node().processes():
            os.kill(pid, signal.SIGKILL)
    down(made.name)
    assert not traces(made).any
    assert str(programs) not in Path("/proc/self/mounts").read_text()
    # the cache is everybody's
    assert (programs / "bin/kubelet").is_file()
