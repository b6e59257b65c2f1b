"""`wslgpu workload check|apply|diff|remove` as typed, on a kubectl that keeps its cluster in a file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.unit import fake_kubectl
from tests.unit.cluster_answers import PLUGIN_DIGEST, deployment, node
from wslgpu.cli import cli
from wslgpu.kubernetes.apply import apply_plans
from wslgpu.kubernetes.check_model import Judgement, Verdict
from wslgpu.kubernetes.cli import _longest
from wslgpu.kubernetes.drift import LAST_APPLIED
from wslgpu.kubernetes.drift import judge as judge_drift
from wslgpu.kubernetes.kubectl import Kubectl
from wslgpu.kubernetes.plan import Planned

READY = {
    "DaemonSet": {
        "desiredNumberScheduled": 1,
        "updatedNumberScheduled": 1,
        "numberReady": 1,
        "numberAvailable": 1,
    }
}
PLUGIN = "daemonset/nvidia-device-plugin/nvidia-device-plugin"


class Cluster:
    """The file, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "cluster.json"
        self.site = folder / "site.yml"
        row = {**device_plugin_row(), "digest": PLUGIN_DIGEST}
        self.site.write_text(yaml.safe_dump({"device_plugins": {"0.20.0": row}}))
        nodes = {"kind": "List", "items": [node(images=[f"{row['repository']}@{PLUGIN_DIGEST}"])]}
        self.write(
            {
                "objects": {},
                "answers": {"nodes": json.dumps(nodes), "pods": "", "services": "", "daemonsets": ""},
                "status": READY,
                "refuse": {},
                "calls": [],
                "error": "",
                "log": "last words",
            }
        )

    def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def write(self, state: dict[str, Any]) -> None:
        self.file.write_text(json.dumps(state))

    @contextmanager
    def changed(self) -> Iterator[dict[str, Any]]:
        state = self.read()
        yield state
        self.write(state)

    def object(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.read()["objects"][key]
        return found

    def calls(self, verb: str) -> list[list[str]]:
        return [words for words, _ in self.read()["calls"] if words[0] == verb]

    def run(self, *words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(cli, ["workload", *words, "--site", str(self.site)])
        assert done.exit_code == code, (done.exit_code, done.output, done.exception)
        assert "Traceback" not in done.output
        return done

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["wslgpu", "--json"])  # what tells the command of an error's form
            found: dict[str, Any] = json.loads(self.run(*words, "--json", code=code).stdout)
        return found


def device_plugin_row() -> dict[str, Any]:
    from wslgpu.settings import load

    found: dict[str, Any] = load(Path("/dev/null")).device_plugins["0.20.0"].model_dump(mode="json")
    return found


def cuda_images() -> list[dict[str, Any]]:
    from wslgpu.settings import load

    return [one.model_dump(mode="json") for one in load(Path("/dev/null")).cuda_images]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster(tmp_path)
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {fake_kubectl.__file__} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_CLUSTER", str(made.file))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setattr("wslgpu.kubernetes.wait.POLL_S", 0.05)
    return made


def test_apply_twice(cluster: Cluster) -> None:
    first = cluster.run("apply", "device-plugin", "runtime-class")
    assert "DaemonSet nvidia-device-plugin/nvidia-device-plugin: created" in first.stdout
    assert "ready after" in first.stdout
    assert "runtimeclass//nvidia" in cluster.read()["objects"]
    again = cluster.json("apply", "device-plugin", "runtime-class")
    assert set(again["applied"]["objects"].values()) == {"unchanged"}
    applied = [words for words in cluster.calls("apply") if "--dry-run=server" not in words]
    # namespace first, then the rest; the second time nothing
    assert len(applied) == 2
    assert cluster.run("diff", "device-plugin", "runtime-class").exit_code == 0


def test_the_server_is_asked_before_anything_is_applied(cluster: Cluster) -> None:
    with cluster.changed() as state:
        state["refuse"] = {"dry-run": "DaemonSet"}
        state["objects"]["runtimeclass//nvidia"] = {
            "kind": "RuntimeClass",
            "metadata": {"name": "nvidia", "labels": {}},
            "handler": "nvidia",
        }
    done = cluster.run("apply", "device-plugin", code=1)
    assert "refuses it" in done.output
    # the namespace had to be there for the server to try the rest, and that is said
    assert "Namespace nvidia-device-plugin created; they stay" in done.output
    assert PLUGIN not in cluster.read()["objects"]


def test_half_applied_says_what_is_there(cluster: Cluster) -> None:
    with cluster.changed() as state:
        state["refuse"] = {"apply": "DaemonSet"}
    done = cluster.run("apply", "runtime-class", "device-plugin", code=1)
    assert "RuntimeClass nvidia created" in done.output
    assert "they stay" in done.output


def test_a_foreign_object_is_left_alone(cluster: Cluster) -> None:
    foreign = {"kind": "RuntimeClass", "metadata": {"name": "nvidia", "labels": {}}, "handler": "other"}
    with cluster.changed() as state:
        state["objects"]["runtimeclass//nvidia"] = foreign
    for words in ((), ("--force",), ("--restore",)):
        done = cluster.run("apply", "runtime-class", *words, code=1)
        assert "not wslgpu's" in done.output
    assert cluster.object("runtimeclass//nvidia") == foreign
    assert cluster.calls("apply") == []
    assert cluster.json("diff", "runtime-class", code=1)["objects"][0]["state"] == "foreign"
    # one that says the same is right as it is
    with cluster.changed() as state:
        state["objects"]["runtimeclass//nvidia"]["handler"] = "nvidia"
    assert cluster.json("apply", "runtime-class")["applied"]["objects"] == {"RuntimeClass nvidia": "found"}
    assert cluster.calls("apply") == []


def edit(cluster: Cluster) -> None:
    with cluster.changed() as state:
        container = state["objects"][PLUGIN]["spec"]["template"]["spec"]["containers"][0]
        container["image"] = "evil:latest"
        container["env"].append({"name": "MORE", "value": "1"})


def test_an_edit_by_hand_is_found_and_put_back_on_request(cluster: Cluster) -> None:
    cluster.run("apply", "runtime-class", "device-plugin")
    edit(cluster)
    found = cluster.json("diff", "device-plugin", code=1)["objects"]
    [edited] = [one for one in found if one["state"] == "edited"]
    assert {one["path"].rpartition(".")[2] for one in edited["edited"]} == {"image", "env[MORE]"}
    before = cluster.object(PLUGIN)
    done = cluster.run("apply", "device-plugin", code=1)
    assert "evil:latest" in done.output
    assert "--restore" in done.output
    assert cluster.object(PLUGIN) == before, "nothing is overwritten unasked"
    cluster.run("apply", "device-plugin", "--force", code=1)
    cluster.run("apply", "device-plugin", "--restore")
    assert cluster.run("diff", "device-plugin").exit_code == 0
    # kubectl was told of the addition, or it would have left it there
    [patch] = cluster.calls("patch")
    assert patch[1:3] == ["daemonset", "nvidia-device-plugin"]
    sent = next(text for words, text in cluster.read()["calls"] if words[0] == "patch")
    assert "MORE" in json.loads(sent)["metadata"]["annotations"][LAST_APPLIED]


def test_a_check_refuses_and_apply_with_it(cluster: Cluster, tmp_path: Path) -> None:
    own = tmp_path / "own.yml"
    own.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [deployment(gpus=4)]}))
    found = cluster.json("check", "--file", str(own), "--offline", code=1)
    refused = {one["id"] for one in found["workloads"][0]["judgements"] if one["verdict"] == "refused"}
    assert {"gpus", "runtime-class"} <= refused
    assert "asks for 4" in cluster.run("check", "--file", str(own), "--offline", code=1).stdout
    done = cluster.run("apply", "device-plugin", code=1)
    assert "no RuntimeClass nvidia" in done.output
    assert cluster.calls("apply") == []


