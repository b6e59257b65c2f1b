"""What does not fit is found before it is applied; and what nobody could look at is not called fitting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.cluster_answers import (
    GIB,
    answers,
    cluster,
    deployment,
    listed,
    node,
    settings_of_the_cluster,
    shared_memory,
)
from wslgpu.kubernetes.check_model import Judgement, Verdict, exit_code
from wslgpu.kubernetes.checks import judge
from wslgpu.kubernetes.cluster_facts import ClusterFacts, truth
from wslgpu.kubernetes.kubectl import Answer
from wslgpu.kubernetes.plan import _is_unknown_place
from wslgpu.kubernetes.plugin_version import known_versions, version_of
from wslgpu.kubernetes.requests import quantity, requests
from wslgpu.pins import UNRESOLVED
from wslgpu.settings import Settings
from wslgpu.workloads.model import NodeTruth

FORBIDDEN = Answer(1, "", 'Error from server (Forbidden): nodes is forbidden: User "x" cannot list resource')


@pytest.fixture(scope="module")
def settings() -> Settings:
    return settings_of_the_cluster()


def judged(settings: Settings, facts: ClusterFacts, *documents: dict[str, Any]) -> dict[str, Judgement]:
    """The worst judgement of each question."""
    order = list(Verdict)
    found: dict[str, Judgement] = {}
    for one in judge(requests(documents), facts, settings):
        worst = found.get(one.id)
        if worst is None or (order.index(one.verdict) or 9) < (order.index(worst.verdict) or 9):
            found[one.id] = one
    return found


def test_a_workload_that_fits(settings: Settings) -> None:
    found = judge(requests([deployment(**shared_memory("4Gi"))]), cluster(), settings)
    assert {one.verdict for one in found} == {Verdict.FITS}, found
    assert {"gpus", "node", "runtime-class", "shared-memory"} <= {one.id for one in found}
    assert exit_code(found) == 0


def test_four_where_one_is_advertised(settings: Settings) -> None:
    one = judged(settings, cluster(), deployment(gpus=4))["gpus"]
    assert one.verdict is Verdict.REFUSED
    assert "asks for 4 nvidia.com/gpu where 1 is advertised" in one.what
    assert "Ask for 1" in one.next_step
    assert one.evidence == ("node1 advertises 1",)
    facts = cluster(nodes=listed(node(gpus=4)))
    assert judged(settings, facts, deployment(gpus=4))["gpus"].verdict is Verdict.FITS


def test_a_node_that_does_not_fit_the_selector_does_not_count(settings: Settings) -> None:
    facts = cluster(nodes=listed(node(gpus=1), node("other", gpus=4, labels={})))
    chosen = deployment(gpus=4, nodeSelector={"nvidia.com/gpu.present": "true"})
    assert judged(settings, facts, chosen)["gpus"].verdict is Verdict.REFUSED
    assert judged(settings, facts, deployment(gpus=4))["gpus"].verdict is Verdict.FITS


def test_one_that_others_have_is_a_warning_and_ones_own_pod_is_no_other(settings: Settings) -> None:
    holder = Answer(0, "ml|train-0|node1|Running|1||||train\nml|old|node1|Succeeded|1||||x\n", "")
    one = judged(settings, cluster(pods=holder), deployment())["gpus"]
    assert one.verdict is Verdict.WARNING
    assert "ml/train-0 has 1 on node1" in one.evidence
    ended = Answer(0, "ml|old|node1|Succeeded|1||||x\n", "")
    assert judged(settings, cluster(pods=ended), deployment())["gpus"].verdict is Verdict.FITS
    own = Answer(0, "default|job-5|node1|Running|1||||job\n", "")
    assert judged(settings, cluster(pods=own), deployment())["gpus"].verdict is Verdict.FITS


def test_two_of_one_call_do_not_both_get_the_one_gpu(settings: Settings) -> None:
    first, second = requests([deployment("a")]), requests([deployment("b")])
    [one] = [one for one in judge(replace(second, beside=first.pods), cluster(), settings) if one.id == "gpus"]
    assert one.verdict is Verdict.WARNING
    assert any("Deployment" in line and "of the same call asks for 1" in line for line in one.evidence), one
    many = cluster(nodes=listed(node(gpus=2)))
    [one] = [one for one in judge(replace(second, beside=first.pods), many, settings) if one.id == "gpus"]
    assert one.verdict is Verdict.FITS


def test_processors_and_memory_that_no_node_has_left(settings: Settings) -> None:
    asking = deployment()
    container = asking["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["requests"] = {"cpu": "2", "memory": "1Gi"}
    assert "resources" not in judged(settings, cluster(), asking)
    others = Answer(0, "gpu|plugin-1|node1|Running|||10m|64Mi|device-plugin\n", "")
    one = judged(settings, cluster(pods=others), asking)["resources"]
    assert one.verdict is Verdict.WARNING
    assert "others have 0.010 CPU and 64 MiB" in one.evidence[0]
    container["resources"]["requests"]["cpu"] = "2500m"
    assert judged(settings, cluster(), asking)["resources"].verdict is Verdict.REFUSED
    container["resources"]["requests"] = {"memory": "64Gi"}
    assert judged(settings, cluster(), asking)["resources"].verdict is Verdict.REFUSED


def test_no_plugin_and_an_unknown_one(settings: Settings) -> None:
    facts = cluster(daemonsets=Answer(0, "", ""), nodes=listed(node(gpus=0)))
    found = judged(settings, facts, deployment())
    assert found["device-plugin"].verdict is Verdict.REFUSED
    assert found["gpus"].verdict is Verdict.REFUSED
    unknown = Answer(0, "gpu|plugin|nvcr.io/nvidia/k8s-device-plugin:v0.99.0\n", "")
    one = judged(settings, cluster(daemonsets=unknown), deployment())["device-plugin"]
    assert one.verdict is Verdict.WARNING
    assert "0.99.0" in one.what
    assert "device_plugins in site.yml" in one.next_step
    assert "device-plugin" not in judged(settings, cluster(daemonsets=unknown), deployment(gpus=0))


def test_gpu_feature_discovery_is_no_plugin_though_its_image_is_the_same(settings: Settings) -> None:
    rows = "".join(
        f"gpu|{name}|nvcr.io/nvidia/k8s-device-plugin:v0.20.0\n"
        for name in ("gpu-feature-discovery", "nvdp-nvidia-device-plugin-mps-control-daemon")
    )
    facts = cluster(daemonsets=Answer(0, rows, ""), nodes=listed(node(gpus=0)))
    assert facts.plugins() == {}
    assert judged(settings, facts, deployment())["device-plugin"].verdict is Verdict.REFUSED
    both = cluster(daemonsets=Answer(0, f"{rows}gpu|nvdp-nvidia-device-plugin|x/k8s-device-plugin:v0.20.0\n", ""))
    assert list(both.plugins()) == ["gpu/nvdp-nvidia-device-plugin"]


def test_a_kind_that_the_cluster_does_not_know_is_not_there() -> None:
    for said in (
        'error: the server doesn\'t have a resource type "widget"',
        "Error from server (NotFound): x not found",
    ):
        assert _is_unknown_place(Answer(1, "", said))
    assert not _is_unknown_place(FORBIDDEN)


@pytest.mark.parametrize(
    ("args", "size", "verdict"),
    [
        (["--tensor-parallel-size", "4"], "1Gi", Verdict.REFUSED),
        (["--tensor-parallel-size=4"], "4Gi", Verdict.FITS),
        (["-tp", "2", "--pipeline-parallel-size", "2"], "3Gi", Verdict.REFUSED),
        (["--tensor-parallel-size", "1"], "64Mi", Verdict.FITS),
        (["sh", "-c", "vllm serve x --tensor-parallel-size 4"], "1Gi", Verdict.REFUSED),
        ([], "64Gi", Verdict.REFUSED),
    ],
)
def test_shared_memory_for_ranks_and_memory_for_it(
    settings: Settings, args: list[str], size: str, verdict: Verdict
) -> None:
    one = judged(settings, cluster(), deployment(args=args, **shared_memory(size)))["shared-memory"]
    assert one.verdict is verdict, one


def test_ranks_without_a_volume_have_the_engines_64_mib(settings: Settings) -> None:
    one = judged(settings, cluster(), deployment(args=["--tensor-parallel-size=2"]))["shared-memory"]
    assert one.verdict is Verdict.REFUSED
    assert "64Mi" in one.what


def test_a_path_that_is_missing_or_on_windows(settings: Settings) -> None:
    volumes = [{"name": "m", "hostPath": {"path": "/srv/models", "type": "Directory"}}]
    asking = deployment(volumes=volumes)
    there = cluster(paths=Answer(0, "directory ext4 /srv/models\n", ""))
    assert "paths" not in judged(settings, there, asking)
    missing = cluster(paths=Answer(0, "missing ext4 /srv/models\n", ""))
    assert judged(settings, missing, asking)["paths"].verdict is Verdict.REFUSED
    a_file = cluster(paths=Answer(0, "file ext4 /srv/models\n", ""))
    assert "no folder" in judged(settings, a_file, asking)["paths"].what
    windows = cluster(paths=Answer(0, "directory 9p /srv/models\n", ""))
    one = judged(settings, windows, asking)["paths"]
    assert (one.verdict, one.evidence) == (Verdict.WARNING, ("file system 9p on node1",))
    drive = deployment(volumes=[{"name": "m", "hostPath": {"path": "/mnt/c/models", "type": "Directory"}}])
    seen = cluster(paths=Answer(0, "missing - /mnt/c/models\n", ""))
    assert "Windows drive" in judged(settings, seen, drive)["paths"].what
    assert judged(settings, cluster(), asking)["paths"].verdict is Verdict.CANNOT_TELL


def test_a_volume_of_the_nodes_is_looked_for_too(settings: Settings) -> None:
    volume = {
        "kind": "PersistentVolume",
        "metadata": {"name": "models"},
        "spec": {"hostPath": {"path": "/srv/models", "type": "Directory"}},
    }
    missing = cluster(paths=Answer(0, "missing ext4 /srv/models\n", ""))
    assert judged(settings, missing, volume)["paths"].verdict is Verdict.REFUSED


def test_the_node_that_was_asked_must_be_one_of_the_cluster(settings: Settings) -> None:
    volumes = [{"name": "m", "hostPath": {"path": "/srv/models", "type": "Directory"}}]
    elsewhere = cluster(node=Answer(0, "laptop\n", ""), paths=Answer(0, "missing ext4 /srv/models\n", ""))
    one = judged(settings, elsewhere, deployment(volumes=volumes))["paths"]
    assert one.verdict is Verdict.CANNOT_TELL
    assert "--on" in one.what


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (cluster(listening=Answer(0, "0.0.0.0:8000\n", "")), "a process of the node"),
        (cluster(pods=Answer(0, "web|front|node1|Running||8000|||front\n", "")), "pod web/front"),
    ],
)
def test_a_host_port_that_is_taken(settings: Settings, facts: ClusterFacts, words: str) -> None:
    env = [{"name": "VLLM_API_KEY", "value": "x"}]
    asking = deployment(ports=[{"containerPort": 8000, "hostPort": 8000}], env=env)
    one = judged(settings, facts, asking)["ports"]
    assert one.verdict is Verdict.REFUSED
    assert words in one.what
    assert "ports" not in judged(settings, cluster(), asking)


def test_ones_own_port_is_not_taken(settings: Settings) -> None:
    asking = deployment(ports=[{"containerPort": 8000, "hostPort": 8000}])
    own = cluster(pods=Answer(0, "default|job-1|node1|Running|1|8000|||job\n", ""), listening=Answer(0, "*:8000\n", ""))
    assert "ports" not in judged(settings, own, asking)


def service(**spec: Any) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": "web", "namespace": "default"}, "spec": spec}


def test_a_node_port_that_is_taken(settings: Settings) -> None:
    ports = [{"port": 80, "nodePort": 30080}]
    wanting = service(type="NodePort", ports=ports, selector={})
    taken = cluster(services=Answer(0, "shop|front|30080\n", ""))
    assert "shop/front" in judged(settings, taken, wanting)["ports"].what
    own = cluster(services=Answer(0, "default|web|30080\n", ""))
    assert "ports" not in judged(settings, own, wanting)


def test_what_listens_beyond_the_cluster_without_a_key_is_a_warning(settings: Settings) -> None:
    selector = {"app.kubernetes.io/name": "job"}
    open_to_all = service(type="NodePort", ports=[{"port": 80}], selector=selector)
    one = judged(settings, cluster(), deployment(), open_to_all)["exposure"]
    assert one.verdict is Verdict.WARNING
    assert "asks for no key" in one.what
    key = [{"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "x"}}}]
    found = judged(settings, cluster(**part("key", there=True)), deployment(env=key), open_to_all)
    assert "exposure" not in found
    inside = service(type="ClusterIP", ports=[{"port": 80}], selector=selector)
    assert "exposure" not in judged(settings, cluster(), deployment(), inside)
    assert "exposure" in judged(settings, cluster(), deployment(hostNetwork=True))


def part(name: str, *, there: bool) -> dict[str, Answer]:
    return {f"part_default_secret_{name}": Answer(0, f"secret/{name}\n" if there else "", "")}


def test_a_secret_that_is_not_there(settings: Settings) -> None:
    key = [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "key", "key": "x"}}}]
    one = judged(settings, cluster(**part("key", there=False)), deployment(env=key))["parts"]
    assert one.verdict is Verdict.REFUSED
    assert "secret key" in one.what
    assert "parts" not in judged(settings, cluster(**part("key", there=True)), deployment(env=key))
    made = {"kind": "Secret", "metadata": {"name": "key", "namespace": "default"}}
    assert "parts" not in judged(settings, cluster(), deployment(env=key), made)


def test_namespaces_and_runtime_classes(settings: Settings) -> None:
    lost = deployment()
    lost["metadata"]["namespace"] = "nowhere"
    assert judged(settings, cluster(), lost)["namespace"].verdict is Verdict.REFUSED
    brought = {"kind": "Namespace", "metadata": {"name": "nowhere"}}
    assert "namespace" not in judged(settings, cluster(), lost, brought)
    lost["metadata"]["namespace"] = "old"
    assert "being deleted" in judged(settings, cluster(), lost)["namespace"].what
    none = cluster(runtime_classes=Answer(0, "", ""))
    assert judged(settings, none, deployment())["runtime-class"].verdict is Verdict.REFUSED
    ours = {"kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"}
    assert "runtime-class" not in judged(settings, none, deployment(), ours)


def test_no_node_is_ready(settings: Settings) -> None:
    one = judged(settings, cluster(nodes=listed(node(ready=False))), deployment())["node"]
    assert one.verdict is Verdict.REFUSED
    assert one.evidence == ("node1: cni plugin not initialized",)


def test_what_may_not_be_listed_cannot_be_told(settings: Settings) -> None:
    found = judge(requests([deployment()]), cluster(nodes=FORBIDDEN), settings)
    assert {one.id for one in found if one.verdict is Verdict.CANNOT_TELL} == {"node", "gpus"}
    assert exit_code(found) == 2
    assert exit_code([*found, Judgement("x", Verdict.REFUSED, "x")]) == 1


@pytest.mark.parametrize("label", sorted(answers()))
@pytest.mark.parametrize("garbage", ["", "{", "[]", "a|b|c\n", "\x00\x1b[2J", "9" * 5000])
def test_garbage_of_a_cluster_is_no_traceback(settings: Settings, label: str, garbage: str) -> None:
    facts = ClusterFacts({**answers(), label: Answer(0, garbage, "")})
    volumes = [{"name": "m", "hostPath": {"path": "/srv", "type": "Directory"}}]
    ports = [{"containerPort": 1, "hostPort": 1}]
    judge(requests([deployment(volumes=volumes, ports=ports)]), facts, settings)
    truth(facts, "wslgpu.dev/gpu")


def test_what_is_rendered_from() -> None:
    assert truth(cluster(), "wslgpu.dev/gpu") == NodeTruth((1, 34), 4, 1, "wslgpu.dev/gpu=video", 16 * GIB)
    assert truth(cluster(kinds=Answer(0, "nvidia.com/gpu\n", "")), "wslgpu.dev/gpu").video_device == ""
    elsewhere = truth(cluster(node=Answer(0, "laptop\n", "")), "wslgpu.dev/gpu")
    assert (elsewhere.gpus, elsewhere.video_device, elsewhere.advertised) == (None, None, 1)
    assert truth(cluster(nodes=FORBIDDEN), "x").advertised is None


def test_versions_of_the_plugin(settings: Settings) -> None:
    known = known_versions(settings)
    assert UNRESOLVED not in known
    row = settings.device_plugins["0.20.0"]
    assert version_of(f"nvcr.io/nvidia/k8s-device-plugin@{row.digest}", known) == "0.20.0"
    assert version_of("nvcr.io/nvidia/k8s-device-plugin:v0.17.1", known) == "0.17.1"
    assert version_of("registry:5000/k8s-device-plugin", known) == ""


@pytest.mark.parametrize(
    ("text", "value"), [("16Gi", 16 * GIB), ("500m", 0.5), ("1e3", 1000), ("2k", 2000), ("x", None), ("", None)]
)
def test_quantities(text: str, value: float | None) -> None:
    found = quantity(text)
    assert (None if found is None else float(found)) == value
