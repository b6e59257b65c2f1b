"""What on the cluster differs from what is rendered, and whether a hand did it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.unit.cluster_answers import deployment
from wslgpu.kubernetes.drift import DIGEST, LAST_APPLIED, State, digest, judge, marked
from wslgpu.kubernetes.restore import forget, with_additions

Document = dict[str, Any]


def wanted() -> Document:
    made = deployment("web", env=[{"name": "A", "value": "1"}], ports=[{"containerPort": 80}], args=["serve"])
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = {
        "limits": {"cpu": "1000m", "memory": "1Gi", "nvidia.com/gpu": "1"}
    }
    return made


def on_cluster(document: Document, by_hand: bool = False) -> Document:
    """The object as the server has it after it was applied: with defaults, a status, and the annotations."""
    applied = document if by_hand else marked(document)
    live = copy.deepcopy(applied)
    live["metadata"] |= {"uid": "1", "resourceVersion": "7", "generation": 1, "managedFields": [{}]}
    live["metadata"]["annotations"] = {
        **(live["metadata"].get("annotations") or {}),
        LAST_APPLIED: json.dumps(applied),
        "deployment.kubernetes.io/revision": "1",
    }
    live["status"] = {"readyReplicas": 1}
    if "template" in live.get("spec", {}):
        spec = live["spec"]["template"]["spec"]
        spec |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}
        container = spec["containers"][0]
        container |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log"}
        container["ports"][0]["protocol"] = "TCP"
        container["resources"]["limits"]["cpu"] = "1"
        live["spec"] |= {"progressDeadlineSeconds": 600}
    return live


def container(document: Document) -> Document:
    found: Document = document["spec"]["template"]["spec"]["containers"][0]
    return found


def test_what_the_server_fills_in_is_no_drift() -> None:
    assert judge(wanted(), on_cluster(wanted())).state is State.SAME


def test_not_there() -> None:
    assert judge(wanted(), None).state is State.MISSING
    assert judge(wanted(), {}).state is State.MISSING


def test_data_that_changed_is_no_edit() -> None:
    new = wanted()
    container(new)["args"] = ["serve", "--fast"]
    found = judge(new, on_cluster(wanted()))
    assert found.state is State.CHANGED
    assert [one.path for one in found.differences] == ["spec.template.spec.containers[main].args"]
    assert found.edited == ()


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("spec.template.spec.containers[main].image", lambda live: container(live).update(image="evil:latest")),
        ("spec.template.spec.containers[main].env[B]", lambda live: container(live)["env"].append({"name": "B"})),
        ("spec.template.spec.containers[main].env", lambda live: container(live)["env"].clear()),
        ("spec.template.spec.containers[side]", lambda live: live["spec"]["template"]["spec"]["containers"].append(
            {"name": "side", "image": "x"}
        )),
        (
            "spec.template.spec.containers[main].resources.limits.nvidia.com/gpu",
            lambda live: container(live)["resources"]["limits"].pop("nvidia.com/gpu"),
        ),
        (
            "spec.template.spec.containers[main].resources.limits.hugepages-2Mi",
            lambda live: container(live)["resources"]["limits"].update({"hugepages-2Mi": "1Gi"}),
        ),
        ("spec.replicas", lambda live: live["spec"].update(replicas=3)),
        ("spec.template.spec.runtimeClassName", lambda live: live["spec"]["template"]["spec"].pop("runtimeClassName")),
    ],
)  # fmt: skip
def test_a_hand_on_the_cluster_is_seen(path: str, change: Any) -> None:
    live = on_cluster(wanted())
    change(live)
    found = judge(wanted(), live)
    assert found.state is State.EDITED
    assert path in [one.path for one in found.edited]


def test_what_others_own_is_no_drift() -> None:
    live = on_cluster(wanted())
    live["status"] = {"readyReplicas": 0}
    live["metadata"]["labels"]["team"] = "a"
    live["metadata"]["annotations"]["note"] = "b"
    assert judge(wanted(), live).state is State.SAME
    live["spec"]["replicas"] = 5
    assert judge(wanted(), live, autoscaled=True).state is State.SAME
    assert judge(wanted(), live).state is State.EDITED


def test_what_somebody_else_applied_last_is_an_edit() -> None:
    other = wanted()
    container(other)["args"] = ["other"]
    assert judge(wanted(), on_cluster(other, by_hand=True)).state is State.EDITED
    # an annotation of ours that was kept does not make it ours
    kept = marked(wanted())
    container(kept)["args"] = ["other"]
    assert judge(wanted(), on_cluster(kept, by_hand=True)).state is State.EDITED
    # the same, by whomever, is the same
    assert judge(wanted(), on_cluster(wanted(), by_hand=True)).state is State.SAME


def test_what_is_not_ours() -> None:
    live = on_cluster(wanted())
    live["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    assert judge(wanted(), live).state is State.FOREIGN_SAME
    container(live)["image"] = "other"
    found = judge(wanted(), live)
    assert found.state is State.FOREIGN
    assert [one.path for one in found.differences] == ["spec.template.spec.containers[main].image"]


def secret(value: str) -> Document:
    labels = {"app.kubernetes.io/managed-by": "wslgpu"}
    return {"kind": "Secret", "metadata": {"name": "key", "labels": labels}, "stringData": {"api-key": value}}


def test_a_secret_is_compared_and_never_shown() -> None:
    live = {**secret(""), "data": {"api-key": "b2xkLXNlY3JldA=="}}
    live.pop("stringData")
    assert judge(secret("old-secret"), live).state is State.SAME
    found = judge(secret("new-secret"), live)
    assert found.state is State.CHANGED
    shown = json.dumps(found.as_json()) + str(found)
    assert "new-secret" not in shown
    assert "b2xk" not in shown
    assert "***" in shown


def test_a_config_map_that_somebody_added_to() -> None:
    labels = {"app.kubernetes.io/managed-by": "wslgpu"}
    ours: Document = {"kind": "ConfigMap", "metadata": {"name": "c", "labels": labels}, "data": {"a": "1"}}
    live = on_cluster(ours)
    live["data"]["b"] = "2"
    found = judge(ours, live)
    assert (found.state, [one.path for one in found.edited]) == (State.EDITED, ["data.b"])


def test_a_selector_of_all_that_was_narrowed() -> None:
    labels = {"app.kubernetes.io/managed-by": "wslgpu"}
    ours: Document = {"kind": "NetworkPolicy", "metadata": {"name": "n", "labels": labels}, "spec": {"podSelector": {}}}
    live = on_cluster(ours)
    assert judge(ours, live).state is State.SAME
    live["spec"]["podSelector"] = {"matchLabels": {"a": "b"}}
    assert judge(ours, live).state is State.EDITED


def test_a_key_in_the_environment_is_not_shown() -> None:
    live = on_cluster(wanted())
    container(live)["env"].append({"name": "VLLM_API_KEY", "value": "hunter2"})
    found = judge(wanted(), live)
    assert found.state is State.EDITED
    assert "VLLM_API_KEY" in str(found.as_json())
    assert "hunter2" not in str(found.as_json())
    container(live)["env"][-1] = {"name": "MODE", "value": "hunter2"}
    assert "hunter2" in str(judge(wanted(), live).as_json()), "others are"


def test_our_annotation_does_not_count_itself() -> None:
    assert marked(wanted())["metadata"]["annotations"][DIGEST] == digest(wanted()) == digest(marked(wanted()))
    turned = dict(reversed(list(wanted().items())))
    assert digest(turned) == digest(wanted())


def test_additions_are_made_known_before_they_are_taken_away() -> None:
    live = on_cluster(wanted())
    assert forget(wanted(), live) is None
    container(live)["env"].append({"name": "B", "value": "2"})
    live["spec"]["selector"]["matchLabels"]["x"] = "y"
    request = forget(wanted(), live)
    assert request is not None
    assert request.words[:3] == ("patch", "deployment", "web")
    applied = json.loads(json.loads(request.stdin)["metadata"]["annotations"][LAST_APPLIED])
    assert [one["name"] for one in container(applied)["env"]] == ["A", "B"]
    assert applied["spec"]["selector"]["matchLabels"]["x"] == "y"
    assert "dnsPolicy" not in applied["spec"]["template"]["spec"]
    assert forget(secret("a"), {**secret("a"), "data": {"more": "x"}}) is None


def test_lists_without_a_key_are_left_alone() -> None:
    assert with_additions(["a"], ["a", "b"]) == ["a"]
    assert with_additions([{"name": "a"}], [{"name": "a"}, {"name": "a"}]) == [{"name": "a"}]


@pytest.mark.parametrize("garbage", ["", "{", "[]", "null", "3"])
def test_an_annotation_of_garbage(garbage: str) -> None:
    live = on_cluster(wanted())
    live["metadata"]["annotations"][LAST_APPLIED] = garbage
    assert judge(wanted(), live).state is State.SAME
    container(live)["image"] = "x"
    assert judge(wanted(), live).state is State.EDITED