def test_warnings_need_force(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = Judgement("exposure", Verdict.WARNING, "it listens", (), "Give it a key.")
    monkeypatch.setattr("wslgpu.kubernetes.plan.judge", lambda *_: [warning])
    done = cluster.run("apply", "runtime-class", code=1)
    assert "it listens" in done.output
    assert "--force" in done.output
    assert cluster.calls("apply") == []
    cluster.run("apply", "runtime-class", "--force")
    assert "runtimeclass//nvidia" in cluster.read()["objects"]


def test_an_image_that_nobody_could_ask_for_does_not_stop_an_apply(cluster: Cluster) -> None:
    with cluster.changed() as state:
        state["answers"]["nodes"] = json.dumps({"kind": "List", "items": [node()]})
    cluster.site.write_text(
        yaml.safe_dump(
            {
                **yaml.safe_load(cluster.site.read_text()),
                "proxy_url": "http://127.0.0.1:9",
            }
        )
    )
    found = cluster.json("check", "runtime-class", "device-plugin", code=2)
    verdicts = {one["id"]: one["verdict"] for plan in found["workloads"] for one in plan["judgements"]}
    assert verdicts["images"] == "cannot-tell"
    assert cluster.json("apply", "runtime-class", "device-plugin")["exit_code"] == 0


def test_not_ready_in_time(cluster: Cluster) -> None:
    with cluster.changed() as state:
        state["status"] = {"DaemonSet": {"desiredNumberScheduled": 1}}
    error = cluster.json("apply", "runtime-class", "device-plugin", "--wait", "0.2", code=1)["error"]
    assert error["class"] == "timeout"
    assert "0 of 1 ready" in error["what"]
    assert "left there" in error["where"]
    assert PLUGIN in cluster.read()["objects"]


def test_a_plugin_that_is_ready_and_tells_of_no_gpu(cluster: Cluster) -> None:
    with cluster.changed() as state:
        rows = [node(gpus=0, images=json.loads(state["answers"]["nodes"])["items"][0]["status"]["images"][0]["names"])]
        state["answers"]["nodes"] = json.dumps({"kind": "List", "items": rows})
    error = cluster.json("apply", "runtime-class", "device-plugin", "--wait", "0.5", code=1)["error"]
    assert error["class"] == "timeout"
    assert "no node offers a nvidia.com/gpu" in error["what"]
    assert "chain" in error["next_step"]


def test_a_pod_that_crashes_shows_its_last_words(cluster: Cluster) -> None:
    with cluster.changed() as state:
        state["status"] = {"DaemonSet": {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1}}
        labels = {"app.kubernetes.io/name": "device-plugin", "app.kubernetes.io/part-of": "wslgpu"}
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
        state["objects"]["pod/nvidia-device-plugin/p"] = {
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "nvidia-device-plugin", "labels": labels},
            "status": {"phase": "Running", "containerStatuses": [{"restartCount": 3, "state": waiting}]},
        }
    error = cluster.json("apply", "runtime-class", "device-plugin", code=1)["error"]
    assert "again and again" in error["what"]
    assert "last words" in error["what"]


def test_without_a_number_the_slowest_is_waited_for() -> None:
    from wslgpu.settings import load

    settings = load(Path("/dev/null"))
    assert _longest(settings, ("namespace",)) == 180
    assert _longest(settings, ("namespace", "vllm")) == settings.vllm_load_timeout_s > 180
    assert _longest(settings, ("vllm", "ffmpeg-job")) == settings.ffmpeg_job_deadline_s


def test_no_node_is_ready_in_time(cluster: Cluster) -> None:
    with cluster.changed() as state:
        state["answers"]["nodes"] = json.dumps({"kind": "List", "items": [node(ready=False)]})
    error = cluster.json("apply", "runtime-class", "device-plugin", "--wait", "0.1", code=1)["error"]
    assert error["class"] == "timeout"
    assert "cni plugin not initialized" in error["what"]
    assert cluster.calls("apply") == []


def test_remove_takes_what_is_ours_and_keeps_data(cluster: Cluster) -> None:
    cluster.run("apply", "runtime-class", "device-plugin")
    labels = {"app.kubernetes.io/name": "device-plugin", "app.kubernetes.io/managed-by": "wslgpu"}
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "x", "labels": labels}}
    foreign = {"kind": "ConfigMap", "metadata": {"name": "mine", "namespace": "x", "labels": {**labels}}}
    foreign["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "me"  # type: ignore[index]
    with cluster.changed() as state:
        state["objects"] |= {"persistentvolumeclaim/x/c": claim, "configmap/x/mine": foreign}
    done = cluster.run("remove", "device-plugin")
    assert "PersistentVolumeClaim x/c stays" in done.stdout
    left = set(cluster.read()["objects"])
    assert left == {"runtimeclass//nvidia", "persistentvolumeclaim/x/c", "configmap/x/mine"}
    cluster.run("remove", "device-plugin", "--data")
    assert "persistentvolumeclaim/x/c" not in cluster.read()["objects"]
    assert "nothing of it is there" in cluster.run("remove", "device-plugin").stdout


def test_two_of_one_name_in_two_namespaces(cluster: Cluster) -> None:
    documents = tuple(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "same", "namespace": space}}
        for space in ("one", "two")
    )
    plan = Planned("x", documents, (), tuple(judge_drift(one, None) for one in documents), (None, None))
    done = apply_plans(Kubectl(), [plan], lambda _: None, wait_s=0)
    assert done.done.keys() == {"ConfigMap one/same", "ConfigMap two/same"}


def test_what_earlier_data_left_is_named_and_removed_on_request(cluster: Cluster) -> None:
    cluster.run("apply", "runtime-class", "device-plugin")
    space = "nvidia-device-plugin"
    labels = {"app.kubernetes.io/name": "device-plugin", "app.kubernetes.io/managed-by": "wslgpu"}
    ended = {"conditions": [{"type": "Complete", "status": "True"}]}

    def left(kind: str, name: str, **more: Any) -> dict[str, Any]:
        return {"kind": kind, "metadata": {"name": name, "namespace": space, "labels": labels}, **more}

    with cluster.changed() as state:
        state["objects"] |= {
            f"configmap/{space}/scripts-old": left("ConfigMap", "scripts-old"),
            f"job/{space}/job-runs": left("Job", "job-runs", spec={"ttlSecondsAfterFinished": 9}),
            f"job/{space}/job-ended": left("Job", "job-ended", spec={"ttlSecondsAfterFinished": 9}, status=ended),
            f"persistentvolumeclaim/{space}/data": left("PersistentVolumeClaim", "data"),
        }
        owned = left("ConfigMap", "owned")
        owned["metadata"]["ownerReferences"] = [{"kind": "X"}]
        state["objects"][f"configmap/{space}/owned"] = owned
    found = {one["object"]: one["stays"] for one in cluster.json("diff", "device-plugin", code=1)["leftovers"]}
    gone = {f"ConfigMap {space}/scripts-old", f"Job {space}/job-runs"}
    assert {who for who, stays in found.items() if not stays} == gone
    assert found.keys() - gone == {f"Job {space}/job-ended", f"PersistentVolumeClaim {space}/data"}
    assert "left by earlier data" in cluster.run("diff", "device-plugin", code=1).stdout
    # named, and not touched unasked
    assert "--prune" in cluster.run("apply", "device-plugin").output
    assert cluster.calls("delete") == []
    assert set(cluster.json("apply", "device-plugin", "--prune")["applied"]["pruned"]) == gone
    assert cluster.run("diff", "device-plugin").exit_code == 0
    assert {f"job/{space}/job-ended", f"persistentvolumeclaim/{space}/data"} <= cluster.read()["objects"].keys()


def test_a_gpu_is_waited_for_when_its_plugin_is_applied_by_the_same_call(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = json.loads(cluster.read()["answers"]["nodes"])
    without = json.loads(json.dumps(nodes))
    without["items"][0]["status"]["allocatable"]["nvidia.com/gpu"] = "0"
    image = {"cuda_images": [{**row, "digest": PLUGIN_DIGEST} for row in cuda_images()]}
    cluster.site.write_text(yaml.safe_dump({**yaml.safe_load(cluster.site.read_text()), **image}))
    with cluster.changed() as state:
        state["answers"]["nodes"] = json.dumps(without)
        state["status"] = {**READY, "Deployment": {"updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}}
    names = ("ffmpeg", "ffmpeg-storage", "namespace", "device-plugin", "runtime-class")
    found = cluster.json("check", "--offline", *names, code=2)
    assert {one["verdict"] for plan in found["workloads"] for one in plan["judgements"] if one["id"] == "gpus"} == {
        "note"
    }
    # alone it is refused, and without waiting nobody could judge it
    assert "no nvidia.com/gpu to give" in cluster.run("apply", "ffmpeg", "namespace", code=1).output
    assert "ffmpeg" in cluster.json("apply", "--offline", *names, "--wait", "0", code=2)["error"]["what"]
    assert cluster.calls("apply") == []

    def tells(*_: Any) -> None:
        assert "deployment/gpu-workloads/ffmpeg" not in cluster.read()["objects"]
        with cluster.changed() as state:
            state["answers"]["nodes"] = json.dumps(nodes)

    monkeypatch.setattr("wslgpu.kubernetes.apply.wait_for_gpus", tells)
    done = cluster.json("apply", "--offline", *names)
    assert done["applied"]["objects"]["Deployment gpu-workloads/ffmpeg"] == "created"
    assert PLUGIN in cluster.read()["objects"]
    [gpus] = [one for plan in done["workloads"] for one in plan["judgements"] if one["id"] == "gpus"]
    assert gpus["verdict"] == "fits"


def test_a_namespace_with_something_of_others_in_it_stays(cluster: Cluster) -> None:
    cluster.run("apply", "runtime-class", "device-plugin")
    # of whatever kind, one that only this cluster knows among them
    other = {"kind": "Widget", "metadata": {"name": "mine", "namespace": "nvidia-device-plugin"}}
    made = {"kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "nvidia-device-plugin"}}
    with cluster.changed() as state:
        state["objects"]["widget/nvidia-device-plugin/mine"] = other
        state["objects"]["serviceaccount/nvidia-device-plugin/default"] = made
    done = cluster.run("remove", "device-plugin")
    assert "Namespace nvidia-device-plugin stays: in it there is still Widget mine" in done.stdout
    assert "ServiceAccount" not in done.stdout
    assert "namespace//nvidia-device-plugin" in cluster.read()["objects"]


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?", 2, "API"),
        ("error: You must be logged in to the server (Unauthorized)", 2, "does not allow"),
    ],
)
@pytest.mark.parametrize("command", ["check", "apply", "diff", "remove"])
def test_a_cluster_that_does_not_answer(cluster: Cluster, command: str, said: str, code: int, words: str) -> None:
    with cluster.changed() as state:
        state["error"] = said
    done = cluster.run(command, "runtime-class", code=code)
    assert words in done.output


@pytest.mark.parametrize("command", ["check", "apply", "diff", "remove"])
def test_an_unknown_name_asks_no_cluster(cluster: Cluster, command: str) -> None:
    done = cluster.run(command, "nothing", code=2)
    assert "Known: runtime-class" in done.output
    assert cluster.read()["calls"] == []


def test_places_exclude_each_other(cluster: Cluster) -> None:
    done = cluster.run("diff", "runtime-class", "--on", "local", "--lab", "x", code=2)
    assert "exclude" in done.output
    for name in ("/nowhere", "a" * 5000, "/dev/null"):
        assert "no such kubeconfig" in cluster.run("diff", "runtime-class", "--kubeconfig", name, code=2).output
    assert "no number" in cluster.run("apply", "runtime-class", "--wait", "nan", code=2).output
    assert "current context" in cluster.run("chain", "--context", "other", code=2).output
    cluster.run("diff", "runtime-class", "--on", "docker://x", code=2)
    cluster.run("check", code=2)
